#include "puffs/lwkt/runtime.hh"

#include "puffs/lwkt/sched.hh"
#include "puffs/lwkt/wait_queue.hh"

#include <atomic>
#include <gtest/gtest.h>
#include <sched.h>
#include <thread>

namespace puffs {
namespace {

using lwkt::runtime;
using lwkt::runtime_options;

std::unique_ptr<runtime> two_cores() {
    runtime_options o;
    auto made = runtime::create(o);
    if (made && (*made)->size() < 2) {
        o.cpus = {(*made)->cpu_of(0), (*made)->cpu_of(0)};
        made = runtime::create(o);
    }
    EXPECT_TRUE(made.has_value());
    return std::move(*made);
}

TEST(runtime, runs_functions_on_light_threads_of_the_named_core) {
    auto r = two_cores();
    ASSERT_TRUE(r->start());
    for (core_id id = 0; id < 2; ++id) {
        int cpu = -1;
        core_id seen = no_core;
        r->run_on(id, [&] {
            seen = lwkt::core::current().id();
            cpu = ::sched_getcpu();
            EXPECT_EQ(&lwkt::thread::current().owner(), &r->at(id));
        });
        EXPECT_EQ(seen, id);
        EXPECT_EQ(cpu, r->cpu_of(id));
    }
    r->stop();
}

TEST(runtime, refuses_cpus_that_the_process_may_not_use) {
    runtime_options o;
    o.cpus = {1 << 20};
    auto made = runtime::create(o);
    ASSERT_FALSE(made.has_value());
    EXPECT_EQ(made.error(), error(EINVAL));
}

TEST(runtime, refuses_more_cpus_than_cores_can_be) {
    runtime_options o;
    auto made = runtime::create(o);
    ASSERT_TRUE(made.has_value());
    o.cpus.assign(limits::cores + 1, (*made)->cpu_of(0));
    made = runtime::create(o);
    ASSERT_FALSE(made.has_value());
    EXPECT_EQ(made.error(), error(EINVAL));
}

TEST(runtime_death, starting_a_second_time_panics) {
    EXPECT_DEATH(
        {
            auto r = two_cores();
            EXPECT_TRUE(r->start());
            r->stop();
            static_cast<void>(r->start()); // the rings belong to threads that have ended
        },
        "starts once");
}

// spec: L32 T5
TEST(runtime, an_idle_core_sleeps_and_wakes_for_a_thread_from_elsewhere_without_a_stall) {
    auto r = two_cores();
    ASSERT_TRUE(r->start());
    const monotonic_clock clock;
    auto best = std::chrono::nanoseconds::max();
    for (int i = 0; i < 50; ++i) {
        const auto sleeps = r->at(1).sched_stats().sleeps.load();
        const instant start = clock.now();
        r->run_on(1, [] {});
        best = std::min(best, clock.now().since(start));
        while (r->at(1).sched_stats().sleeps.load() == sleeps &&
               clock.now().since(start) < std::chrono::seconds(5)) {
            std::this_thread::yield(); // until it has gone to sleep again
        }
    }
    EXPECT_GT(r->at(1).sched_stats().sleeps.load(), 10U);
    EXPECT_LT(best, std::chrono::milliseconds(10));
    r->stop();
}

// spec: L32 T14
TEST(runtime, an_idle_core_wakes_for_its_timers) {
    auto r = two_cores();
    ASSERT_TRUE(r->start());
    const monotonic_clock clock;
    auto best = std::chrono::nanoseconds::max();
    for (int i = 0; i < 10; ++i) {
        r->run_on(0, [&] {
            const instant start = clock.now();
            lwkt::sleep_for(std::chrono::milliseconds(2));
            const auto slept = clock.now().since(start);
            EXPECT_GE(slept, std::chrono::milliseconds(2));
            best = std::min(best, slept);
        });
    }
    EXPECT_LT(best, std::chrono::milliseconds(12)); // other programs may delay some, not all
    r->stop();
}

// spec: L19 T5
TEST(runtime, light_threads_of_two_cores_wake_one_another) {
    auto r = two_cores();
    ASSERT_TRUE(r->start());
    constexpr std::uint64_t rounds = 2000;
    lwkt::wait_queue to_a;
    lwkt::wait_queue to_b;
    std::thread other([&] {
        r->run_on(1, [&] {
            for (std::uint64_t i = 0; i < rounds; ++i) {
                std::uint64_t g = i;
                while (to_b.generation() == i) {
                    to_b.block(g);
                }
                to_a.signal();
            }
        });
    });
    r->run_on(0, [&] {
        for (std::uint64_t i = 0; i < rounds; ++i) {
            std::uint64_t g = i;
            to_b.signal();
            while (to_a.generation() == i) {
                to_a.block(g);
            }
        }
    });
    other.join();
    EXPECT_EQ(to_a.generation(), rounds);
    r->stop();
}

} // namespace
} // namespace puffs
