// ipi/ipiq.hh - the ring from one core to another: functions to run there, in order.
//
// Units:      slots of 32 bytes {function, pointer, integer}; limits::ipiq_slots of them, a power
//             of two.
// Full:       push() returns false and changes nothing. The policy for a full ring (kick, serve
//             own, wait; or refuse) is in send.hh; what must not wait goes another way (post_from_thread).
// Ownership:  what the pointer refers to belongs to the ring until its function runs, then to that
//             function.
// Threading:  push, used, windex: the sending core only. take, finish, empty: the receiving core
//             only. finished: any.
// Ordering:   release store of windex in push pairs with the acquire loads in take and empty: what was written before
//             the push is visible to the function. Release store of rindex in take pairs with the acquire loads in
//             push and used: a slot is not overwritten before it was read. Release store of xindex in finish, after the
//             function returned, pairs with the acquire load in finished (spec Q2).
// Invariant:  xindex <= rindex <= windex, windex - rindex < slots (spec V24); indices count up and
//             wrap at 2^64.
// Errors:     none. Misuse asserts.
// Source:     DragonFly sys/kern/lwkt_ipiq.c (idea); differs: no interrupt.
#pragma once

#include "puffs/base/limits.hh"

#include <array>
#include <atomic>
#include <cstdint>

namespace puffs::ipi {

using ipi_function = void (*)(void* arg, std::intptr_t value);

class ipiq {
  public:
    struct entry {
        ipi_function function;
        void* arg;
        std::intptr_t value;
        std::uint64_t reserved;
    };
    static_assert(sizeof(entry) == 32);
    static constexpr std::uint64_t slots = limits::ipiq_slots;

    [[nodiscard]] bool push(ipi_function f, void* arg, std::intptr_t value) noexcept;
    // sender: an upper bound of what is not yet taken
    [[nodiscard]] std::uint64_t used() noexcept;
    [[nodiscard]] std::uint64_t windex() const noexcept {
        return windex_.load(std::memory_order_relaxed);
    }

    [[nodiscard]] bool empty() const noexcept; // receiver
    // Takes the oldest entry; false when there is none. Its function must be run and then finish()
    // called, before or after further entries are taken: xindex moves only when all taken so far
    // have finished.
    [[nodiscard]] bool take(entry& out) noexcept;
    void finish() noexcept;

    // Everything up to sequence number `windex` has been run to its end.
    [[nodiscard]] bool finished(std::uint64_t windex) const noexcept;

  private:
    // written by the sender
    alignas(limits::cacheline_bytes) std::atomic<std::uint64_t> windex_{0};
    std::uint64_t rindex_seen_ = 0; // sender's copy of rindex, refreshed when the ring looks full
    // written by the receiver
    alignas(limits::cacheline_bytes) std::atomic<std::uint64_t> rindex_{0};
    std::atomic<std::uint64_t> xindex_{0};
    std::uint64_t running_ = 0; // taken and not finished (handlers nest)
    alignas(limits::cacheline_bytes) std::array<entry, slots> entries_{};
};

} // namespace puffs::ipi
