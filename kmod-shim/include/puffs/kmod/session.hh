// kmod/session.hh - one mounted file server: mounts it, runs it on its cores, unmounts it.
//
//   created -> mounted -> running -> draining -> unmounted
//
// Ownership:  owns runtime, mount, channel, library; refers to the server object.
// Threading:  one ordinary thread (main) calls; request_stop also from a signal handler's thread.
// Blocks:     run() until unmounted.
// Errors:     every failure is one line that names the thing and the cause; nothing stays mounted
//             after one, and a server that was started is told of the end by its unmount operation.
//             Operations that do not end when the mount is gone end the process, with status 1.
#pragma once

#include "puffs/kmod/mount_options.hh"
#include "puffs/server/ops.hh"

#include <functional>
#include <memory>
#include <string>

namespace puffs::kmod {

class session {
  public:
    // Starts the server and mounts. Nothing answers yet: the kernel's first request waits for run(), as do signals.
    // Errors: text for the user.
    static std::expected<std::unique_ptr<session>, std::string>
    create(void* server, const operations& ops, const mount_options& o);
    ~session(); // unmounts if still mounted

    // Serves until the file system is unmounted from outside, request_stop() or the connection is
    // aborted. `ready` is called once, when the mount answers. Returns an exit status: 0 for a
    // clean end, 1 if the mount never answered, could not be taken away, or lost its connection.
    int run(const std::function<void()>& ready);
    // Unmounts; a mount in use is detached and served until its last user is gone. A second call,
    // or one before the mount has answered, ends the connection: its users get errors. Any thread.
    void request_stop() noexcept;

  private:
    session();
    struct implementation;
    std::unique_ptr<implementation> impl_;
};

} // namespace puffs::kmod
