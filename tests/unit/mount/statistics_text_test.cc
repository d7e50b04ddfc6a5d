#include "mount/statistics_text.hh"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vector>

namespace puffs::kmod {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;

constexpr operation_kind read_kind = kind_of(static_cast<std::uint32_t>(msg::opclass::vn),
                                             static_cast<std::uint32_t>(msg::vn_op::read));
constexpr operation_kind reclaim_kind = kind_of(static_cast<std::uint32_t>(msg::opclass::vn),
                                                static_cast<std::uint32_t>(msg::vn_op::reclaim));

TEST(operation_lines, are_counts_where_no_times_are_kept) {
    operation_statistics s;
    s.ended(read_kind, 0);
    s.ended(read_kind, ENOENT);
    const std::vector<const operation_statistics*> cores = {&s};
    EXPECT_THAT(operation_lines(cores, 1.0),
                ElementsAre("        operation          count   errors",
                            "all     read                   2        1"));
}

// spec: T15
TEST(operation_lines, have_the_sum_of_all_cores_and_each_that_served) {
    operation_statistics a;
    operation_statistics b;
    operation_statistics idle;
    a.ended(read_kind, 0);
    b.ended(read_kind, 0);
    b.ended(reclaim_kind, 0);
    const std::vector<const operation_statistics*> cores = {&a, &idle, &b};
    EXPECT_THAT(operation_lines(cores, 1.0),
                ElementsAre(HasSubstr("operation"), "all     read                   2        0",
                            "all     reclaim                1        0",
                            "core 0  read                   1        0",
                            "core 2  read                   1        0",
                            "core 2  reclaim                1        0"));
}

TEST(operation_lines, say_median_99th_percentile_and_maximum_of_each_part_in_microseconds) {
    operation_statistics s;
    s.keep_times();
    for (int i = 0; i < 1000; ++i) {
        s.ended(read_kind, 0);
        s.times(read_kind).queued.add(256); // the lowest of a bucket that ends at 320
        s.times(read_kind).run.add(i < 980 ? 4096 : 131072);
        s.times(read_kind).reply.add(1024);
    }
    s.times(read_kind).run.add(2'000'000);
    s.ended(reclaim_kind, 0);
    s.times(reclaim_kind).queued.add(256);
    s.times(reclaim_kind).run.add(256);
    const std::vector<const operation_statistics*> cores = {&s};
    // Two ticks a nanosecond.
    const auto lines = operation_lines(cores, 0.5);
    ASSERT_THAT(lines, SizeIs(4));
    EXPECT_THAT(lines[0],
                AllOf(HasSubstr("queued us"), HasSubstr("run us"), HasSubstr("reply us")));
    EXPECT_EQ(lines[1], "        operation          count   errors    median      99%      max"
                        "    median      99%      max    median      99%      max");
    EXPECT_EQ(lines[2], "all     read                1000        0      0.13     0.13     0.13"
                        "      2.30     73.7     1000      0.51     0.51     0.51");
    EXPECT_THAT(lines[3], StartsWith("all     reclaim                1        0      0.13"));
    EXPECT_THAT(lines[3], testing::EndsWith("         -        -        -"))
        << "nobody waits for it";
}

} // namespace
} // namespace puffs::kmod
