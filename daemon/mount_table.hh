// daemon/mount_table.hh - all mounts of the daemon, by mount point.
//
//   what happened                          | the entry
//   ---------------------------------------+----------------------------------------------------------
//   mount() succeeded, start_all()         | is there
//   mount() failed                         | is gone again, unless its mount could not be detached
//   the server died                        | stays, failed; umount() removes it, mount() replaces it
//   the server was unmounted from outside  | stays, stopped; the same
//   umount() succeeded                     | is gone
//
// Ownership:  owns the mounts. Must not be destroyed while one of them is active, except together with the executor.
// Threading:  the thread that runs the executor.
// Errors:     as each function says.
#pragma once

#include "daemon/awaitable.hh"
#include "daemon/change_signal.hh"
#include "daemon/failure.hh"
#include "daemon/mount.hh"
#include "daemon/mount_spec.hh"

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace puffs::daemon {

class mount_table {
  public:
    mount_table(boost::asio::io_context& context, supervision common);

    // mount - start a server and wait until it serves.
    // Errors:  bad_request, shutting_down, too_many; exists: an entry there is not stopped and not failed; those of
    //          mount.hh.
    // Blocks:  the coroutine, for supervision::start_timeout and the end of a server that fails.
    [[nodiscard]] awaitable<outcome<mount_status>> mount(mount_spec spec);

    // umount - stop the server and wait until nothing is mounted.
    // Errors:  no_such_mount; stop_failed.
    // Blocks:  the coroutine, for supervision::stop_timeout, limits::kill_wait and limits::detach.
    [[nodiscard]] awaitable<outcome<void>> umount(std::string mountpoint);

    // start_all - start one server for each, in this order; one whose mount point lies below an earlier one waits until
    // that one has settled. Failures show in the entries.
    [[nodiscard]] awaitable<void> start_all(std::vector<mount_spec> specs);

    // stop_all - refuse new mounts, stop every server, the inner mounts before those they are mounted on.
    // Blocks:  the coroutine, for the time of umount() once for each depth of nesting.
    [[nodiscard]] awaitable<void> stop_all();

    // Kills the servers that are stopping, at once.
    void hurry();

    [[nodiscard]] std::vector<mount_status> list() const; // in the order of the mount points
    [[nodiscard]] std::optional<mount_status> status(const std::string& mountpoint) const;
    [[nodiscard]] bool shutting_down() const { return shutting_down_; }

  private:
    outcome<puffs::daemon::mount*> add(mount_spec spec);
    puffs::daemon::mount* find(const std::string& mountpoint, std::uint64_t id) const;
    void forget(const std::string& mountpoint, std::uint64_t id);
    awaitable<std::optional<mount_status>> settled(std::string mountpoint, std::uint64_t id);
    bool carries_another(const puffs::daemon::mount& outer) const;

    // Constant after construction.
    boost::asio::io_context& context_;
    const supervision common_;
    // Owned by the executor's thread.
    change_signal changed_;
    std::map<std::string, std::unique_ptr<puffs::daemon::mount>> mounts_;
    std::uint64_t last_id_ = 0;
    bool shutting_down_ = false;
};

} // namespace puffs::daemon
