// msgif/vnode_table.hh - the kernel half's view of the server's nodes: which cookies are live, and how often they were
// named.
//
// One atomic word {generation, lookup count} a cookie slot, in chunks of one page that are made at first use. A slot
// whose count is 0 is free for any generation.
//
// Units:      counts as the kernel counts: one for each believed answer that names the node, less what it gives back.
// Full:       a slot of slots_max or above is refused: a server that numbers its nodes so wildly is wrong. A count that
//             reaches its maximum stays there; the slot then counts as live until another generation is named in it.
// Ownership:  owns its chunks until it is destroyed.
// Threading:  any core.
// Ordering:   acq_rel on the words: what led to a count of 0 happens before the slot's next use.
#pragma once

#include "puffs/base/core_set.hh"
#include "puffs/msg/types.hh"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace puffs::kmod {

class vnode_table {
  public:
    static constexpr std::size_t chunk_slots = 512;
    static constexpr std::size_t slots_max = std::size_t{1} << 26;
    static constexpr std::uint32_t count_max = 0xffffffff;

    vnode_table();
    ~vnode_table();
    vnode_table(const vnode_table&) = delete;
    vnode_table& operator=(const vnode_table&) = delete;

    enum class claim : std::uint8_t { existing, fresh }; // may the node be live already?
    // name - an answer names `node`: its count grows by one. False, and nothing changes, when the slot is out of range,
    // another generation is live in it, no memory is left, or it is live and the answer must be a fresh one.
    [[nodiscard]] bool name(msg::cookie node, claim c) noexcept;
    // give_back - takes `count` off; never below 0. Unknown cookies are ignored.
    void give_back(msg::cookie node, std::uint64_t count) noexcept;
    [[nodiscard]] std::uint32_t count_of(msg::cookie node) const noexcept; // 0: not live
    [[nodiscard]] std::size_t live() const noexcept; // slots with a count; walks the table

  private:
    using word = std::atomic<std::uint64_t>;
    struct chunk {
        word slots[chunk_slots];
    };
    [[nodiscard]] word* find(std::uint32_t slot) const noexcept;
    [[nodiscard]] word* find_or_make(std::uint32_t slot) noexcept;

    // release in find_or_make pairs with acquire in find
    std::unique_ptr<std::atomic<chunk*>[]> chunks_;
};

} // namespace puffs::kmod
