#include "puffs/base/spinlock.hh"

#include "puffs/base/race_point.hh"

#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace {

TEST(spinlock, excludes_more_threads_than_cpus) {
    puffs::spinlock mu;
    long counter = 0; // guarded by mu; TSan and the sum both notice a hole
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 20000; ++i) {
                const puffs::spin_guard g(mu);
                ++counter;
            }
        });
    }
    for (std::thread& t : threads) {
        t.join();
    }
    EXPECT_EQ(counter, 160000);
}

TEST(spinlock, try_lock_fails_while_it_is_held) {
    puffs::spinlock mu;
    ASSERT_TRUE(mu.try_lock());
    EXPECT_TRUE(mu.is_locked());
    EXPECT_FALSE(mu.try_lock());
    mu.unlock();
    EXPECT_FALSE(mu.is_locked());
    EXPECT_TRUE(mu.try_lock());
    mu.unlock();
}

puffs::spinlock* contended = nullptr;
unsigned turns = 0;

TEST(spinlock, a_held_lock_turns_the_relax_hook) {
    puffs::spinlock mu;
    contended = &mu;
    mu.lock();
    puffs::current_relax_hook() = [](unsigned turn) {
        EXPECT_EQ(turn, turns);
        if (++turns == 5) {
            contended->unlock(); // as the other virtual core would, which shares this thread
        }
    };
    mu.lock();
    puffs::current_relax_hook() = nullptr;
    EXPECT_EQ(turns, 5U);
    mu.unlock();
}

} // namespace
