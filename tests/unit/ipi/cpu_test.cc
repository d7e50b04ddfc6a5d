// Critical sections, the pending word, the sleep handshake, nesting.
#include "puffs/ipi/cpu.hh"

#include "support/bare_cpu.hh"

#include <gtest/gtest.h>
#include <type_traits>
#include <vector>

namespace {

using namespace puffs;
using sim::as;
using sim::bare_cpu;
using sim::serve;

class cpu_test : public ::testing::Test {
  protected:
    ipi::domain d{3};
    bare_cpu a{d, 0};
    bare_cpu b{d, 1};
    bare_cpu c{d, 2};
    std::vector<int> log;

    unsigned handler(int n) {
        entries_.push_back(std::make_unique<entry>(entry{this, n}));
        return d.add_handler(
            [](void* p) {
                auto& e = *static_cast<entry*>(p);
                e.test->log.push_back(e.n);
            },
            entries_.back().get());
    }

  private:
    struct entry {
        cpu_test* test;
        int n;
    };
    std::vector<std::unique_ptr<entry>> entries_;
};

// spec: T3
TEST_F(cpu_test, what_is_pending_runs_exactly_at_the_outermost_exit) {
    const unsigned id = handler(7);
    sim::as_outside_crit(b, [&] {
        b.crit_enter();
        b.crit_enter();
        as(a, [&] { ipi::trigger(id, 1); });
        b.crit_exit();
        EXPECT_TRUE(log.empty()) << "still inside a critical section";
        b.crit_exit();
        EXPECT_EQ(log, std::vector<int>{7});
        EXPECT_EQ(b.crit_count(), 0);
    });
}

// spec: T3
TEST_F(cpu_test, leaving_without_yield_serves_too) {
    const unsigned id = handler(7);
    sim::as_outside_crit(b, [&] {
        b.crit_enter();
        b.crit_enter();
        as(a, [&] { ipi::trigger(id, 1); });
        b.crit_exit_noyield();
        EXPECT_TRUE(log.empty());
        b.crit_exit_noyield();
        EXPECT_EQ(log, std::vector<int>{7});
        EXPECT_EQ(b.crit_count(), 0);
    });
}

// spec: T3
TEST_F(cpu_test, leaving_a_section_that_was_not_entered_panics) {
    sim::as_outside_crit(a, [&] {
        EXPECT_DEATH(a.crit_exit(), "critical section left");
        EXPECT_DEATH(a.crit_exit_noyield(), "critical section left");
    });
}

// spec: T4
TEST_F(cpu_test, its_own_request_is_seen_by_the_next_poll_and_taken_once) {
    EXPECT_FALSE(a.has_requests());
    a.post_resched();
    a.post_resched();
    EXPECT_TRUE(a.has_requests());
    EXPECT_TRUE(a.take_resched());
    EXPECT_FALSE(a.take_resched());
    EXPECT_FALSE(a.has_requests());
}

// spec: T4 I1
TEST_F(cpu_test, nothing_is_pending_at_the_start_and_everything_posted_is_served_by_one_poll) {
    EXPECT_FALSE(b.has_requests());
    EXPECT_EQ(b.stats().handled.load(std::memory_order_relaxed), 0U);
    const unsigned id = handler(1);
    as(a, [&] {
        ipi::trigger(id, 1);
        ipi::send(
            1, [](void* l, std::intptr_t) { static_cast<std::vector<int>*>(l)->push_back(2); },
            &log);
    });
    EXPECT_TRUE(b.has_requests());
    serve(b);
    EXPECT_FALSE(b.has_requests());
    EXPECT_EQ(log, (std::vector<int>{1, 2}));
    EXPECT_EQ(b.stats().handled.load(std::memory_order_relaxed), 2U);
}

// spec: T5 I17
TEST_F(cpu_test, no_doorbell_for_a_core_that_is_awake) {
    const unsigned id = handler(1);
    as(a, [&] { ipi::trigger(id, 1); });
    EXPECT_EQ(b.doorbells, 0U);
    EXPECT_EQ(a.stats().avoided.load(std::memory_order_relaxed), 1U);
    EXPECT_EQ(a.stats().kicks.load(std::memory_order_relaxed), 0U);
}

// spec: T5 I17
TEST_F(cpu_test, one_doorbell_for_one_sleep_however_many_kick) {
    const unsigned first = handler(1);
    const unsigned second = handler(2);
    as(b, [&] { EXPECT_TRUE(b.publish_asleep()); });
    as(a, [&] { ipi::trigger(first, 1); });
    as(c, [&] { ipi::trigger(second, 1); });
    EXPECT_EQ(b.doorbells, 1U);
    EXPECT_EQ(a.stats().kicks.load(std::memory_order_relaxed), 1U);
    EXPECT_EQ(c.stats().kicks.load(std::memory_order_relaxed), 0U);
    as(b, [&] {
        b.publish_awake();
        b.serve_ipis();
        EXPECT_TRUE(b.publish_asleep());
    });
    as(a, [&] { ipi::trigger(first, 1); });
    EXPECT_EQ(b.doorbells, 2U) << "a new sleep, a new doorbell";
}

// spec: T5 V27
TEST_F(cpu_test, a_core_with_something_pending_does_not_go_to_sleep) {
    const unsigned id = handler(1);
    as(a, [&] { ipi::trigger(id, 1); });
    as(b, [&] { EXPECT_FALSE(b.publish_asleep()); });
    EXPECT_FALSE(b.is_asleep());
    serve(b);
    b.post_resched();
    as(b, [&] { EXPECT_FALSE(b.publish_asleep()); });
    EXPECT_TRUE(b.take_resched());
    as(b, [&] { EXPECT_TRUE(b.publish_asleep()); });
}

// spec: I7
TEST_F(cpu_test, handlers_run_lowest_first_whatever_the_order_of_triggers) {
    const unsigned low = handler(1);
    const unsigned middle = handler(2);
    const unsigned high = handler(3);
    as(a, [&] {
        ipi::trigger(high, 1);
        ipi::trigger(low, 1);
        ipi::trigger(middle, 1);
    });
    serve(b);
    EXPECT_EQ(log, (std::vector<int>{1, 2, 3}));
}

// spec: T6
TEST_F(cpu_test, handlers_run_in_interrupt_context_and_in_a_critical_section) {
    static int nest = 0;
    static int crit = 0;
    const auto note = [](void*, std::intptr_t) {
        nest = ipi::cpu::current().intr_nest();
        crit = ipi::cpu::current().crit_count();
    };
    as(a, [&] { ipi::send(1, note, nullptr); });
    serve(b);
    EXPECT_EQ(nest, 1);
    EXPECT_GE(crit, 1);
    EXPECT_EQ(b.intr_nest(), 0);
    nest = 0;
    as(a, [&] { ipi::send(0, note, nullptr); }); // to itself: at once, in the same context
    EXPECT_EQ(nest, 1);
}

struct deep {
    unsigned depth = 0;
    unsigned limit = 0;
};

void nest(void* p, std::intptr_t) {
    auto& n = *static_cast<deep*>(p);
    if (++n.depth < n.limit) {
        ipi::send(ipi::cpu::current().id(), nest, p);
    }
}

// spec: Q8
TEST_F(cpu_test, handlers_nest_up_to_the_limit_and_no_deeper) {
    as(a, [&] {
        deep n{0, static_cast<unsigned>(limits::ipi_nesting)};
        ipi::send(0, nest, &n);
        EXPECT_EQ(n.depth, 20U);
        n = {0, static_cast<unsigned>(limits::ipi_nesting) + 1};
        EXPECT_DEATH(ipi::send(0, nest, &n), "nested too deeply");
    });
    as(a, [&] { // the same through a pass of the pending word
        deep n{0, 21};
        as(b, [&] { ipi::send(0, nest, &n); });
        EXPECT_DEATH(a.serve_ipis(), "nested too deeply");
    });
}

// spec: T1
TEST_F(cpu_test, the_current_core_is_read_anew_after_it_changed) {
    EXPECT_EQ(ipi::cpu::current_or_null(), nullptr);
    EXPECT_DEATH((void)ipi::cpu::current(), "not a core");
    sim::as_outside_crit(a, [&] {
        EXPECT_TRUE(a.is_current());
        ipi::cpu::set_current(&b); // as a switch to a thread that migrated
        EXPECT_FALSE(a.is_current());
        EXPECT_EQ(&ipi::cpu::current(), &b);
    });
}

// spec: T1
TEST_F(cpu_test, a_foreign_core_is_trapped) {
    as(a, [&] {
        b.set_crit_count(1);
#ifdef PUFFS_RACE_POINTS
        EXPECT_DEATH(b.serve_ipis(), "touched from elsewhere");
        EXPECT_DEATH((void)b.publish_asleep(), "touched from elsewhere");
#endif
        b.set_crit_count(0);
    });
    sim::as_outside_crit(a, [&] { EXPECT_DEATH(a.serve_ipis(), "outside a critical section"); });
}

TEST_F(cpu_test, a_domain_refuses_two_cores_with_one_number) {
    EXPECT_DEATH(bare_cpu(d, 1), "two cpus with one number");
    EXPECT_DEATH(bare_cpu(d, 3), "core number out of range");
    EXPECT_DEATH((void)d.at(3), "core number out of range");
    EXPECT_DEATH(ipi::domain(0), "number of cores out of range");
    EXPECT_DEATH(ipi::domain(257), "number of cores out of range");
}

} // namespace
