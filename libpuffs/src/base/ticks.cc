#include "puffs/base/ticks.hh"

namespace puffs {

namespace {

// The two clocks are read some 50 ns apart, which is an error of 0.01 % over this.
constexpr std::chrono::nanoseconds shortest = std::chrono::milliseconds(1);

} // namespace

tick_rate::tick_rate() noexcept : time_(monotonic_clock().now()), ticks_(read_ticks()) {}

double tick_rate::ns_per_tick() const noexcept {
    const instant enough = time_.after(shortest);
    instant now = monotonic_clock().now();
    while (now.before(enough)) {
        now = monotonic_clock().now();
    }
    const std::uint64_t ticks = elapsed(ticks_, read_ticks());
    return static_cast<double>(now.since(time_).count()) / static_cast<double>(ticks);
}

} // namespace puffs
