// lwkt/lock_order.hh - the checker of debug builds: two mutexes are always taken in the same order (spec T8).
//
// It remembers for every pair "taken while that one was held", by all waiters, and panics when a lock() would close a
// circle: such code can deadlock, whether or not it does today. try_lock() cannot, and makes no pairs.
//
// Threading:  any; guarded by a mutex of its own. Not in TSan builds, where that mutex would order what the checked one
//             must order.
#pragma once

#if defined(__SANITIZE_THREAD__)
#define PUFFS_UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PUFFS_UNDER_TSAN 1
#endif
#endif

#if defined(PUFFS_RACE_POINTS) && !defined(PUFFS_UNDER_TSAN)
#define PUFFS_LOCK_ORDER 1
#endif

namespace puffs {
class waiter;
namespace lwkt {
class mutex;
namespace detail {

#ifdef PUFFS_LOCK_ORDER
void order_wanted(const mutex& m, const waiter& by); // before it blocks
void order_taken(const mutex& m, const waiter& by);
void order_given(const mutex& m, const waiter& by);
void order_forget(const mutex& m);
#else
inline void order_wanted(const mutex&, const waiter&) {}
inline void order_taken(const mutex&, const waiter&) {}
inline void order_given(const mutex&, const waiter&) {}
inline void order_forget(const mutex&) {}
#endif

} // namespace detail
} // namespace lwkt
} // namespace puffs
