#include "puffs/base/histogram.hh"

#include <cstdint>
#include <gtest/gtest.h>
#include <limits>
#include <memory>
#include <thread>

namespace {

using puffs::histogram;
using puffs::histogram_sum;

constexpr std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();

histogram_sum sum_of(const histogram& h) {
    histogram_sum s;
    s.add(h);
    return s;
}

TEST(histogram, each_bucket_begins_where_the_one_below_ends) {
    for (std::size_t b = 0; b < histogram::buckets_count; ++b) {
        const std::uint64_t low = histogram::lowest_of(b);
        const std::uint64_t beyond = histogram::lowest_of(b + 1);
        ASSERT_LT(low, beyond);
        EXPECT_EQ(histogram::bucket_of(low), b);
        EXPECT_EQ(histogram::bucket_of(beyond - 1), b);
    }
}

TEST(histogram, a_bucket_is_a_quarter_of_its_values_wide_at_most) {
    for (std::size_t b = 4; b < histogram::buckets_count; ++b) {
        const std::uint64_t low = histogram::lowest_of(b);
        EXPECT_LE((histogram::lowest_of(b + 1) - low) * 4, low) << b;
    }
}

TEST(histogram, the_last_bucket_takes_what_is_too_large) {
    EXPECT_EQ(histogram::bucket_of(largest), histogram::buckets_count - 1);
    histogram h;
    h.add(largest);
    EXPECT_EQ(sum_of(h).quantile(0.5), largest);
    EXPECT_EQ(sum_of(h).max(), largest);
}

TEST(histogram, quantiles_are_right_within_an_eighth) {
    histogram h;
    for (std::uint64_t v = 1; v <= 100'000; ++v) {
        h.add(v);
    }
    const histogram_sum s = sum_of(h);
    EXPECT_EQ(s.count(), 100'000U);
    EXPECT_EQ(s.max(), 100'000U);
    for (const double share : {0.01, 0.1, 0.5, 0.9, 0.99, 0.999}) {
        EXPECT_NEAR(static_cast<double>(s.quantile(share)), share * 100'000, share * 12'500)
            << share;
    }
    EXPECT_LE(s.quantile(1.0), s.max());
}

TEST(histogram, a_rare_large_value_does_not_move_the_median) {
    histogram h;
    for (int i = 0; i < 99; ++i) {
        h.add(1000);
    }
    h.add(1'000'000);
    EXPECT_NEAR(static_cast<double>(sum_of(h).quantile(0.5)), 1000, 125);
    EXPECT_NEAR(static_cast<double>(sum_of(h).quantile(0.99)), 1000, 125);
    EXPECT_NEAR(static_cast<double>(sum_of(h).quantile(1.0)), 1'000'000, 125'000);
    EXPECT_EQ(sum_of(h).max(), 1'000'000U);
}

TEST(histogram, a_sum_has_the_values_of_all) {
    histogram a;
    histogram b;
    a.add(100);
    b.add(100);
    b.add(70'000);
    histogram_sum s;
    s.add(a);
    s.add(b);
    EXPECT_EQ(s.count(), 3U);
    EXPECT_EQ(s.max(), 70'000U);
    EXPECT_NEAR(static_cast<double>(s.quantile(0.5)), 100, 13);
}

TEST(histogram, is_read_while_its_owner_adds) {
    constexpr std::uint64_t values = 200'000;
    const auto h = std::make_unique<histogram>();
    std::thread owner([&] {
        for (std::uint64_t v = 0; v < values; ++v) {
            h->add(v);
        }
    });
    std::uint64_t before = 0;
    while (before < values) {
        const std::uint64_t now = sum_of(*h).count();
        ASSERT_GE(now, before);
        ASSERT_LE(now, values);
        before = now;
    }
    owner.join();
    EXPECT_EQ(sum_of(*h).max(), values - 1);
}

} // namespace
