// The rings between cores: order, back-pressure, waits; posts of ordinary threads.
#include "support/bare_cpu.hh"
#include "support/sim_cores.hh"

#include <algorithm>
#include <chrono>
#include <gtest/gtest.h>
#include <unistd.h>
#include <vector>

namespace {

using namespace puffs;
using sim::as;
using sim::bare_cpu;
using sim::serve;

using values = std::vector<std::intptr_t>;

void append(void* v, std::intptr_t value) {
    static_cast<values*>(v)->push_back(value);
}

class ring_test : public ::testing::Test {
  protected:
    ipi::domain d{3};
    bare_cpu a{d, 0};
    bare_cpu b{d, 1};
    bare_cpu c{d, 2};
    values got;
};

// spec: Q1 V24
TEST_F(ring_test, functions_of_one_sender_run_in_order) {
    as(a, [&] {
        for (std::intptr_t i = 0; i < 100; ++i) {
            EXPECT_EQ(ipi::send(1, append, &got, i), static_cast<std::uint64_t>(i) + 1);
        }
    });
    EXPECT_TRUE(got.empty());
    serve(b);
    ASSERT_EQ(got.size(), 100U);
    for (std::intptr_t i = 0; i < 100; ++i) {
        EXPECT_EQ(got[static_cast<std::size_t>(i)], i);
    }
    EXPECT_FALSE(b.has_requests());
}

// spec: Q1
TEST_F(ring_test, every_sender_has_a_ring_of_its_own) {
    as(a, [&] { ipi::send(2, append, &got, 1); });
    as(b, [&] { ipi::send(2, append, &got, 2); });
    as(a, [&] { ipi::send(2, append, &got, 3); });
    serve(c);
    EXPECT_EQ(got.size(), 3U);
    EXPECT_LT(std::ranges::find(got, 1), std::ranges::find(got, 3));
}

// spec: Q1
TEST_F(ring_test, a_send_to_oneself_runs_at_once) {
    as(a, [&] {
        EXPECT_EQ(ipi::send(0, append, &got, 5), 0U);
        EXPECT_EQ(got, values{5});
        ipi::wait_sent(0, 0);
        EXPECT_TRUE(ipi::send_nowait(0, append, &got, 6));
        EXPECT_EQ(got, (values{5, 6}));
    });
}

// spec: Q1 T5
TEST_F(ring_test, only_the_first_send_to_a_sleeper_kicks) {
    as(b, [&] { ASSERT_TRUE(b.publish_asleep()); });
    as(a, [&] {
        for (int i = 0; i < 10; ++i) {
            ipi::send(1, append, &got, i);
        }
    });
    EXPECT_EQ(b.doorbells, 1U);
    EXPECT_EQ(a.stats().kicks.load(std::memory_order_relaxed), 1U);
    EXPECT_EQ(a.stats().avoided.load(std::memory_order_relaxed), 9U);
}

// spec: Q4
TEST_F(ring_test, a_passive_send_does_not_kick_and_is_served_at_the_next_poll) {
    as(b, [&] { ASSERT_TRUE(b.publish_asleep()); });
    as(a, [&] { ipi::send_passive(1, append, &got, 1); });
    EXPECT_EQ(b.doorbells, 0U);
    b.publish_awake(); // a tick, say
    serve(b);
    EXPECT_EQ(got, values{1});
}

// spec: Q4 T5
TEST_F(ring_test, a_send_after_a_passive_one_still_kicks) {
    as(b, [&] { ASSERT_TRUE(b.publish_asleep()); });
    as(a, [&] {
        ipi::send_passive(1, append, &got, 1);
        ipi::send(1, append, &got, 2);
    });
    EXPECT_EQ(b.doorbells, 1U);
    b.publish_awake();
    serve(b);
    EXPECT_EQ(got, (values{1, 2}));
}

// spec: Q4 Q6
TEST_F(ring_test, waiting_for_a_passive_send_kicks) {
    sim::machine m(2);
    m.run_on(1, [] {});
    EXPECT_TRUE(m.run_until_idle());
    m.run_on(0, [&] {
        const ipi::crit_section crit;
        ipi::wait_sent(1, ipi::send_passive(1, append, &got, 1));
        EXPECT_EQ(got, values{1});
    });
    EXPECT_TRUE(m.run_until_idle()) << m.failure();
    EXPECT_EQ(got, values{1});
}

// spec: Q5
TEST_F(ring_test, send_nowait_refuses_above_two_thirds_and_queues_nothing) {
    unsigned accepted = 0;
    as(a, [&] {
        while (ipi::send_nowait(1, append, &got, accepted)) {
            ++accepted;
        }
        EXPECT_FALSE(ipi::send_nowait(1, append, &got, -1));
    });
    EXPECT_EQ(accepted, ipi::ipiq::slots * 2 / 3 + 1);
    serve(b);
    EXPECT_EQ(got.size(), accepted);
    EXPECT_EQ(got.back(), static_cast<std::intptr_t>(accepted) - 1);
    as(a, [&] { EXPECT_TRUE(ipi::send_nowait(1, append, &got, 0)); });
}

// spec: Q3
TEST(ring, a_sender_above_half_counts_kicks_and_waits_until_below_a_quarter) {
    sim::machine m(2);
    values got;
    std::intptr_t sent = 0;
    m.run_on(1, [] {});
    EXPECT_TRUE(m.run_until_idle()); // core 1 sleeps
    m.run_on(0, [&] {
        const ipi::crit_section crit;
        for (; sent < 130; ++sent) {
            ipi::send_passive(1, append, &got, sent); // passive: the kick is the full ring's
        }
    });
    for (int turn = 0; turn < 20; ++turn) {
        m.step(0);
    }
    EXPECT_EQ(sent, 129) << "129 used is above half of 256";
    EXPECT_EQ(m.core(0).stats().ring_full.load(std::memory_order_relaxed), 1U);
    EXPECT_EQ(m.core(1).doorbells(), 1U);
    EXPECT_EQ(m.core(0).stats().kicks.load(std::memory_order_relaxed), 1U);
    m.allow_unserved();
    EXPECT_TRUE(m.run_until_idle()) << m.failure();
    EXPECT_EQ(sent, 130);
    EXPECT_EQ(m.core(0).stats().ring_full.load(std::memory_order_relaxed), 1U);
}

// spec: Q3
TEST(ring, a_sender_that_waits_for_room_serves_its_own) {
    sim::machine m(2);
    values got;
    values own;
    bool all_sent = false;
    m.run_on(1, [&] {
        const ipi::crit_section crit; // does not serve what core 0 sends
        while (m.core(0).stats().ring_full.load(std::memory_order_relaxed) == 0) {
            m.spin();
        }
        EXPECT_FALSE(all_sent);
        ipi::send(0, append, &own, 1);
        while (own.empty()) {
            m.spin();
        }
        EXPECT_FALSE(all_sent) << "served inside the critical section, by the wait";
    });
    m.step(1);
    m.run_on(0, [&] {
        const ipi::crit_section crit;
        for (std::intptr_t i = 0; i < 200; ++i) {
            ipi::send(1, append, &got, i);
        }
        all_sent = true;
    });
    EXPECT_TRUE(m.run_until_idle()) << m.failure();
    EXPECT_EQ(got.size(), 200U);
    EXPECT_EQ(own, values{1});
}

// For as long as it takes: the target may be in a blocking call, which is no fault of ours.
// spec: Q3
TEST(ring, a_sender_that_waits_for_room_longer_than_others_may_wait_goes_on) {
    sim::machine m(2);
    constexpr std::chrono::milliseconds bound{5};
    m.domain().set_wait_bounds({std::chrono::milliseconds(1), bound});
    values got;
    bool all_sent = false;
    m.run_on(0, [&] {
        const ipi::crit_section crit;
        for (std::intptr_t i = 0; i < 200; ++i) {
            ipi::send(1, append, &got, i);
        }
        all_sent = true;
    });
    m.step(0);
    const auto began = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - began < 4 * bound) {
        m.step(0);
    }
    EXPECT_FALSE(all_sent);
    EXPECT_TRUE(m.run_until_idle()) << m.failure();
    EXPECT_TRUE(all_sent);
    EXPECT_EQ(got.size(), 200U);
}

// spec: Q3
TEST(ring, a_handler_may_fill_the_ring) {
    sim::machine m(2);
    struct filler {
        values got;
        int nest = 0;
    } f;
    m.run_on(0, [&] {
        const ipi::crit_section crit;
        ipi::send(
            1,
            [](void* p, std::intptr_t) {
                for (std::intptr_t i = 0; i < 1000; ++i) {
                    ipi::send(0, append, &static_cast<filler*>(p)->got, i);
                }
            },
            &f);
    });
    EXPECT_TRUE(m.run_until_idle()) << m.failure();
    ASSERT_EQ(f.got.size(), 1000U);
    EXPECT_TRUE(std::ranges::is_sorted(f.got));
}

struct pong {
    pong* other = nullptr;
    core_id there = 0;
    unsigned seen = 0;
    std::intptr_t last = -1;
    unsigned answers = 0;
    bool in_order = true;
};

void count_answer(void* p, std::intptr_t) {
    ++static_cast<pong*>(p)->answers;
}

void answer(void* p, std::intptr_t value) {
    auto& self = *static_cast<pong*>(p);
    self.in_order = self.in_order && value == self.last + 1;
    self.last = value;
    ++self.seen;
    ipi::send(self.there, count_answer, self.other);
    ipi::send(self.there, count_answer, self.other); // two for one: the rings fill
}

// Both cores send more than the rings hold, and each arrival is answered twice.
// spec: Q3 Q8 V23
TEST(ring, two_cores_that_fill_each_other_s_rings_both_finish) {
    sim::machine m(2);
    pong p[2];
    for (core_id id = 0; id < 2; ++id) {
        const auto other = static_cast<core_id>(1 - id);
        p[id].other = &p[other];
        p[id].there = other;
        m.run_on(id, [&p, other] {
            const ipi::crit_section crit;
            for (std::intptr_t i = 0; i < 2000; ++i) {
                ipi::send(other, answer, &p[other], i);
            }
        });
    }
    EXPECT_TRUE(m.run_until_idle()) << m.failure();
    for (const pong& one : p) {
        EXPECT_EQ(one.seen, 2000U);
        EXPECT_EQ(one.answers, 4000U);
        EXPECT_TRUE(one.in_order);
    }
}

// A function that runs on its own core at once may take entries aside; they are served after it.
// spec: Q3
TEST(ring, what_a_local_function_took_aside_is_served) {
    sim::machine m(2);
    values got;
    values own;
    struct both {
        values* got;
    } p{&got};
    m.run_on(0, [&] {
        const ipi::crit_section crit;
        ipi::send(
            0,
            [](void* arg, std::intptr_t) {
                for (std::intptr_t i = 0; i < 200; ++i) {
                    ipi::send(1, append, static_cast<both*>(arg)->got, i);
                }
            },
            &p);
    });
    m.step(0); // up to the full ring
    m.run_on(1, [&] {
        const ipi::crit_section crit;
        ipi::send(0, append, &own, 7);
    });
    EXPECT_TRUE(m.run_until_idle()) << m.failure();
    EXPECT_EQ(got.size(), 200U);
    EXPECT_EQ(own, values{7});
}

// spec: Q6 Q2
TEST(ring, wait_sent_returns_when_the_function_has_returned) {
    sim::machine m(2);
    bool returned = false;
    values got;
    m.run_on(0, [&] {
        const ipi::crit_section crit;
        const std::uint64_t first = ipi::send(1, append, &got, 1);
        ipi::send(1, append, &got, 2);
        ipi::wait_sent(1, first);
        EXPECT_GE(got.size(), 1U);
        returned = true;
    });
    for (int turn = 0; turn < 10; ++turn) {
        m.step(0);
    }
    EXPECT_FALSE(returned);
    EXPECT_TRUE(m.run_until_idle()) << m.failure();
    EXPECT_TRUE(returned);
}

// spec: Q6 V23
TEST(ring, two_cores_that_wait_for_what_they_sent_each_other_both_finish) {
    sim::machine m(2);
    values got;
    int finished = 0;
    for (core_id id = 0; id < 2; ++id) {
        m.run_on(id, [&, other = static_cast<core_id>(1 - id)] {
            const ipi::crit_section crit;
            ipi::wait_sent(other, ipi::send(other, append, &got, 0));
            ++finished;
        });
    }
    EXPECT_TRUE(m.run_until_idle()) << m.failure();
    EXPECT_EQ(finished, 2);
}

// spec: Q6
TEST_F(ring_test, misused_waits_panic) {
    as(a, [&] {
        EXPECT_DEATH(ipi::wait_sent(1, 1), "wait for an IPI not sent");
        const auto waits = [](void*, std::intptr_t) { ipi::wait_sent(1, 0); };
        EXPECT_DEATH(ipi::send(0, waits, nullptr), "a handler waits for a ring");
        const auto synchronizes = [](void*, std::intptr_t) { ipi::synchronize(); };
        EXPECT_DEATH(ipi::send(0, synchronizes, nullptr), "a handler waits for a ring");
    });
}

// spec: Q6
TEST(ring_death, a_wait_warns_then_panics_after_its_bound) {
    ipi::domain d(2);
    d.set_wait_bounds({std::chrono::milliseconds(1), std::chrono::milliseconds(20)});
    bare_cpu a(d, 0);
    bare_cpu b(d, 1);
    values got;
    as(a, [&] {
        EXPECT_DEATH(
            {
                ::dup2(2, 1); // the warning goes to standard output
                ipi::wait_sent(1, ipi::send(1, append, &got, 0));
            },
            "core 0 has waited [0-9]+ ms for core 1: an IPI(.|\n)*"
            "core 0 waited too long for core 1: an IPI that was sent to it");
    });
}

// spec: Q10
TEST(ring, synchronize_returns_when_all_others_have_run_everything_sent) {
    for (core_id self = 0; self < 3; ++self) {
        sim::machine m(3);
        values got;
        m.run_on(self, [&] {
            const ipi::crit_section crit;
            for (std::intptr_t i = 0; i < 5; ++i) {
                ipi::send(static_cast<core_id>((self + 1) % 3), append, &got, i);
                ipi::send_passive(static_cast<core_id>((self + 2) % 3), append, &got, i);
            }
            ipi::synchronize();
            EXPECT_EQ(got.size(), 10U);
        });
        EXPECT_TRUE(m.run_until_idle()) << m.failure();
        EXPECT_EQ(got.size(), 10U);
    }
}

// spec: Q7
TEST(ring, a_handler_may_send_and_so_be_served_in_the_same_poll) {
    ipi::domain d(2);
    bare_cpu a(d, 0);
    bare_cpu b(d, 1);
    static values order;
    order.clear();
    as(a, [&] {
        ipi::send(
            1,
            [](void*, std::intptr_t) {
                order.push_back(1);
                // Arrives at core 1 while it serves, as from core 0.
                ipi::cpu& one = ipi::cpu::current();
                as(one.owner_domain().at(0), [] { ipi::send(1, append, &order, 3); });
            },
            nullptr);
        ipi::send(1, append, &order, 2);
    });
    serve(b);
    EXPECT_EQ(order, (values{1, 2, 3}));
    EXPECT_FALSE(b.has_requests());
}

// spec: T5
TEST_F(ring_test, posts_of_ordinary_threads_run_oldest_first_and_wake_a_sleeper_once) {
    ipi::thread_post posts[3];
    as(b, [&] { ASSERT_TRUE(b.publish_asleep()); });
    for (std::intptr_t i = 0; i < 3; ++i) {
        posts[i].function = append;
        posts[i].arg = &got;
        posts[i].value = i;
        ipi::post_from_thread(b, posts[i]);
    }
    EXPECT_EQ(b.doorbells, 1U);
    b.publish_awake();
    serve(b);
    EXPECT_EQ(got, (values{0, 1, 2}));
}

// spec: T5
TEST_F(ring_test, a_post_may_be_used_again_from_its_own_function) {
    static ipi::thread_post again;
    static int left = 0;
    left = 3;
    again.function = [](void*, std::intptr_t) {
        if (--left > 0) {
            ipi::post_from_thread(ipi::cpu::current(), again);
        }
    };
    ipi::post_from_thread(b, again);
    serve(b);
    EXPECT_EQ(left, 0);
    EXPECT_FALSE(b.has_requests());
}

} // namespace
