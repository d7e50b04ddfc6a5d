// base/waiter.hh - somebody who can sleep until woken: a light thread or an operating-system
// thread.
//
// The ports of msgport put waiters to sleep and wake them without knowing which kind they are; lwkt
// implements the light thread, os_waiter below the ordinary one.
//
// Protocol:   arm(); re-check the condition; sleep() or disarm(). A wake() after arm() makes the
//             next sleep() return at once: nothing is lost between the check and the sleep (spec
//             T9, D14). sleep() may return without a wake; callers loop on their condition.
// Threading:  arm, disarm, sleep and pending_signal only by the waiter itself; wake from any
//             thread, also when it does not sleep (then it has no effect beyond one spurious
//             return).
// Blocks:     sleep() blocks the waiter: the light thread and not its core, or the operating-system
//             thread. wake() never waits and serves no IPIs: ports call it with a spin lock held
//             (so it posts, it does not ipi::send).
// Lifetime:   a waiter outlives every object that may wake it; light threads are type-stable (spec
//             L29).
#pragma once

#include "puffs/base/core_set.hh"

#include <atomic>
#include <cstdint>

namespace puffs {

enum class sleep_flags : unsigned { none = 0, catch_signals = 1 }; // catch_signals: PCATCH

class waiter {
  public:
    virtual void arm() noexcept = 0;
    virtual void disarm() noexcept = 0;
    virtual void sleep(sleep_flags flags) noexcept = 0;
    virtual void wake() noexcept = 0;
    // What an interrupted wait answers if an important, unmasked signal is pending for this waiter, else 0 (spec T10):
    // a light thread says EINTR, an ordinary one is never interrupted. Ports pass on any errno (ERESTART, P11).
    [[nodiscard]] virtual int pending_signal() const noexcept = 0;
    // The core it runs on, no_core for an ordinary thread. A hint unless the caller runs on that
    // core.
    [[nodiscard]] virtual core_id on_core() const noexcept = 0;

    // The waiter that the calling code runs as. Never null: an ordinary thread gets an os_waiter of
    // its own.
    [[nodiscard]] static waiter& current() noexcept {
        waiter* const w = current_;
        return w != nullptr ? *w : of_this_thread();
    }

  protected:
    ~waiter() = default;
    // Called by the scheduler at every switch; null restores the os_waiter of this thread.
    static void set_current(waiter* w) noexcept { current_ = w; }

  private:
    [[nodiscard]] static waiter& of_this_thread() noexcept;
    // Initial-exec for the reason that ipi::cpu::current_ has.
    [[gnu::tls_model("initial-exec")]] static constinit thread_local waiter* current_;
};

// An ordinary thread: sleeps on a futex word (spec T9).
class os_waiter final : public waiter {
  public:
    void arm() noexcept override;
    void disarm() noexcept override {}
    void sleep(sleep_flags flags) noexcept override;
    void wake() noexcept override;
    [[nodiscard]] int pending_signal() const noexcept override { return 0; }
    [[nodiscard]] core_id on_core() const noexcept override { return no_core; }

  private:
    // Release in wake() pairs with acquire in arm() and sleep().
    std::atomic<std::uint32_t> woken_{0};
};

} // namespace puffs
