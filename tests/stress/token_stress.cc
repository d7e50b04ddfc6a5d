// Tokens on real cores: exclusion, opposite orders of taking, sleeps with tokens, shares of those that compete.
#include "puffs/lwkt/token.hh"

#include "puffs/lwkt/sched.hh"
#include "support/lwkt/real_cores.hh"
#include "support/sanitized.hh"
#include "support/seed.hh"

#include <algorithm>
#include <array>
#include <atomic>
#include <gtest/gtest.h>
#include <random>
#include <thread>
#include <vector>

namespace puffs {
namespace {

using lwkt::token;
using test::on_all;
using test::start_cores;

// spec: K5 K7 V25
TEST(token_stress, one_token_excludes_eight_threads_of_four_cores) {
    constexpr std::uint64_t rounds = sim::times(100'000U, 10U);
    auto r = start_cores(4);
    token t;
    std::uint64_t count = 0;
    on_all(*r, 8, [&](unsigned) {
        for (std::uint64_t n = 0; n < rounds; ++n) {
            const lwkt::token_guard guard(t);
            ++count;
        }
    });
    EXPECT_EQ(count, 8 * rounds);
    r->stop();
}

// Who is not in is overtaken limits::token_overtakings times, and as often again while others are before it.
constexpr std::uint64_t shares_ratio_max = 2 * limits::token_overtakings;

// A token, and what it guards: changed in two steps, between which nobody may look.
struct guarded {
    token t;
    std::uint64_t first = 0, second = 0;
};

// spec: K5 K11 K12 K13 V25
TEST(token_stress, random_sets_in_random_orders_with_sleeps_exclude_and_end) {
    constexpr int rounds = sim::times(20'000, 10);
    constexpr unsigned threads = 6;
    const std::uint64_t seed = sim::test_seed();
    auto r = start_cores(3);
    std::array<guarded, 4> all;
    std::atomic<std::uint64_t> visits{0}, broken{0};
    on_all(*r, threads, [&](unsigned who) {
        std::mt19937_64 random(seed + who);
        std::array<std::size_t, 4> order{0, 1, 2, 3};
        for (int n = 0; n < rounds; ++n) {
            std::shuffle(order.begin(), order.end(), random);
            const std::size_t count = 1 + random() % order.size();
            for (std::size_t i = 0; i < count; ++i) {
                all[order[i]].t.take();
            }
            if (random() % 8 == 0) {
                lwkt::yield();
            } else if (random() % 64 == 0) {
                lwkt::sleep_for(std::chrono::microseconds(20));
            }
            for (std::size_t i = 0; i < count; ++i) {
                guarded& g = all[order[i]];
                broken.fetch_add(g.first != g.second || !g.t.held_by_me() ? 1 : 0,
                                 std::memory_order_relaxed);
                ++g.first;
            }
            for (std::size_t i = count; i-- > 0;) {
                ++all[order[i]].second;
                all[order[i]].t.release();
            }
            visits.fetch_add(count, std::memory_order_relaxed);
        }
    });
    std::uint64_t seen = 0;
    for (const guarded& g : all) {
        EXPECT_EQ(g.first, g.second);
        seen += g.first;
    }
    EXPECT_EQ(broken.load(std::memory_order_relaxed), 0U);
    EXPECT_EQ(seen, visits.load(std::memory_order_relaxed));
    r->stop();
}

// spec: K14
TEST(token_stress, of_those_that_compete_none_is_left_behind) {
    constexpr std::uint64_t total = sim::times(400'000U, 10U);
    constexpr unsigned threads = 4;
    auto r = start_cores(threads);
    token t;
    std::uint64_t count = 0;
    std::array<std::uint64_t, threads> shares{};
    std::atomic<unsigned> ready{0};
    on_all(*r, threads, [&](unsigned who) {
        for (ready.fetch_add(1, std::memory_order_relaxed);
             ready.load(std::memory_order_relaxed) < threads;) {
            lwkt::yield();
        }
        for (bool over = false; !over;) {
            const lwkt::token_guard guard(t);
            over = ++count >= total;
            ++shares[who];
        }
    });
    const auto [least, most] = std::minmax_element(shares.begin(), shares.end());
    std::printf("shares of %llu: %llu to %llu\n", static_cast<unsigned long long>(total),
                static_cast<unsigned long long>(*least), static_cast<unsigned long long>(*most));
    EXPECT_LE(*most, *least * shares_ratio_max);
    r->stop();
}

} // namespace
} // namespace puffs
