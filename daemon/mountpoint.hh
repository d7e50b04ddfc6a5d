// daemon/mountpoint.hh - how a mount point is written, and what the kernel has mounted there.
//
// The daemon knows a mount by the path that /proc/self/mountinfo shows for it, and never walks such a path itself: a
// walk through a file server that hangs would hang the daemon too. Whoever brings a path in makes it canonical
// first: puffsctl for its user, the reader of the configuration before any server runs.
//
// Threading:  any.
// Errors:     bad_request for a path that is not canonical; system for a table that cannot be read.
// Source:     proc(5), /proc/pid/mountinfo.
#pragma once

#include "daemon/failure.hh"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace puffs::daemon {

// canonical_mountpoint - the absolute path without symbolic links, ".", ".." or a slash at the end.
// A path that does not exist is only made absolute and normal: its server is the one to complain.
// Blocks:  on the file systems that `path` crosses, but not on the one mounted at its end.
[[nodiscard]] std::string canonical_mountpoint(const std::string& path);

// Whether `path` is absolute, normal and free of control characters. Touches no file system.
[[nodiscard]] outcome<void> check_mountpoint(std::string_view path);

// Whether `inner` lies below `outer`: "/a/b" below "/a".
[[nodiscard]] bool lies_below(std::string_view inner, std::string_view outer);

// One line of the kernel's table of mounts.
struct mount_entry {
    std::string id;     // of the mount
    std::string device; // "0:45", of its file system
    std::string type;   // "fuse.memfs"

    [[nodiscard]] bool is_fuse() const;
    // The kernel gives both numbers again once mount and file system are gone.
    friend bool operator==(const mount_entry&, const mount_entry&) = default;
};

// All that is mounted exactly at `mountpoint`, the topmost last.
[[nodiscard]] std::vector<mount_entry> mounts_at(std::string_view mountinfo,
                                                 std::string_view mountpoint);

// The same, in the table of this process's mount namespace.
// Blocks:  never on a file server.
[[nodiscard]] outcome<std::vector<mount_entry>> mounts_at(std::string_view mountpoint);

// The type ("fuse.memfs") of what is mounted topmost and exactly at `mountpoint`, if that is a FUSE file system.
[[nodiscard]] std::optional<std::string> type_mounted_at(std::string_view mountinfo,
                                                         std::string_view mountpoint);

// The same, in the table of this process's mount namespace.
// Blocks:  never on a file server.
[[nodiscard]] outcome<std::optional<std::string>> mounted_at(std::string_view mountpoint);

} // namespace puffs::daemon
