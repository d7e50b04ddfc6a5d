// lwkt/wait_queue.hh - sleeping for an event, with a generation that makes a signal between check
// and sleep count.
//
// Units:      generations grow by one a signal.
// Ownership:  links threads, owns none. Storage stays valid until every block() on it has returned (K4): signal() does
//             not touch it after it has woken the last waiter, so a waiter may destroy it when a block() has told it
//             the new generation (generation() may tell it while signal() is still at work).
// Threading:  block: a light thread. signal: any core or ordinary thread. Guarded by a spin lock
//             held while threads are linked or woken, in a critical section (stands in for the source's wait
//             token).
// Blocks:     block() blocks the light thread.
// Ordering:   the lock.
// Source:     DragonFly lwkt_thread.c lwkt_block, lwkt_signal (ideas); differs: block loops on its
//             wait message (K2, B22).
#pragma once

#include "puffs/base/spinlock.hh"
#include "puffs/base/waiter.hh"
#include "puffs/lwkt/thread.hh"

#include <boost/intrusive/list.hpp>
#include <cstdint>

namespace puffs::lwkt {

class wait_queue {
  public:
    wait_queue() = default;
    ~wait_queue(); // asserts that nobody waits
    wait_queue(const wait_queue&) = delete;
    wait_queue& operator=(const wait_queue&) = delete;

    [[nodiscard]] std::uint64_t generation() const noexcept {
        return generation_.load(std::memory_order_acquire);
    }

    // block - sleeps until signalled, unless a signal came since `generation` was sampled. The
    // caller re-checks its condition. On every return `generation` is current (K2).
    // Returns:   0, or eintr if `flags` catch signals and an important one is pending.
    int block(std::uint64_t& generation, sleep_flags flags = sleep_flags::none);
    // signal - generation + 1; wakes up to `count` of those waiting at entry, oldest first;
    // negative: all (K3).
    void signal(int count = -1);
    [[nodiscard]] unsigned waiting() const noexcept;

  private:
    friend struct sched;
    void unlink(thread& td) noexcept PUFFS_REQUIRES(mu_);
    using list = boost::intrusive::list<
        thread,
        boost::intrusive::member_hook<thread, boost::intrusive::list_member_hook<>, &thread::hook_>,
        boost::intrusive::constant_time_size<false>>;
    mutable spinlock mu_;
    list waiters_ PUFFS_GUARDED_BY(mu_);
    unsigned count_ PUFFS_GUARDED_BY(mu_) = 0;
    std::atomic<std::uint64_t> generation_{0}; // written under mu_; release pairs with generation()
};

} // namespace puffs::lwkt
