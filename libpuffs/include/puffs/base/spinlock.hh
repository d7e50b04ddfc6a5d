// base/spinlock.hh - a lock for short sections shared with threads that are not cores, and its
// guard.
//
// Held for a few instructions only: never across a wait, a switch of stacks, a callback or a send. The one callback
// under it is the receipt function of a message: msgport/msg.hh says what that must not do.
// On a core, take it inside a critical section (ipi::crit_section), so that no IPI handler runs
// while it is held.
//
// Threading:  any thread. After limits of spinning it yields to the operating system, so that more
//             threads than CPUs cannot live-lock (spec H13).
// Ordering:   lock() acquires, unlock() releases.
#pragma once

#include "puffs/base/thread_safety.hh"

#include <atomic>

namespace puffs {

class PUFFS_CAPABILITY("spinlock") spinlock {
  public:
    spinlock() = default;
    spinlock(const spinlock&) = delete;
    spinlock& operator=(const spinlock&) = delete;

    void lock() noexcept PUFFS_ACQUIRE() {
        if (held_.exchange(true, std::memory_order_acquire)) {
            lock_slow();
        }
    }
    bool try_lock() noexcept PUFFS_TRY_ACQUIRE(true) {
        return !held_.load(std::memory_order_relaxed) &&
               !held_.exchange(true, std::memory_order_acquire);
    }
    void unlock() noexcept PUFFS_RELEASE() { held_.store(false, std::memory_order_release); }
    // For assertions only: somebody holds it.
    [[nodiscard]] bool is_locked() const noexcept { return held_.load(std::memory_order_relaxed); }

  private:
    void lock_slow() noexcept;
    std::atomic<bool> held_{false};
};

class PUFFS_SCOPED_CAPABILITY spin_guard {
  public:
    explicit spin_guard(spinlock& l) noexcept PUFFS_ACQUIRE(l) : lock_(l) { lock_.lock(); }
    ~spin_guard() PUFFS_RELEASE() { lock_.unlock(); }
    spin_guard(const spin_guard&) = delete;
    spin_guard& operator=(const spin_guard&) = delete;

  private:
    spinlock& lock_;
};

} // namespace puffs
