// ipi/mailbox.hh - eight pointers in one cache line: synchronous messages posted to a core by any
// other.
//
// Units:      a slot holds a pointer to a sync_message; 8 slots, one cache line (spec I2, I14).
// Full:       try_put() returns false; post() in send.hh counts the event once, serves its own core
//             and tries again.
// Ownership:  a message stays its sender's; the sender waits for its pending count to reach 0
//             before it frees it.
// Threading:  try_put: any core. take: the owner core.
// Ordering:   the release CAS of a slot pairs with the acquire exchange in take.
// Source:     NetBSD subr_ipi.c put_msg (idea).
#pragma once

#include "puffs/base/limits.hh"

#include <array>
#include <atomic>
#include <cstddef>

namespace puffs::ipi {

struct sync_message {
    void (*function)(void* arg) = nullptr;
    void* arg = nullptr;
    // acknowledgements outstanding: release decrement pairs with acquire in wait
    std::atomic<unsigned> pending{0};
};

class alignas(limits::cacheline_bytes) mailbox {
  public:
    static constexpr std::size_t slots = limits::cacheline_bytes / sizeof(void*);

    [[nodiscard]] bool try_put(sync_message& m) noexcept;
    // Empties one slot; null when all are empty.
    [[nodiscard]] sync_message* take() noexcept;
    [[nodiscard]] bool empty() const noexcept;

  private:
    std::array<std::atomic<sync_message*>, slots> slots_{};
};
static_assert(sizeof(mailbox) == limits::cacheline_bytes);

} // namespace puffs::ipi
