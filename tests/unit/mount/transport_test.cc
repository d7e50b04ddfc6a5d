#include "mount/transport.hh"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace puffs::kmod {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(choose_transport, automatic_takes_uring_where_the_kernel_has_it_switched_on) {
    const auto choice = choose_transport(transport_kind::automatic, uring_support::on, {0, 1});
    ASSERT_TRUE(choice);
    EXPECT_TRUE(choice->uring);
}

TEST(choose_transport, automatic_says_how_to_switch_it_on) {
    const auto choice = choose_transport(transport_kind::automatic, uring_support::off, {0, 1});
    ASSERT_TRUE(choice);
    EXPECT_FALSE(choice->uring);
    EXPECT_THAT(choice->why, HasSubstr("echo Y > /sys/module/fuse/parameters/enable_uring"));
}

TEST(choose_transport, automatic_takes_dev_on_an_older_kernel) {
    const auto choice = choose_transport(transport_kind::automatic, uring_support::absent, {0, 1});
    ASSERT_TRUE(choice);
    EXPECT_FALSE(choice->uring);
    EXPECT_THAT(choice->why, HasSubstr("6.14"));
}

TEST(choose_transport, dev_is_taken_whatever_the_kernel_has) {
    const auto choice = choose_transport(transport_kind::dev, uring_support::on, {0, 1});
    ASSERT_TRUE(choice);
    EXPECT_FALSE(choice->uring);
}

TEST(choose_transport, uring_is_refused_where_it_cannot_be) {
    for (const uring_support kernel : {uring_support::absent, uring_support::off}) {
        const auto choice = choose_transport(transport_kind::uring, kernel, {0, 1});
        ASSERT_FALSE(choice);
        EXPECT_THAT(choice.error(), HasSubstr("--transport=uring"));
    }
}

// The kernel sends nothing until every possible CPU's queue is served: with one unknown, all callers would hang.
TEST(choose_transport, uring_needs_to_know_all_cpus) {
    EXPECT_FALSE(choose_transport(transport_kind::automatic, uring_support::on, {})->uring);
    EXPECT_FALSE(choose_transport(transport_kind::uring, uring_support::on, {}));
}

TEST(queues_of_cores, each_core_serves_its_own_cpu) {
    EXPECT_THAT(queues_of_cores({2, 0}, {0, 1, 2}), ElementsAre(ElementsAre(1, 2), ElementsAre(0)));
}

TEST(queues_of_cores, every_possible_cpu_is_served_once) {
    std::vector<int> possible;
    for (int cpu = 0; cpu < 64; ++cpu) {
        possible.push_back(cpu);
    }
    std::vector<int> served;
    for (const auto& queues : queues_of_cores({5, 9, 63}, possible)) {
        EXPECT_GE(queues.size(), 21U); // an even share
        served.insert(served.end(), queues.begin(), queues.end());
    }
    std::ranges::sort(served);
    EXPECT_EQ(served, possible);
}

TEST(entries_of_queue, what_is_asked_is_given) {
    EXPECT_EQ(entries_of_queue(3, 1000, 1 << 20), 3U);
}

TEST(entries_of_queue, the_default_is_bounded_by_memory) {
    constexpr std::size_t mib = 1 << 20;
    EXPECT_EQ(entries_of_queue(0, 2, mib), 8U);
    EXPECT_EQ(entries_of_queue(0, 64, mib), 4U);
    EXPECT_EQ(entries_of_queue(0, 256, mib), 2U);
    EXPECT_EQ(entries_of_queue(0, 256, 128 * 1024), 8U);
}

TEST(possible_cpus, has_at_least_one) {
    EXPECT_FALSE(possible_cpus().empty());
}

} // namespace
} // namespace puffs::kmod
