// base/ticks.hh - the quickest clock of the machine, for measuring how long things take.
//
// A reading is three instructions and about 10 ns, a third of clock_gettime(2), which reads the same counter and then
// multiplies under a sequence lock.
//
// Units:      ticks of the processor's time stamp counter; tick_rate says how long one is.
// Threading:  any thread. Linux synchronises the counters of the CPUs; what is left of a difference can make an
//             interval across cores negative, which elapsed() takes for 0.
// Ordering:   none: the processor may read the counter some instructions early or late.
// Source:     Intel SDM volume 3, "Invariant TSC".
#pragma once

#include "puffs/base/clock.hh"

#include <cstdint>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace puffs {

[[nodiscard]] inline std::uint64_t read_ticks() noexcept {
#if defined(__x86_64__)
    return __rdtsc();
#else
    return monotonic_clock().now().ns;
#endif
}

[[nodiscard]] constexpr std::uint64_t elapsed(std::uint64_t from, std::uint64_t to) noexcept {
    const std::uint64_t ticks = to - from;
    return static_cast<std::int64_t>(ticks) < 0 ? 0 : ticks;
}

// How long a tick is, by what has passed since this was constructed.
class tick_rate {
  public:
    tick_rate() noexcept;
    // Blocks: the core or thread, at most a millisecond, where too little has passed to tell.
    [[nodiscard]] double ns_per_tick() const noexcept;

  private:
    const instant time_;
    const std::uint64_t ticks_;
};

} // namespace puffs
