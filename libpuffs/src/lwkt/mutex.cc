#include "puffs/lwkt/mutex.hh"

#include "lock_order.hh"
#include "puffs/base/assert.hh"
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
    maybe_crit_section crit;
    spin_guard guard(mu_);
    std::uintptr_t holder = holder_.load(std::memory_order_relaxed);
    for (;;) {
        const std::uintptr_t wanted = holder == 0 ? name_of(*s.who) : holder | has_sleepers;
        if (!holder_.compare_exchange_weak(holder, wanted, std::memory_order_acquire,
                                           std::memory_order_relaxed)) {
            continue;
        }
        if (holder == 0) {
            return true;
        }
        sleepers_.push_back(s);
        return false;
    }
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
        if (s.granted.load(std::memory_order_acquire)) {
            me.disarm();
            break;
        }
        me.sleep(sleep_flags::none);
    }
    // The one who granted it wakes inside the lock; from here it is done with this mutex, which may die (K4).
    maybe_crit_section crit;
    spin_guard guard(mu_);
}

void mutex::unlock() noexcept PUFFS_NO_TSA {
    std::uintptr_t me = name_of(waiter::current());
    PUFFS_ASSERT(held_by_me(), "a mutex is unlocked by one who does not hold it");
    detail::order_given(*this, waiter::current());
    if (holder_.compare_exchange_strong(me, 0, std::memory_order_release,
                                        std::memory_order_relaxed)) {
        return;
    }
    PUFFS_RACE_POINT("lwkt.mutex.contended");
    maybe_crit_section crit;
    spin_guard guard(mu_);
    sleeper& next = sleepers_.front();
    sleepers_.pop_front();
    waiter& heir = *next.who;
    holder_.store(name_of(heir) | (sleepers_.empty() ? 0 : has_sleepers),
                  std::memory_order_relaxed);
    next.granted.store(true, std::memory_order_release); // `next` may be gone from here
    heir.wake();
}

bool mutex::held_by_me() const noexcept {
    return (holder_.load(std::memory_order_relaxed) & ~has_sleepers) == name_of(waiter::current());
}

} // namespace puffs::lwkt
