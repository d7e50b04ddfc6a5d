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
#include "arguments.hh"
#include "cores.hh"

#include <cstdint>
#include <fuse_lowlevel.h>
#include <string>

namespace puffs::bench {

enum class loop_kind : std::uint8_t { single, mt, mt_clone };

inline constexpr std::uint32_t max_payload_bytes = 1U << 20; // of a read or write

struct server_options {
    loop_kind loop = loop_kind::single;
    int core = any_core;
    std::string mount_point;
};

// Declares the options above; `out` lives as long as the app.
void declare_server(CLI::App& app, server_options& out);

// Mounts and serves. `mount_options` is what follows -o. Blocks until the end.
// Returns: the exit status of the program.
[[nodiscard]] int serve(const server_options& opts, const fuse_lowlevel_ops& ops, void* userdata,
                        std::string mount_options);

} // namespace puffs::bench
