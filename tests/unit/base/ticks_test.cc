#include "puffs/base/ticks.hh"

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;

TEST(ticks, an_interval_that_ends_before_it_begins_is_empty) {
    EXPECT_EQ(puffs::elapsed(100, 130), 30U);
    EXPECT_EQ(puffs::elapsed(130, 100), 0U);
    EXPECT_EQ(puffs::elapsed(~std::uint64_t{0}, 4), 5U) << "the counter wraps";
}

TEST(ticks, measure_what_the_clock_measures) {
    const puffs::tick_rate rate;
    const puffs::monotonic_clock clock;
    const puffs::instant from = clock.now();
    const std::uint64_t from_ticks = puffs::read_ticks();
    while (clock.now().before(from.after(20ms))) {
    }
    const std::uint64_t ticks = puffs::elapsed(from_ticks, puffs::read_ticks());
    const auto passed = static_cast<double>(clock.now().since(from).count());
    // Another process may run between two readings that belong together.
    EXPECT_NEAR(static_cast<double>(ticks) * rate.ns_per_tick(), passed, passed * 0.2);
}

TEST(ticks, the_rate_is_known_at_once) {
    const double rate = puffs::tick_rate().ns_per_tick();
    EXPECT_GT(rate, 0.05) << "a processor of 20 GHz";
    EXPECT_LT(rate, 100) << "a counter of 10 MHz";
}

} // namespace
