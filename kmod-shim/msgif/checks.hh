// msgif/checks.hh - may the values of a reply be believed? (F41)
//
// The server is taken to be hostile: what it answered is held against what was asked, which stands where it cannot
// write.
//
// Ownership:  everything borrowed for the call.
// Threading:  any core; the table is shared.
#pragma once

#include "puffs/kmod/park.hh"
#include "vnode_table.hh"

#include <cstddef>
#include <span>

namespace puffs::kmod {

struct refusal {
    int rv = 0;                 // what the caller gets
    int reported = 0;           // what the ERROR message to the server says
    const char* text = nullptr; // static
};

// remember_arguments - those arguments of a node operation that check_values needs later.
void remember_arguments(question& q, const msg::arguments& a) noexcept;

// check_values - of a reply without error: null, or why it is refused (static). `out`: the bytes it carried.
[[nodiscard]] const refusal* check_values(const question& q, const msg::arguments& a,
                                          std::span<const std::byte> out);
// name_nodes - counts the nodes that a checked reply names; all or, when it is refused, none.
[[nodiscard]] const refusal* name_nodes(const question& q, const msg::arguments& a,
                                        std::span<const std::byte> out, vnode_table& nodes);

// each_named - calls f for every node that a checked reply names.
void each_named(const question& q, const msg::arguments& a, std::span<const std::byte> out,
                void (*f)(msg::cookie node, void* arg), void* arg);

} // namespace puffs::kmod
