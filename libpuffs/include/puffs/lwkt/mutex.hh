// lwkt/mutex.hh - a lock that blocks the light thread and not its core.
//
// A free mutex costs one atomic exchange. unlock() with sleepers leaves the mutex free and calls the one that sleeps
// longest; until that one runs, others may take it first. Handing it over at once would let nobody in until the sleeper
// has a CPU, and everybody else would queue up behind it: each round of each of them then costs a wake-up. A sleeper
// that came and found the mutex taken again gets it from the next unlock(), and so does the first sleeper once the
// mutex was left free for limits::mutex_overtakings times: nobody waits for ever. Sleepers are served in the order in
// which they came.
//
//   the first sleeper | unlock()                       | when it runs
//   asleep            | leaves it free, calls it       | sleeps on
//   called            | leaves it free, at the limit   | takes it if it is free, else beaten
//                     | grants it                      |
//   beaten            | grants it                      | sleeps on
//   granted           | (it holds it)                  | returns
//
// Threading:  any light thread of any core; also ordinary threads (they sleep as os_waiter).
// Blocks:     lock(): the waiter. try_lock() never goes before a sleeper.
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
    enum class turn : std::uint8_t { asleep, called, beaten, granted };
    struct sleeper : boost::intrusive::list_base_hook<> {
        waiter* who = nullptr;
        turn state = turn::asleep; // guarded by mu_
    };
    [[nodiscard]] bool take_free(waiter& me) noexcept;
    [[nodiscard]] bool take_or_queue(sleeper& s) noexcept;
    [[nodiscard]] bool arrive(sleeper& s) noexcept;
    void lock_slow(waiter& me) noexcept;
    void give_to(sleeper& s) noexcept PUFFS_REQUIRES(mu_);

    // The holder's address, 0 when it is free; bit 0: there are sleepers. CAS acquire in lock, release in unlock; while
    // there are sleepers it changes under mu_ only.
    std::atomic<std::uintptr_t> holder_{0};
    spinlock mu_;
    boost::intrusive::list<sleeper> sleepers_ PUFFS_GUARDED_BY(mu_);
    unsigned left_free_ PUFFS_GUARDED_BY(mu_) = 0; // times since the first sleeper became the first
};

} // namespace puffs::lwkt
