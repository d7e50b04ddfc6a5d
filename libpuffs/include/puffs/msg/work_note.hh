// msg/work_note.hh - what a light thread has on its note while it runs an operation, for a watchdog to read.
//
//   what | bits 0-6 the operation's number, bit 7 set for class vfs, above them as much as fits of the request's id,
//        | so that two requests differ
//   on   | the node's cookie
//
// Ownership:  plain values.
#pragma once

#include "puffs/msg/request.hh"

#include <cstdint>

namespace puffs::msg {

inline constexpr std::uint64_t note_optype_mask = 0x7f, note_vfs = 0x80;
inline constexpr unsigned note_id_shift = 8;
static_assert(static_cast<std::uint64_t>(vn_op::count_) <= note_optype_mask);

[[nodiscard]] constexpr std::uint64_t note_of(const header& h) noexcept {
    const bool vfs = (h.opclass & opclass_mask) == static_cast<std::uint32_t>(opclass::vfs);
    return h.id << note_id_shift | (vfs ? note_vfs : 0) | (h.optype & note_optype_mask);
}
[[nodiscard]] constexpr opclass opclass_of_note(std::uint64_t what) noexcept {
    return (what & note_vfs) != 0 ? opclass::vfs : opclass::vn;
}
[[nodiscard]] constexpr std::uint32_t optype_of_note(std::uint64_t what) noexcept {
    return static_cast<std::uint32_t>(what & note_optype_mask);
}

} // namespace puffs::msg
