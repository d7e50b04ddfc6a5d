// Registered handlers: registration, triggers, removal.
#include "support/bare_cpu.hh"
#include "support/sim_cores.hh"

#include <algorithm>
#include <gtest/gtest.h>
#include <vector>

namespace {

using namespace puffs;
using sim::as;
using sim::bare_cpu;
using sim::serve;

void count(void* p) {
    ++*static_cast<unsigned*>(p);
}

class handler_test : public ::testing::Test {
  protected:
    ipi::domain d{3};
    bare_cpu a{d, 0};
    bare_cpu b{d, 1};
    bare_cpu c{d, 2};
    unsigned runs = 0;
};

// spec: I2
static_assert(ipi::domain::handler_slots == 32 && ipi::domain::first_handler == 2);
static_assert(ipi::domain::bit_mailbox == 0 && ipi::domain::bit_rings == 1);

// spec: I2 I3
TEST_F(handler_test, a_full_table_returns_zero_and_a_removed_id_is_given_again) {
    std::vector<unsigned> ids;
    for (unsigned expected = 2; expected < 32; ++expected) {
        ids.push_back(d.add_handler(count, &runs));
        EXPECT_EQ(ids.back(), expected);
    }
    EXPECT_EQ(d.add_handler(count, &runs), 0U);
    d.remove_handler(17);
    d.remove_handler(5);
    EXPECT_EQ(d.add_handler(count, &runs), 5U) << "the first free one";
    EXPECT_EQ(d.add_handler(count, &runs), 17U);
    EXPECT_EQ(d.add_handler(count, &runs), 0U);
}

// spec: I4
TEST_F(handler_test, removing_what_is_not_registered_panics) {
    EXPECT_DEATH(d.remove_handler(0), "handler id out of range");
    EXPECT_DEATH(d.remove_handler(1), "handler id out of range");
    EXPECT_DEATH(d.remove_handler(32), "handler id out of range");
    EXPECT_DEATH(d.remove_handler(2), "handler is not registered");
    const unsigned id = d.add_handler(count, &runs);
    d.remove_handler(id);
    EXPECT_DEATH(d.remove_handler(id), "handler is not registered");
}

// spec: I4 I7
TEST_F(handler_test, a_trigger_after_removal_is_trapped_where_it_is_served) {
    const unsigned id = d.add_handler(count, &runs);
    d.remove_handler(id);
    as(a, [&] { ipi::trigger(id, 1); });
    EXPECT_DEATH(serve(b), "handler that is not registered");
}

// spec: I4
TEST_F(handler_test, a_handler_that_removes_itself_panics) {
    struct self_remover {
        ipi::domain& d;
        unsigned id = 0;
    } s{d};
    s.id = d.add_handler(
        [](void* p) {
            auto& r = *static_cast<self_remover*>(p);
            r.d.remove_handler(r.id);
        },
        &s);
    as(a, [&] { ipi::trigger(s.id, 1); });
    EXPECT_DEATH(serve(b), "removes itself");
}

// spec: I4 V21
TEST(handler_removal, waits_for_what_was_triggered_and_nothing_runs_after) {
    sim::machine m(3);
    unsigned runs = 0;
    unsigned runs_at_return = 0;
    const unsigned id = m.domain().add_handler(count, &runs);
    m.run_on(0, [&] {
        const ipi::crit_section crit;
        ipi::trigger(id, 1);
        ipi::trigger(id, 2);
        m.domain().remove_handler(id);
        runs_at_return = runs;
    });
    EXPECT_TRUE(m.run_until_idle()) << m.failure();
    EXPECT_EQ(runs_at_return, 2U);
    EXPECT_EQ(runs, 2U);
}

// spec: I4
TEST(handler_removal, drains_the_remover_s_own_core_too) {
    sim::machine m(2);
    unsigned runs = 0;
    const unsigned id = m.domain().add_handler(count, &runs);
    m.run_on(0, [&] {
        const ipi::crit_section crit;
        m.core(0).post(id); // as another core's trigger, which this core has not polled
        m.domain().remove_handler(id);
        EXPECT_EQ(runs, 1U);
    });
    EXPECT_TRUE(m.run_until_idle()) << m.failure();
    EXPECT_EQ(runs, 1U);
}

// spec: I5 V20
TEST_F(handler_test, a_hundred_triggers_before_the_poll_are_one_run_and_one_kick) {
    const unsigned id = d.add_handler(count, &runs);
    as(b, [&] { ASSERT_TRUE(b.publish_asleep()); });
    as(a, [&] {
        for (int i = 0; i < 100; ++i) {
            ipi::trigger(id, 1);
        }
    });
    EXPECT_EQ(b.doorbells, 1U);
    EXPECT_EQ(a.stats().kicks.load(std::memory_order_relaxed) +
                  a.stats().avoided.load(std::memory_order_relaxed),
              1U)
        << "only the first kicks";
    serve(b);
    EXPECT_EQ(runs, 1U);
    as(a, [&] { ipi::trigger(id, 1); });
    serve(b);
    EXPECT_EQ(runs, 2U) << "a trigger after the run gives another";
}

struct retrigger {
    unsigned id = 0;
    unsigned runs = 0;
    unsigned again = 0; // how often it triggers itself
    std::vector<int> order;
};

// spec: I7
TEST_F(handler_test, a_trigger_from_inside_the_handler_runs_it_again_after_the_pass) {
    retrigger r;
    r.again = 1;
    r.id = d.add_handler(
        [](void* p) {
            auto& self = *static_cast<retrigger*>(p);
            ++self.runs;
            self.order.push_back(1);
            if (self.again-- > 0) {
                ipi::cpu::current().post(self.id);
            }
        },
        &r);
    ipi::sync_message m;
    m.function = [](void* p) { static_cast<retrigger*>(p)->order.push_back(2); };
    m.arg = &r;
    as(a, [&] {
        ipi::trigger(r.id, 1);
        ipi::unicast(m, 1);
    });
    serve(b);
    EXPECT_EQ(r.order, (std::vector<int>{1, 2, 1})) << "the mailbox is not starved";
    EXPECT_EQ(m.pending.load(std::memory_order_acquire), 0U);
}

// spec: I7
TEST_F(handler_test, a_handler_never_runs_inside_itself) {
    static unsigned inside = 0;
    static unsigned deepest = 0;
    static unsigned id = 0;
    inside = deepest = 0;
    id = d.add_handler(
        [](void* p) {
            auto& runs_of_test = *static_cast<unsigned*>(p);
            deepest = std::max(deepest, ++inside);
            if (runs_of_test++ == 0) {
                ipi::trigger_multi(id, core_set{ipi::cpu::current().id()}); // serves, nested
                EXPECT_EQ(runs_of_test, 1U);
            }
            --inside;
        },
        &runs);
    as(a, [&] { ipi::trigger(id, 1); });
    serve(b);
    EXPECT_EQ(deepest, 1U);
    EXPECT_EQ(runs, 2U);
}

// spec: I6
TEST_F(handler_test, a_set_with_the_caller_runs_here_at_once_and_there_later) {
    const unsigned id = d.add_handler(count, &runs);
    as(a, [&] {
        ipi::trigger_multi(id, core_set{});
        EXPECT_EQ(runs, 0U);
        ipi::trigger_multi(id, core_set{0});
        EXPECT_EQ(runs, 1U);
        ipi::trigger_multi(id, core_set{0, 2});
        EXPECT_EQ(runs, 2U);
    });
    EXPECT_FALSE(b.has_requests());
    serve(c);
    EXPECT_EQ(runs, 3U);
}

// spec: I16
TEST_F(handler_test, senders_outside_a_critical_section_panic) {
    const unsigned id = d.add_handler(count, &runs);
    ipi::sync_message m;
    m.function = count;
    m.arg = &runs;
    const auto f = [](void*, std::intptr_t) {};
    sim::as_outside_crit(a, [&] {
        EXPECT_DEATH(ipi::trigger(id, 1), "outside a critical section");
        EXPECT_DEATH(ipi::trigger_multi(id, core_set{1}), "outside a critical section");
        EXPECT_DEATH(ipi::unicast(m, 1), "outside a critical section");
        EXPECT_DEATH(ipi::multicast(m, core_set{1}), "outside a critical section");
        EXPECT_DEATH(ipi::broadcast(m), "outside a critical section");
        EXPECT_DEATH(ipi::wait(m), "outside a critical section");
        EXPECT_DEATH(ipi::send(1, f, nullptr), "outside a critical section");
        EXPECT_DEATH(ipi::send_passive(1, f, nullptr), "outside a critical section");
        EXPECT_DEATH((void)ipi::send_nowait(1, f, nullptr), "outside a critical section");
        EXPECT_DEATH(ipi::wait_sent(1, 0), "outside a critical section");
        EXPECT_DEATH(ipi::synchronize(), "outside a critical section");
        EXPECT_DEATH(d.remove_handler(id), "outside a critical section");
    });
}

// spec: I5 I10
TEST_F(handler_test, triggering_or_posting_to_oneself_panics) {
    const unsigned id = d.add_handler(count, &runs);
    ipi::sync_message m;
    m.function = count;
    m.arg = &runs;
    as(a, [&] {
        EXPECT_DEATH(ipi::trigger(id, 0), "IPI to the calling core");
        EXPECT_DEATH(ipi::unicast(m, 0), "IPI to the calling core");
        EXPECT_DEATH(ipi::send_passive(
                         0, [](void*, std::intptr_t) {}, nullptr),
                     "IPI to the calling core");
        EXPECT_DEATH(ipi::trigger(0, 1), "handler id out of range");
        EXPECT_DEATH(ipi::trigger(1, 1), "handler id out of range");
        EXPECT_DEATH(ipi::trigger_multi(32, core_set{1}), "handler id out of range");
    });
}

} // namespace
