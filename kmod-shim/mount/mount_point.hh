// mount/mount_point.hh - getting a FUSE connection for a directory, and giving it up.
//
// Units:      none.
// Ownership:  the caller owns the descriptor.
// Threading:  an ordinary thread; not on a core (these calls block).
// Errors:     one line that names the thing and the cause.
// Source:     libfuse 3.14 fuse_open_channel, fusermount3(1), umount2(2).
#pragma once

#include "puffs/kmod/mount_options.hh"

#include <expected>
#include <string>

namespace puffs::kmod {

// check_mount_point - can this be mounted on by this user at all? Checked before anything is
// started, because the errors of mount(2) and fusermount3 do not say what is wrong.
// Returns:  the canonical path.
std::expected<std::string, std::string> check_mount_point(const std::string& path);

// open_connection - mounts, by mount(2) or through fusermount3, and returns the connection's
// descriptor, nonblocking and closed on exec.
std::expected<int, std::string> open_connection(const std::string& mount_point,
                                                const mount_options& o);

// clone_connection - another descriptor of the same connection, nonblocking (FUSE_DEV_IOC_CLONE).
std::expected<int, std::string> clone_connection(int fd);

enum class unmount_outcome { done, busy, failed };
struct unmount_report {
    unmount_outcome outcome;
    std::string text; // of busy and failed
};
// unmount - detach: take the mount point away now, open files keep working until they are closed. A
// mount that is not there any more counts as done.
unmount_report unmount(const std::string& mount_point, bool detach);

} // namespace puffs::kmod
