// base/os_mutex.hh - a lock whose waiters sleep in the operating system, and its guard.
//
// For what is rare and takes longer than a spin lock may be held: starting a thread, a large allocation. It is
// std::mutex under a name that the thread-safety analysis knows.
//
// Threading:  any thread; never held across a wait or a switch of stacks. On a core, its waiter holds the core up.
// Blocks:     lock: the operating-system thread.
#pragma once

#include "puffs/base/thread_safety.hh"

#include <mutex>

namespace puffs {

class PUFFS_CAPABILITY("os mutex") os_mutex {
  public:
    void lock() PUFFS_ACQUIRE() { mu_.lock(); }
    void unlock() PUFFS_RELEASE() { mu_.unlock(); }

  private:
    std::mutex mu_;
};

class PUFFS_SCOPED_CAPABILITY os_guard {
  public:
    explicit os_guard(os_mutex& m) PUFFS_ACQUIRE(m) : mutex_(m) { mutex_.lock(); }
    ~os_guard() PUFFS_RELEASE() { mutex_.unlock(); }
    os_guard(const os_guard&) = delete;
    os_guard& operator=(const os_guard&) = delete;

  private:
    os_mutex& mutex_;
};

} // namespace puffs
