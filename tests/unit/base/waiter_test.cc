// spec: T9
#include "puffs/base/waiter.hh"

#include <gtest/gtest.h>
#include <thread>

namespace {

using puffs::sleep_flags;
using puffs::waiter;

TEST(os_waiter, a_wake_between_arm_and_sleep_is_not_lost) {
    waiter& me = waiter::current();
    me.arm();
    me.wake();
    me.sleep(sleep_flags::none); // hangs if the wake was lost; the test's time limit fails it
    SUCCEED();
}

TEST(os_waiter, every_thread_has_its_own_and_runs_on_no_core) {
    waiter& mine = waiter::current();
    EXPECT_EQ(&mine, &waiter::current());
    EXPECT_EQ(mine.on_core(), puffs::no_core);
    EXPECT_EQ(mine.pending_signal(), 0);
    std::thread([&] { EXPECT_NE(&mine, &waiter::current()); }).join();
}

TEST(os_waiter, two_threads_hand_a_word_back_and_forth) {
    constexpr int rounds = 2000;
    waiter& ping = waiter::current();
    std::atomic<waiter*> pong{nullptr};
    std::atomic<int> word{0};
    const auto await = [&](waiter& me, int value) {
        for (;;) {
            me.arm();
            if (word.load(std::memory_order_acquire) == value) {
                me.disarm();
                return;
            }
            me.sleep(sleep_flags::none);
        }
    };
    std::thread other([&] {
        waiter& me = waiter::current();
        pong.store(&me, std::memory_order_release);
        for (int i = 0; i < rounds; ++i) {
            await(me, 2 * i + 1);
            word.store(2 * i + 2, std::memory_order_release);
            ping.wake();
        }
    });
    while (pong.load(std::memory_order_acquire) == nullptr) {
        std::this_thread::yield();
    }
    for (int i = 0; i < rounds; ++i) {
        word.store(2 * i + 1, std::memory_order_release);
        pong.load(std::memory_order_relaxed)->wake();
        await(ping, 2 * i + 2);
    }
    other.join();
    EXPECT_EQ(word.load(std::memory_order_acquire), 2 * rounds);
}

} // namespace
