// Light threads on real cores: remote schedules, a mutex shared with ordinary threads, threads that
// exit while others schedule them.
#include "puffs/lwkt/mutex.hh"
#include "puffs/lwkt/sched.hh"
#include "puffs/lwkt/wait_queue.hh"
#include "support/lwkt/real_cores.hh"
#include "support/sanitized.hh"
#include "support/seed.hh"

#include <array>
#include <atomic>
#include <gtest/gtest.h>
#include <random>
#include <thread>
#include <vector>

namespace puffs {
namespace {

using lwkt::thread;
using test::on_all;
using test::start_cores;

// spec: L19 T5 T9
TEST(lwkt_stress, of_a_million_schedules_each_way_none_is_lost) {
    constexpr std::uint64_t schedules = sim::times(1'000'000U, 4U);
    auto r = start_cores(2);
    struct side {
        std::atomic<std::uint64_t> posted{0};
        std::atomic<thread*> sleeper{nullptr};
        std::uint64_t wakes = 0;
    };
    std::array<side, 2> sides;
    std::vector<std::thread> callers;
    for (core_id i = 0; i < 2; ++i) {
        callers.emplace_back([&, i] {
            r->run_on(i, [&, i] {
                side& mine = sides[i];
                mine.sleeper.store(&thread::current(), std::memory_order_release);
                for (;;) {
                    thread::current().arm();
                    if (mine.posted.load(std::memory_order_acquire) == schedules) {
                        return;
                    }
                    thread::current().sleep(sleep_flags::none);
                    ++mine.wakes;
                }
            });
        });
    }
    on_all(*r, 2, [&](unsigned i) {
        side& other = sides[1U - i];
        while (other.sleeper.load(std::memory_order_acquire) == nullptr) {
            lwkt::yield();
        }
        thread& target = *other.sleeper.load(std::memory_order_acquire);
        for (std::uint64_t n = 0; n < schedules; ++n) {
            other.posted.fetch_add(1, std::memory_order_release);
            lwkt::schedule(target);
            if (n % 64 == 0) {
                lwkt::yield();
            }
        }
    });
    for (std::thread& t : callers) {
        t.join();
    }
    EXPECT_GT(sides[0].wakes + sides[1].wakes, 0U);
    r->stop();
}

// spec: T8
TEST(lwkt_stress, a_mutex_excludes_four_cores_and_ordinary_threads) {
    constexpr int rounds = sim::times(30'000, 10);
    auto r = start_cores(4);
    lwkt::mutex m;
    std::uint64_t count = 0;
    const auto body = [&] {
        for (int n = 0; n < rounds; ++n) {
            m.lock();
            ++count;
            m.unlock();
        }
    };
    std::vector<std::thread> ordinary;
    for (int i = 0; i < 2; ++i) {
        ordinary.emplace_back(body);
    }
    on_all(*r, 4, [&](unsigned) { body(); });
    for (std::thread& t : ordinary) {
        t.join();
    }
    EXPECT_EQ(count, 6U * rounds);
    r->stop();
}

// spec: L29 L19
TEST(lwkt_stress, threads_that_exit_while_others_schedule_them_are_reused_unharmed) {
    constexpr int creations = sim::times(50'000, 25);
    constexpr std::size_t slots = 64;
    const std::uint64_t seed = sim::test_seed();
    auto r = start_cores(2);
    std::array<std::atomic<thread*>, slots> published{};
    std::atomic<bool> stop{false};
    std::atomic<int> runs{0};
    const auto pester = [&](std::uint64_t salt) {
        std::mt19937_64 random(seed + salt);
        while (!stop.load(std::memory_order_relaxed)) {
            thread* td = published[random() % slots].load(std::memory_order_acquire);
            if (td != nullptr) {
                lwkt::schedule(*td);
            }
            if (thread::current_or_null() != nullptr) {
                lwkt::yield();
            }
        }
    };
    std::thread ordinary([&] { pester(1); });
    std::thread far([&] { r->run_on(1, [&] { pester(2); }); });
    r->run_on(0, [&] {
        std::mt19937_64 random(seed);
        for (int n = 0; n < creations; ++n) {
            const auto made = lwkt::create(
                [](void* count) {
                    lwkt::yield();
                    static_cast<std::atomic<int>*>(count)->fetch_add(1, std::memory_order_relaxed);
                },
                &runs, "short");
            ASSERT_TRUE(made.has_value());
            published[random() % slots].store(*made, std::memory_order_release);
            if (random() % 4 == 0) {
                lwkt::yield();
            }
        }
        while (lwkt::core::current().live_threads() > 1) {
            lwkt::yield();
        }
    });
    EXPECT_EQ(runs.load(std::memory_order_relaxed), creations);
    stop.store(true, std::memory_order_relaxed);
    ordinary.join();
    far.join();
    r->stop();
}

// spec: K2 K3 K4
TEST(lwkt_stress, queues_on_the_stack_of_their_waiters_are_signalled_from_everywhere) {
    constexpr int rounds = sim::times(20'000, 10);
    auto r = start_cores(2);
    struct request {
        lwkt::wait_queue q;
        std::atomic<bool> done{false};
    };
    std::atomic<request*> slot{nullptr};
    std::atomic<bool> stop{false};
    const auto serve = [&] {
        while (!stop.load(std::memory_order_relaxed)) {
            if (request* q = slot.exchange(nullptr, std::memory_order_acquire)) {
                q->done.store(true, std::memory_order_relaxed);
                q->q.signal();
            } else if (thread::current_or_null() != nullptr) {
                lwkt::yield();
            } else {
                std::this_thread::yield();
            }
        }
    };
    std::thread ordinary(serve);
    std::thread far([&] { r->run_on(1, serve); });
    r->run_on(0, [&] {
        for (int n = 0; n < rounds; ++n) {
            request mine;
            slot.store(&mine, std::memory_order_release);
            // Only what block() says is behind the signal, so that the queue may die.
            for (std::uint64_t g = 0; g == 0;) {
                mine.q.block(g);
            }
            EXPECT_TRUE(mine.done.load(std::memory_order_relaxed));
        }
    });
    stop.store(true, std::memory_order_relaxed);
    ordinary.join();
    far.join();
    r->stop();
}

} // namespace
} // namespace puffs
