// Synchronous messages: mailboxes, unicast, multicast, broadcast, wait.
#include "support/bare_cpu.hh"
#include "support/sim_cores.hh"

#include <gtest/gtest.h>
#include <vector>

namespace {

using namespace puffs;
using sim::as;
using sim::bare_cpu;
using sim::serve;

struct ran_on {
    std::vector<core_id> cores;
};

void note_core(void* p) {
    static_cast<ran_on*>(p)->cores.push_back(ipi::cpu::current().id());
}

ipi::sync_message& prepare(ipi::sync_message& m, ran_on& r) {
    m.function = note_core;
    m.arg = &r;
    return m;
}

class sync_test : public ::testing::Test {
  protected:
    ipi::domain d{4};
    bare_cpu a{d, 0};
    bare_cpu b{d, 1};
    bare_cpu c{d, 2};
    bare_cpu e{d, 3};
    ran_on ran;
    ipi::sync_message m;
};

// spec: I9 I10 V22
TEST_F(sync_test, a_message_is_done_only_when_its_function_has_returned_there) {
    as(a, [&] { ipi::unicast(prepare(m, ran), 1); });
    EXPECT_EQ(m.pending.load(std::memory_order_acquire), 1U);
    EXPECT_TRUE(ran.cores.empty());
    serve(b);
    EXPECT_EQ(ran.cores, std::vector<core_id>{1});
    EXPECT_EQ(m.pending.load(std::memory_order_acquire), 0U);
}

// spec: I9
TEST_F(sync_test, the_function_sees_its_slot_free_and_itself_not_acknowledged) {
    struct probe {
        bare_cpu& another;
        ipi::sync_message inner[ipi::mailbox::slots];
        ipi::sync_message outer;
        unsigned pending_inside = 0;
        unsigned inner_runs = 0;
    } p{.another = c, .inner = {}, .outer = {}};
    d.set_wait_bounds({std::chrono::milliseconds(1), std::chrono::milliseconds(20)});
    p.outer.arg = &p;
    p.outer.function = [](void* arg) {
        auto& self = *static_cast<probe*>(arg);
        self.pending_inside = self.outer.pending.load(std::memory_order_acquire);
        as(self.another, [&] { ipi::unicast(self.inner[ipi::mailbox::slots - 1], 1); });
    };
    for (ipi::sync_message& one : p.inner) {
        one.arg = &p;
        one.function = [](void* arg) { ++static_cast<probe*>(arg)->inner_runs; };
    }
    as(a, [&] {
        ipi::unicast(p.outer, 1);
        for (std::size_t i = 0; i + 1 < ipi::mailbox::slots; ++i) {
            ipi::unicast(p.inner[i], 1); // fills the mailbox
        }
    });
    serve(b);
    EXPECT_EQ(p.pending_inside, 1U);
    EXPECT_EQ(p.inner_runs, ipi::mailbox::slots);
    EXPECT_EQ(a.stats().mailbox_full.load(std::memory_order_relaxed), 0U);
    EXPECT_EQ(c.stats().mailbox_full.load(std::memory_order_relaxed), 0U)
        << "the last message found no slot";
}

// spec: I11 V22
TEST_F(sync_test, multicast_posts_to_the_others_first_then_runs_here) {
    as(a, [&] {
        ipi::multicast(prepare(m, ran), core_set{0, 2, 3});
        EXPECT_EQ(m.pending.load(std::memory_order_acquire), 2U);
        EXPECT_EQ(ran.cores, std::vector<core_id>{0});
        EXPECT_TRUE(c.has_requests());
        EXPECT_TRUE(e.has_requests());
        EXPECT_FALSE(b.has_requests());
    });
    serve(e);
    EXPECT_EQ(m.pending.load(std::memory_order_acquire), 1U);
    serve(c);
    EXPECT_EQ(m.pending.load(std::memory_order_acquire), 0U);
    EXPECT_EQ(ran.cores, (std::vector<core_id>{0, 3, 2}));
    as(a, [&] { ipi::wait(m); });
}

// spec: I11 I13
TEST_F(sync_test, an_empty_set_does_nothing_and_its_wait_returns) {
    as(a, [&] {
        ipi::multicast(prepare(m, ran), core_set{});
        ipi::wait(m);
        ipi::multicast(prepare(m, ran), core_set{0});
        ipi::wait(m);
    });
    EXPECT_EQ(ran.cores, std::vector<core_id>{0});
}

// spec: I11
TEST_F(sync_test, every_set_reaches_exactly_its_members) {
    for (unsigned mask = 0; mask < 16; ++mask) {
        core_set set;
        std::vector<core_id> expected;
        for (core_id i = 0; i < 4; ++i) {
            if ((mask >> i & 1U) != 0) {
                set.add(i);
                expected.push_back(i);
            }
        }
        ran.cores.clear();
        as(a, [&] { ipi::multicast(prepare(m, ran), set); });
        EXPECT_EQ(m.pending.load(std::memory_order_acquire), set.count() - (mask & 1U));
        serve(b);
        serve(c);
        serve(e);
        EXPECT_EQ(ran.cores, expected) << mask;
        EXPECT_EQ(m.pending.load(std::memory_order_acquire), 0U);
    }
}

// spec: I12
TEST_F(sync_test, broadcast_waits_for_all_others_and_runs_here_last) {
    as(c, [&] { ipi::broadcast(prepare(m, ran)); });
    EXPECT_EQ(m.pending.load(std::memory_order_acquire), 3U);
    EXPECT_EQ(ran.cores, std::vector<core_id>{2});
    serve(a);
    serve(b);
    serve(e);
    EXPECT_EQ(m.pending.load(std::memory_order_acquire), 0U);
    EXPECT_EQ(ran.cores, (std::vector<core_id>{2, 0, 1, 3}));
}

// spec: I10 I18
TEST(sync, on_one_core_multicast_and_broadcast_are_the_local_call) {
    ipi::domain d(1);
    bare_cpu only(d, 0);
    ran_on ran;
    ipi::sync_message m;
    as(only, [&] {
        ipi::broadcast(prepare(m, ran));
        ipi::wait(m);
        ipi::multicast(prepare(m, ran), core_set{0});
        ipi::wait(m);
    });
    EXPECT_EQ(ran.cores, (std::vector<core_id>{0, 0}));
}

// spec: I10
TEST_F(sync_test, a_message_without_a_function_panics) {
    as(a, [&] {
        EXPECT_DEATH(ipi::unicast(m, 1), "without a function");
        EXPECT_DEATH(ipi::broadcast(m), "without a function");
    });
}

// spec: I13
TEST_F(sync_test, a_pending_count_beyond_the_cores_panics) {
    m.pending.store(5, std::memory_order_relaxed);
    as(a, [&] { EXPECT_DEATH(ipi::wait(m), "message not sent"); });
}

// spec: I8 I15
TEST(sync, the_ninth_sender_counts_one_event_and_goes_on_when_a_slot_is_free) {
    sim::machine m(2);
    ran_on ran;
    ipi::sync_message messages[ipi::mailbox::slots + 1];
    bool all_posted = false;
    m.run_on(0, [&] {
        const ipi::crit_section crit;
        for (ipi::sync_message& one : messages) {
            ipi::unicast(prepare(one, ran), 1);
        }
        all_posted = true;
        for (ipi::sync_message& one : messages) {
            ipi::wait(one);
        }
    });
    for (int turn = 0; turn < 10; ++turn) { // core 1 does not run
        m.step(0);
    }
    EXPECT_FALSE(all_posted);
    EXPECT_EQ(m.core(0).stats().mailbox_full.load(std::memory_order_relaxed), 1U)
        << "one event, however long it spins";
    EXPECT_TRUE(m.run_until_idle()) << m.failure();
    EXPECT_TRUE(all_posted);
    EXPECT_EQ(ran.cores.size(), ipi::mailbox::slots + 1);
    EXPECT_EQ(m.core(0).stats().mailbox_full.load(std::memory_order_relaxed), 1U);
}

// spec: I13 V23
TEST(sync, two_cores_that_wait_for_each_other_both_finish) {
    sim::machine m(2);
    ran_on ran;
    ipi::sync_message messages[2];
    int finished = 0;
    for (core_id id = 0; id < 2; ++id) {
        m.run_on(id, [&, id] {
            const ipi::crit_section crit;
            ipi::unicast(prepare(messages[id], ran), static_cast<core_id>(1 - id));
            ipi::wait(messages[id]);
            ++finished;
        });
    }
    EXPECT_TRUE(m.run_until_idle()) << m.failure();
    EXPECT_EQ(finished, 2);
}

// A wait inside a function goes on with the mailbox that its own pass was draining.
// spec: I13 V23
TEST(sync, functions_that_wait_for_each_other_s_core_both_finish) {
    struct nested {
        ipi::sync_message inner;
        ran_on* ran;
    };
    sim::machine m(2);
    ran_on ran;
    nested n[2] = {{{}, &ran}, {{}, &ran}};
    ipi::sync_message outer[2];
    for (core_id id = 0; id < 2; ++id) {
        outer[id].arg = &n[id];
        outer[id].function = [](void* p) {
            auto& self = *static_cast<nested*>(p);
            const core_id here = ipi::cpu::current().id();
            ipi::unicast(prepare(self.inner, *self.ran), static_cast<core_id>(1 - here));
            ipi::wait(self.inner);
        };
        m.run_on(id, [&, id] {
            const ipi::crit_section crit;
            ipi::unicast(outer[id], static_cast<core_id>(1 - id));
            ipi::wait(outer[id]);
        });
    }
    EXPECT_TRUE(m.run_until_idle()) << m.failure();
    EXPECT_EQ(ran.cores.size(), 2U);
}

// spec: Q6 I13
TEST(sync_death, a_wait_for_a_core_that_does_not_poll_panics_in_the_end) {
    ipi::domain d(2);
    d.set_wait_bounds({std::chrono::milliseconds(1), std::chrono::milliseconds(20)});
    bare_cpu a(d, 0);
    bare_cpu b(d, 1);
    ran_on ran;
    ipi::sync_message m;
    as(a, [&] {
        EXPECT_DEATH(
            {
                ipi::unicast(prepare(m, ran), 1);
                ipi::wait(m);
            },
            "core 0 waited too long for core 65535: acknowledgements");
    });
}

} // namespace
