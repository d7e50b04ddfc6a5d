// server/credentials.hh - the classic permission checks, for servers that check for themselves.
//
// Errors:     eacces, eperm, as POSIX names them. Supplementary groups are read from
//             /proc/<tid>/status only when the answer depends on them; that read is racy by nature
//             and blocks the core for a moment.
// Source:     NetBSD puffs_cred(3), puffs_access(3) (ideas); POSIX.1-2017 4.5 File Access
//             Permissions.
#pragma once

#include "puffs/base/error.hh"
#include "puffs/msg/types.hh"

namespace puffs {

inline constexpr int access_execute = 1, access_write = 2, access_read = 4;

[[nodiscard]] bool is_member(const msg::caller& who, std::uint32_t gid);
// May `who` do `mode` (bits above) to an object with these attributes?
[[nodiscard]] result<void> access(const msg::caller& who, const msg::attr& va, int mode);
// May `who` change owner or group to these (-1: unchanged), the mode, the times?
[[nodiscard]] result<void> access_chown(const msg::caller& who, const msg::attr& va,
                                        std::uint32_t uid, std::uint32_t gid);
[[nodiscard]] result<void> access_chmod(const msg::caller& who, const msg::attr& va,
                                        std::uint32_t mode);
[[nodiscard]] result<void> access_times(const msg::caller& who, const msg::attr& va, bool to_now);
// Sticky directories: may `who` remove or rename this entry of this directory?
[[nodiscard]] result<void> access_sticky(const msg::caller& who, const msg::attr& dir,
                                         const msg::attr& entry);

} // namespace puffs
