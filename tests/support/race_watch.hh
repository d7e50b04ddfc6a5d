// support/race_watch.hh - tells when an ordinary thread has come to a race point.
//
// Limits:     one at a time. Where race points are not compiled in, wait() panics: the test skips itself.
// Threading:  begin(): the thread that is watched. wait(): any other.
#pragma once

#include "puffs/base/assert.hh"
#include "puffs/base/race_point.hh"

#include <atomic>
#include <string_view>
#include <thread>

namespace puffs::sim {

// True where PUFFS_RACE_POINT is compiled in; without, schedules differ only where actors spin.
#ifdef PUFFS_RACE_POINTS
inline constexpr bool race_points = true;
#else
inline constexpr bool race_points = false;
#endif

class race_watch {
  public:
    explicit race_watch(std::string_view point) {
        wanted_ = point;
        come_.store(false, std::memory_order_relaxed); // the threads are started later
    }
    ~race_watch() { wanted_ = {}; }
    race_watch(const race_watch&) = delete;
    race_watch& operator=(const race_watch&) = delete;

    void begin() const {
#ifdef PUFFS_RACE_POINTS
        current_race_hook() = [](const char* point) {
            if (wanted_ == point) {
                come_.store(true, std::memory_order_release);
            }
        };
#endif
    }
    void wait() const {
        PUFFS_ASSERT(race_points, "nobody ever comes to a race point that is not there");
        while (!come_.load(std::memory_order_acquire)) {
            std::this_thread::yield();
        }
    }

  private:
    static inline std::string_view wanted_; // written while no thread is watched
    static inline std::atomic<bool> come_{
        false}; // release in the watched thread, acquire in wait()
};

} // namespace puffs::sim
