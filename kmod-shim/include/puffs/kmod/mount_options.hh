// kmod/mount_options.hh - what a mount can be told, on the command line or by a program.
//
// Errors:     parse: one line that names the option and the cause.
// Source:     mount(8), fuse(8), mount.fuse3(8) (names).
#pragma once

#include "puffs/server/usermount.hh"

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

namespace puffs::kmod {

// How requests come from the kernel.
enum class transport_kind : std::uint8_t {
    automatic, // uring where the kernel offers it
    uring,     // FUSE over io_uring: each request on the core of its caller (Linux 6.14)
    dev,       // reads of /dev/fuse
};

struct mount_options {
    std::string mountpoint;
    std::string source;              // fsname=; default: the server's name
    std::string subtype;             // default: the server's name
    std::vector<std::string> kernel; // passed on to mount(2), in order: nosuid, noexec, ...
    std::vector<std::pair<std::string, std::string>>
        server; // options that only the server knows, in order
    usermount_options
        user; // timeouts, policy; the kernel hears of read_only and writeback_cache too
    bool default_permissions = false;       // the kernel checks permissions by mode and owner
    bool allow_other = false;               // other users may use the mount
    std::uint32_t max_read = 0;             // bytes; 0: no limit of ours
    std::uint32_t max_write = 1024 * 1024;  // bytes
    std::uint32_t max_background = 0;       // 0: 16 a core, at least 64
    std::uint32_t congestion_threshold = 0; // 0: three quarters of that
    std::optional<bool> readdirplus;        // nullopt: auto
    // A class's default, not an option: the server clears set-id bits where it is told to (cc::kills_set_id,
    // msg::set_kill_suidgid, and in fallocate by callers other than root). Otherwise, and with writeback_cache, the
    // kernel does that, and asks for security.capability before every write through its cache.
    bool clears_set_id = false;
    transport_kind transport = transport_kind::automatic;
    unsigned uring_entries = 0; // of each CPU's queue; 0: see transport.hh
    std::vector<int> cores;     // CPU numbers; empty: those this process may use, on /dev/fuse 4
    bool foreground = false;
    bool debug = false;
    bool stats = false; // times of operations, and all of it at unmount
    std::chrono::nanoseconds watchdog =
        std::chrono::seconds(1); // for which a core may be held; 0: for ever
    std::string log_level = "info";
    int ready_fd = -1; // --ready-fd=N
};

} // namespace puffs::kmod
