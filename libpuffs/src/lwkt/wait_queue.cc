#include "puffs/lwkt/wait_queue.hh"

#include "puffs/base/assert.hh"
#include "puffs/base/race_point.hh"
#include "sched_private.hh"

namespace puffs::lwkt {

wait_queue::~wait_queue() {
    PUFFS_ASSERT(waiting() == 0, "a wait queue dies while threads wait on it");
}

// Under mu_. After this the thread is on no queue; whoever unlinked it schedules it.
void wait_queue::unlink(thread& td) noexcept {
    waiters_.erase(waiters_.iterator_to(td));
    --count_;
    td.wait_message_ = 0;
    td.wait_.store(nullptr, std::memory_order_release);
}

int wait_queue::block(std::uint64_t& generation, sleep_flags flags) {
    const bool catches = flags == sleep_flags::catch_signals;
    thread& td = thread::current();
    int interrupted = 0;
    ipi::crit_section crit;
    mu_.lock();
    if (generation_.load(std::memory_order_relaxed) == generation) {
        interrupted = catches ? td.pending_signal() : 0;
        if (interrupted == 0) {
            core& c = core::current();
            sched::dequeue(c, td);
            td.flags_ |= catches ? td_sintr : 0U;
            waiters_.push_back(td);
            ++count_;
            td.wait_message_ = 1;
            td.wait_.store(this, std::memory_order_release);
            // Leaves with the lock held, so that the one who woke it is done with this queue (K4).
            while (td.wait_message_ != 0) {
                mu_.unlock();
                PUFFS_RACE_POINT("lwkt.block.linked");
                sched::switch_from(core::current(), td);
                mu_.lock();
            }
            td.flags_ &= ~std::uint32_t{td_sintr};
            interrupted = catches ? td.pending_signal() : 0;
        }
    }
    generation = generation_.load(std::memory_order_relaxed);
    mu_.unlock();
    return interrupted;
}

void wait_queue::signal(int count) {
    const ipi::maybe_crit_section crit;
    PUFFS_RACE_POINT("lwkt.signal.enter");
    {
        spin_guard guard(mu_);
        generation_.store(generation_.load(std::memory_order_relaxed) + 1,
                          std::memory_order_release);
        // Waking inside the lock: it never waits (remote.cc), nobody can join meanwhile (K3), and the queue may be gone
        // when the lock is free.
        while (count != 0 && !waiters_.empty()) {
            thread& td = waiters_.front();
            unlink(td);
            schedule(td);
            count -= count > 0 ? 1 : 0;
        }
    }
    PUFFS_RACE_POINT("lwkt.signal.done");
}

unsigned wait_queue::waiting() const noexcept {
    const ipi::maybe_crit_section crit;
    spin_guard guard(mu_);
    return count_;
}

} // namespace puffs::lwkt
