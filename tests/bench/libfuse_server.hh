// bench/libfuse_server.hh - a server on libfuse's low-level API: its command line and its loop.
//
//     PROGRAM [--loop single|mt|mt-clone] [--core N] [OTHER OPTIONS] MOUNTPOINT
//
//   single    fuse_session_loop(): one thread
//   mt        fuse_session_loop_mt(): libfuse's thread pool on one descriptor
//   mt-clone  the same with clone_fd: a clone of /dev/fuse for each thread
//   --core    pins the process, and so all threads of the pool, to that core
//
// The server runs in the foreground until the mount point is unmounted or SIGINT, SIGTERM or SIGHUP comes.
#pragma once

#define FUSE_USE_VERSION 314
#include <cstdint>
#include <functional>
#include <fuse_lowlevel.h>
#include <string>
#include <string_view>

namespace puffs::bench {

enum class loop_kind : std::uint8_t { single, mt, mt_clone };

struct server_options {
    static constexpr int any_core = -1;
    loop_kind loop = loop_kind::single;
    int core = any_core;
    std::string mount_point;
};

// Reads the command line. `other` is asked for each option that is not named above.
// Returns: false for wrong arguments.
[[nodiscard]] bool parse_server(
    int argc, char** argv, server_options& out,
    const std::function<bool(std::string_view option, std::string_view value)>& other = {});

// Mounts and serves. `mount_options` is what follows -o. Blocks until the end.
// Returns: the exit status of the program.
[[nodiscard]] int serve(const server_options& opts, const fuse_lowlevel_ops& ops, void* userdata,
                        std::string mount_options);

} // namespace puffs::bench
