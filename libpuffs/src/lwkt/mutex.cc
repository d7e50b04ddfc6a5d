#include "puffs/lwkt/mutex.hh"

#include "lock_order.hh"
#include "puffs/base/assert.hh"
#include "puffs/base/limits.hh"
#include "puffs/base/race_point.hh"
#include "sched_private.hh"

namespace puffs::lwkt {
namespace {

constexpr std::uintptr_t has_sleepers = 1;

std::uintptr_t name_of(const waiter& w) noexcept {
    return reinterpret_cast<std::uintptr_t>(&w);
}

} // namespace

mutex::~mutex() {
    PUFFS_ASSERT(holder_.load(std::memory_order_acquire) == 0, "a mutex dies while it is held");
    PUFFS_ASSERT(!mu_.is_locked(), "a mutex dies while somebody is in unlock()");
    detail::order_forget(*this);
}

bool mutex::take_free(waiter& me) noexcept {
    std::uintptr_t free = 0;
    return holder_.compare_exchange_strong(free, name_of(me), std::memory_order_acquire,
                                           std::memory_order_relaxed);
}

bool mutex::try_lock() noexcept {
    waiter& me = waiter::current();
    if (!take_free(me)) {
        return false;
    }
    detail::order_taken(*this, me);
    return true;
}

void mutex::lock() noexcept PUFFS_NO_TSA {
    waiter& me = waiter::current();
    detail::order_wanted(*this, me);
    if (!take_free(me)) {
        lock_slow(me);
    }
    detail::order_taken(*this, me);
}

// Takes the mutex after all, or leaves `s` among the sleepers.
bool mutex::take_or_queue(sleeper& s) noexcept {
    const ipi::maybe_crit_section crit;
    spin_guard guard(mu_);
    std::uintptr_t holder = holder_.load(std::memory_order_relaxed);
    for (;;) {
        const bool free = (holder & ~has_sleepers) == 0;
        const std::uintptr_t wanted = holder | (free ? name_of(*s.who) : has_sleepers);
        if (!holder_.compare_exchange_weak(holder, wanted, std::memory_order_acquire,
                                           std::memory_order_relaxed)) {
            continue;
        }
        if (free) {
            return true;
        }
        sleepers_.push_back(s);
        return false;
    }
}

void mutex::give_to(sleeper& s) noexcept {
    sleepers_.pop_front();
    left_free_ = 0;
    holder_.store(name_of(*s.who) | (sleepers_.empty() ? 0 : has_sleepers),
                  std::memory_order_relaxed);
}

// Whether the mutex is the sleeper's. Whoever called or granted woke inside the lock: after a true it is done with this
// mutex, which may die (K4).
bool mutex::arrive(sleeper& s) noexcept {
    const ipi::maybe_crit_section crit;
    spin_guard guard(mu_);
    if (s.state == turn::called) {
        if (holder_.load(std::memory_order_relaxed) == has_sleepers) {
            give_to(s);
            return true;
        }
        s.state = turn::beaten;
    }
    return s.state == turn::granted;
}

void mutex::lock_slow(waiter& me) noexcept {
    PUFFS_ASSERT(!held_by_me(), "a mutex is locked twice by one holder");
    sleeper s;
    s.who = &me;
    if (take_or_queue(s)) {
        return;
    }
    PUFFS_RACE_POINT("lwkt.mutex.queued");
    for (;;) {
        me.arm();
        if (arrive(s)) {
            me.disarm();
            return;
        }
        PUFFS_RACE_POINT("lwkt.mutex.before the sleep");
        me.sleep(sleep_flags::none);
    }
}

void mutex::unlock() noexcept PUFFS_NO_TSA {
    waiter& me = waiter::current();
    std::uintptr_t mine = name_of(me);
    PUFFS_ASSERT((holder_.load(std::memory_order_relaxed) & ~has_sleepers) == mine,
                 "a mutex is unlocked by one who does not hold it");
    detail::order_given(*this, me);
    if (holder_.compare_exchange_strong(mine, 0, std::memory_order_release,
                                        std::memory_order_relaxed)) {
        return;
    }
    PUFFS_RACE_POINT("lwkt.mutex.contended");
    const ipi::maybe_crit_section crit;
    spin_guard guard(mu_);
    sleeper& first = sleepers_.front();
    if (first.state == turn::beaten || left_free_ == limits::mutex_overtakings) {
        first.state = turn::granted;
        give_to(first);
        first.who->wake(); // it cannot leave lock() before mu_ is free
        return;
    }
    ++left_free_;
    holder_.store(has_sleepers, std::memory_order_relaxed);
    if (first.state == turn::asleep) {
        first.state = turn::called;
        first.who->wake();
    }
}

bool mutex::held_by_me() const noexcept {
    return (holder_.load(std::memory_order_relaxed) & ~has_sleepers) == name_of(waiter::current());
}

} // namespace puffs::lwkt
