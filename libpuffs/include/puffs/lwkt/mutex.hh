// lwkt/mutex.hh - a lock that blocks the light thread and not its core.
//
// A free mutex costs one atomic exchange. Hand-over is to the longest waiter, so that a waiter is
// served after finitely many hand-overs.
//
// Threading:  any light thread of any core; also ordinary threads (they sleep as os_waiter).
// Blocks:     lock(): the waiter.
// Errors:     unlocking what one does not hold, locking twice, destroying while held panic; in debug builds also
//             locking two mutexes now in one order, now in the other (spec T8).
#pragma once

#include "puffs/base/spinlock.hh"
#include "puffs/base/thread_safety.hh"
#include "puffs/base/waiter.hh"

#include <atomic>
#include <boost/intrusive/list.hpp>
#include <cstdint>

namespace puffs::lwkt {

class PUFFS_CAPABILITY("lwkt mutex") mutex {
  public:
    mutex() = default;
    ~mutex();
    mutex(const mutex&) = delete;
    mutex& operator=(const mutex&) = delete;

    void lock() noexcept PUFFS_ACQUIRE();
    bool try_lock() noexcept PUFFS_TRY_ACQUIRE(true);
    void unlock() noexcept PUFFS_RELEASE();
    [[nodiscard]] bool held_by_me() const noexcept;

  private:
    struct sleeper : boost::intrusive::list_base_hook<> {
        waiter* who = nullptr;
        std::atomic<bool> granted{false};
    };
    [[nodiscard]] bool take_free(waiter& me) noexcept;
    [[nodiscard]] bool take_or_queue(sleeper& s) noexcept;
    void lock_slow(waiter& me) noexcept;

    // The holder's address; bit 0: there are sleepers. CAS acquire in lock, release in unlock.
    std::atomic<std::uintptr_t> holder_{0};
    spinlock mu_;
    boost::intrusive::list<sleeper> sleepers_ PUFFS_GUARDED_BY(mu_);
};

} // namespace puffs::lwkt
