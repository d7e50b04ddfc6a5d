// mount/mount_identity.hh - what tells one mount from another at the same path.
//
// Units:      none.
// Threading:  an ordinary thread; not on a core (these calls walk a path or read the table of mounts).
// Errors:     what cannot be found out is absent.
// Source:     statx(2), proc(5) /proc/pid/mountinfo.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace puffs::kmod {

// A mount and its file system. From Linux 6.8 on no two mounts are ever the same; before, the numbers are given again
// once mount and file system are gone, which a connection that still lives rules out. The table has no `unique`.
struct mount_identity {
    std::uint64_t id = 0;     // as in mountinfo
    std::uint64_t unique = 0; // never given again; 0: the kernel has none
    std::uint32_t device_major = 0;
    std::uint32_t device_minor = 0;

    friend bool operator==(const mount_identity&, const mount_identity&) = default;
};

// mount_at - of what lies topmost at `path`: the mount that umount2(2) would take. Asks no file server for anything but
// the way to `path`.
std::optional<mount_identity> mount_at(const std::string& path);

// Whether this process's table of mounts has it at `path`, on top or covered by others.
bool is_listed(const mount_identity& m, const std::string& path);

// type_of - "tmpfs", "fuse.memfs", if the table has the mount.
std::optional<std::string> type_of(const mount_identity& m);

} // namespace puffs::kmod
