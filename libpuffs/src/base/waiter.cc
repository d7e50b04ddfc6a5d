#include "puffs/base/waiter.hh"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace puffs {
namespace {

thread_local os_waiter own_waiter;

void futex(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value) noexcept {
    static_assert(sizeof(word) == sizeof(std::uint32_t));
    // Every failure (EAGAIN, EINTR) is a spurious wake, which the protocol allows.
    ::syscall(SYS_futex, &word, operation | FUTEX_PRIVATE_FLAG, value, nullptr, nullptr, 0);
}

} // namespace

constinit thread_local waiter* waiter::current_ = nullptr;

waiter& waiter::of_this_thread() noexcept {
    return own_waiter;
}

void os_waiter::arm() noexcept {
    // An exchange, not a store: a store could reach memory after the re-check that follows and wipe
    // out a wake. Here either the wake comes later and sleep() sees it, or this reads it and the
    // re-check sees what was written before it.
    woken_.exchange(0, std::memory_order_acq_rel);
}

void os_waiter::sleep(sleep_flags) noexcept {
    while (woken_.load(std::memory_order_acquire) == 0) {
        futex(woken_, FUTEX_WAIT, 0);
    }
}

void os_waiter::wake() noexcept {
    if (woken_.exchange(1, std::memory_order_release) == 0) {
        futex(woken_, FUTEX_WAKE, 1);
    }
}

} // namespace puffs
