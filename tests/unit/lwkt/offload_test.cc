// Blocking work on ordinary threads, asked for by light threads of real cores.
#include "puffs/lwkt/offload.hh"

#include "puffs/lwkt/runtime.hh"
#include "puffs/lwkt/sched.hh"
#include "puffs/lwkt/thread.hh"

#include <atomic>
#include <chrono>
#include <future>
#include <gtest/gtest.h>
#include <latch>
#include <memory>
#include <thread>
#include <vector>

namespace puffs {
namespace {

using lwkt::offload;

std::unique_ptr<lwkt::runtime> cores(std::size_t count, unsigned threads_max = 16) {
    lwkt::runtime_options o;
    const int cpu = lwkt::runtime::create({}).value()->cpu_of(0);
    o.cpus = std::vector<int>(count, cpu);
    o.pin = false;
    o.offload_threads = threads_max;
    auto made = lwkt::runtime::create(o);
    EXPECT_TRUE(made.has_value());
    EXPECT_TRUE((*made)->start());
    return std::move(*made);
}

TEST(offload, runs_elsewhere_and_brings_the_value_back) {
    auto r = cores(1);
    r->run_on(0, [] {
        const auto here = std::this_thread::get_id();
        EXPECT_NE(offload([]() noexcept { return std::this_thread::get_id(); }), here);
        auto moved = offload([]() noexcept { return std::make_unique<int>(7); });
        EXPECT_EQ(*moved, 7);
        bool done = false;
        offload([&done]() noexcept { done = true; });
        EXPECT_TRUE(done);
        EXPECT_EQ(std::this_thread::get_id(), here);
    });
}

TEST(offload, the_core_serves_others_meanwhile) {
    auto r = cores(1);
    r->run_on(0, [] {
        std::latch other_ran(1);
        ASSERT_TRUE(lwkt::create([](void* l) { static_cast<std::latch*>(l)->count_down(); },
                                 &other_ran, "other"));
        offload([&other_ran]() noexcept { other_ran.wait(); }); // for ever if it held the core
    });
}

TEST(offload, one_thread_serves_who_come_one_after_the_other) {
    auto r = cores(1, 8);
    const lwkt::offload_pool& pool = r->offload_threads();
    EXPECT_EQ(pool.threads(), 0U); // nobody has asked
    r->run_on(0, [&pool] {
        for (int i = 0; i < 100; ++i) {
            offload([]() noexcept {});
            ASSERT_EQ(pool.threads(), 1U);
        }
    });
}

// spec: H10
// Work that waits for work which was given later: with an idle thread for one of both, another is started.
TEST(offload, two_who_ask_at_once_do_not_count_on_the_same_idle_thread) {
    struct pair {
        lwkt::offload_pool pool{2};
        std::promise<void> later_ran;
        bool earlier_saw_it = false;
        int ended = 0;
    };
    auto r = cores(1);
    r->run_on(0, [] {
        for (int round = 0; round < 100; ++round) {
            pair p;
            p.pool.run([](void*) {}, nullptr); // a thread is there, and idle
            ASSERT_TRUE(lwkt::create(
                [](void* arg) {
                    auto& both = *static_cast<pair*>(arg);
                    both.pool.run(
                        [](void* b) {
                            auto& shared = *static_cast<pair*>(b);
                            shared.earlier_saw_it =
                                shared.later_ran.get_future().wait_for(std::chrono::seconds(10)) ==
                                std::future_status::ready;
                        },
                        arg);
                    ++both.ended;
                },
                &p, "earlier"));
            ASSERT_TRUE(lwkt::create(
                [](void* arg) {
                    auto& both = *static_cast<pair*>(arg);
                    both.pool.run([](void* b) { static_cast<pair*>(b)->later_ran.set_value(); },
                                  arg);
                    ++both.ended;
                },
                &p, "later"));
            while (p.ended != 2) {
                lwkt::sleep_for(std::chrono::microseconds(100));
            }
            ASSERT_TRUE(p.earlier_saw_it) << "round " << round;
            ASSERT_EQ(p.pool.threads(), 2U);
        }
    });
}

// Everybody is served, by no more threads than allowed.
TEST(offload, more_work_than_threads_waits_its_turn) {
    constexpr unsigned threads_max = 3;
    constexpr int each = 200;
    auto r = cores(3, threads_max);
    std::atomic<unsigned> inside{0}, most{0}, done{0};
    struct shared {
        std::atomic<unsigned>&inside, &most, &done;
    } s{inside, most, done};
    for (core_id c = 0; c < r->size(); ++c) {
        for (int i = 0; i < each; ++i) {
            lwkt::create_on(
                r->at(c),
                [](void* arg) {
                    auto& all = *static_cast<shared*>(arg);
                    offload([&all]() noexcept {
                        const unsigned now = all.inside.fetch_add(1, std::memory_order_relaxed) + 1;
                        unsigned seen = all.most.load(std::memory_order_relaxed);
                        while (now > seen && !all.most.compare_exchange_weak(seen, now)) {
                        }
                        std::this_thread::yield();
                        all.inside.fetch_sub(1, std::memory_order_relaxed);
                    });
                    all.done.fetch_add(1, std::memory_order_release);
                },
                &s, "asks");
        }
    }
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (done.load(std::memory_order_acquire) != r->size() * each) {
        ASSERT_LT(std::chrono::steady_clock::now(), limit)
            << done.load(std::memory_order_relaxed) << " are done";
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_LE(most.load(std::memory_order_relaxed), threads_max);
    EXPECT_LE(r->offload_threads().threads(), threads_max);
    r->stop();
}

TEST(offload, a_call_outside_of_a_light_thread_panics) {
    lwkt::offload_pool pool;
    EXPECT_DEATH(pool.run([](void*) {}, nullptr), "only light threads offload");
}

} // namespace
} // namespace puffs
