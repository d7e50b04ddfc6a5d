// spec: T14
#include "puffs/base/clock.hh"

#include <gtest/gtest.h>
#include <limits>

namespace {

using namespace std::chrono_literals;
using puffs::instant;

constexpr std::uint64_t wrap = std::numeric_limits<std::uint64_t>::max();

TEST(instant, order_survives_the_wrap_of_the_counter) {
    const instant before_wrap{wrap - 10};
    const instant after_wrap = before_wrap.after(100ns);
    EXPECT_EQ(after_wrap.ns, 89U);
    EXPECT_TRUE(before_wrap.before(after_wrap));
    EXPECT_FALSE(after_wrap.before(before_wrap));
    EXPECT_EQ(after_wrap.since(before_wrap), 100ns);
    EXPECT_EQ(before_wrap.since(after_wrap), -100ns);
}

TEST(instant, is_not_before_itself) {
    EXPECT_FALSE(instant{7}.before(instant{7}));
}

TEST(instant, a_negative_duration_goes_back) {
    EXPECT_EQ(instant{5}.after(-10ns).ns, wrap - 4);
}

TEST(virtual_clock, stands_still_until_advanced) {
    puffs::virtual_clock c(instant{wrap});
    EXPECT_EQ(c.now(), instant{wrap});
    c.advance(1us);
    EXPECT_EQ(c.now(), instant{999});
}

TEST(monotonic_clock, runs_in_nanoseconds) {
    const puffs::monotonic_clock c;
    const instant a = c.now();
    const auto wall = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - wall < 2ms) {
    }
    const auto passed = c.now().since(a);
    EXPECT_GE(passed, 2ms);
    EXPECT_LT(passed, 10s);
}

} // namespace
