#include "memfs/space.hh"

#include <gtest/gtest.h>
#include <limits>
#include <thread>

namespace memfs {
namespace {

TEST(space, refuses_what_passes_the_limit_and_charges_nothing_for_it) {
    space s(100);
    EXPECT_TRUE(s.take(60));
    EXPECT_FALSE(s.take(41));
    EXPECT_FALSE(s.take(std::numeric_limits<std::uint64_t>::max()));
    EXPECT_EQ(s.used(), 60U);
    EXPECT_TRUE(s.take(40));
}

TEST(space, lets_renames_into_the_reserve_and_nothing_else) {
    space s(800);
    EXPECT_TRUE(s.take(800));
    EXPECT_FALSE(s.take(1));
    EXPECT_TRUE(s.take(100, space::purpose::rename));
    EXPECT_FALSE(s.take(1, space::purpose::rename));
    EXPECT_FALSE(s.take(0)); // past the limit nothing grows
}

TEST(space, that_is_asked_for_too_much_by_one_core_serves_the_others) {
    space s(1000);
    std::atomic<bool> over{false};
    std::thread greedy([&] {
        while (!over.load(std::memory_order_relaxed)) {
            EXPECT_FALSE(s.take(std::numeric_limits<std::uint64_t>::max() / 2));
        }
    });
    for (int i = 0; i < 100000; ++i) {
        ASSERT_TRUE(s.take(1000));
        s.give(1000);
    }
    over.store(true, std::memory_order_relaxed);
    greedy.join();
    EXPECT_EQ(s.used(), 0U);
}

TEST(reservation, is_given_back_unless_it_is_kept) {
    space s(100);
    {
        const reservation dropped(s, 70);
        EXPECT_TRUE(dropped);
        const reservation refused(s, 31);
        EXPECT_FALSE(refused);
        EXPECT_EQ(s.used(), 70U);
    }
    EXPECT_EQ(s.used(), 0U);
    {
        reservation kept(s, 70);
        kept.keep();
    }
    EXPECT_EQ(s.used(), 70U);
}

} // namespace
} // namespace memfs
