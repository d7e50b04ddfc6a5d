// fuse/convert.hh - values of one vocabulary in the words of the other: puffs's attributes, entries and errnos, FUSE's.
//
// Threading:  none; pure functions.
// Source:     fuse-map section 2.1.
#pragma once

#include "fuse/wire.hh"
#include "fuse/wire_node.hh"
#include "puffs/msg/types.hh"

#include <cstdint>

namespace puffs::fuse {

// A cookie is a nodeid: it names slot and generation, so that no two nodes of a mount's life share one.
[[nodiscard]] constexpr msg::cookie cookie_of(std::uint64_t nodeid) {
    return static_cast<msg::cookie>(nodeid);
}
[[nodiscard]] constexpr std::uint64_t nodeid_of(msg::cookie c) {
    return static_cast<std::uint64_t>(c);
}

[[nodiscard]] wire::attr to_wire(const msg::attr& va);
[[nodiscard]] wire::attr_out to_wire(const msg::attr& va, const msg::ttl& valid);
[[nodiscard]] wire::entry_out to_wire(const msg::newinfo& made);
[[nodiscard]] wire::kstatfs to_wire(const msg::fs_stats& sb);

// The attributes that a SETATTR asks for; only the fields whose bits are set mean anything.
[[nodiscard]] msg::attr attr_of(const wire::setattr_in& in);
// fattr bits to msg::set_bits; fh and lockowner have no counterpart.
[[nodiscard]] std::uint32_t set_bits_of(std::uint32_t fattr_bits);

// What the kernel gets for a park's rv, which is 0 or an errno that a caller can be told: anything else that a server
// answers, msgif refuses (asserted here, because the kernel would refuse the reply).
//   0                            0
//   enxio, mount not running     enotconn: the server is gone (spec X4)
//   1 to wire::errno_max         itself
[[nodiscard]] int wire_errno(int rv, bool mount_running);

} // namespace puffs::fuse
