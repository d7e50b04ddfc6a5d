#include "support/lwkt/rig.hh"
#include "unit/lwkt/thread_test.hh"

namespace puffs {
namespace {

using lwkt::thread;
using lwkt::thread_test;
using test::rig;

// spec: L6
TEST(sched, equals_take_turns_in_order) {
    rig r(1);
    std::string order;
    for (const char name : {'A', 'B', 'C'}) {
        r.spawn(0, [&order, name] {
            for (int i = 0; i < 3; ++i) {
                order += name;
                lwkt::switch_away();
            }
        });
    }
    r.settle();
    EXPECT_EQ(order, "ABCABCABC");
}

// spec: L6 L23
TEST(sched, a_higher_priority_runs_first_and_to_its_end) {
    rig r(1);
    std::string order;
    for (const int pri : {1, 31, 10, 12}) {
        r.spawn(0,
                [&order, pri] {
                    for (int i = 0; i < 2; ++i) {
                        order += std::to_string(pri) + " ";
                        lwkt::switch_away();
                    }
                },
                {.priority = pri});
    }
    r.settle();
    EXPECT_EQ(order, "31 31 12 12 10 10 1 1 ");
}

// spec: L23
TEST(sched, priorities_are_those_of_the_table) {
    using namespace lwkt::priority;
    static_assert(levels == 32 && max == 31);
    static_assert(idle_work == 1 && request == 10 && server == 12 && sop == 12 && ingress == 14);
    static_assert(timers == 16 && exiting == 19 && support == 20);
    static_assert(interrupt_low == 27 && interrupt_high == 29);
    rig r(1);
    thread* td = r.spawn(0, [] {});
    EXPECT_EQ(td->priority(), request);
    r.settle();
}

// spec: L2
TEST(sched, a_new_core_has_nothing_to_run) {
    rig r(1);
    EXPECT_TRUE(r.at(0).idle());
    EXPECT_FALSE(r.step(0));
    EXPECT_EQ(r.at(0).live_threads(), 0U);
}

// spec: L6 L10
TEST(sched, choosing_the_same_thread_again_is_counted_but_does_not_switch) {
    rig r(1);
    r.spawn(0, [&] {
        const auto before = r.at(0).sched_stats().switches.load(std::memory_order_relaxed);
        lwkt::switch_away();
        lwkt::switch_away();
        EXPECT_EQ(r.at(0).sched_stats().switches.load(std::memory_order_relaxed), before + 2);
    });
    r.settle();
}

// spec: L3 L17
TEST(sched, scheduling_twice_queues_once_at_the_first_place) {
    rig r(1);
    std::string order;
    thread* a = r.spawn(0, [&] { order += 'A'; }, {.stopped = true});
    r.as(0, [&] { lwkt::schedule(*a); });
    r.spawn(0, [&] { order += 'B'; });
    r.as(0, [&] { lwkt::schedule(*a); });
    r.settle();
    EXPECT_EQ(order, "AB");
}

// spec: L3
TEST(sched, a_newcomer_that_outranks_the_running_thread_takes_over_at_its_critical_exit) {
    rig r(1);
    std::string order;
    r.spawn(0, [&] {
        {
            const ipi::crit_section crit;
            r.spawn(0, [&] { order += "high "; }, {.priority = lwkt::priority::support});
            r.spawn(0, [&] { order += "equal "; });
            order += "inside ";
        }
        order += "outside ";
    });
    r.settle();
    EXPECT_EQ(order, "inside high outside equal ");
}

// spec: L4 L5
TEST(sched, a_priority_whose_queue_was_emptied_does_not_hide_lower_ones) {
    rig r(1);
    std::string order;
    thread* high = r.spawn(0, [&] { order += "high "; }, {.priority = 20});
    r.spawn(0, [&] { order += "low "; });
    r.as(0, [&] { lwkt::deschedule(*high); });
    r.settle();
    EXPECT_EQ(order, "low ");
    r.as(0, [&] { lwkt::schedule(*high); });
    r.settle();
    EXPECT_EQ(order, "low high ");
}

// spec: L15
TEST(sched, yield_gives_equals_their_turn_and_keeps_the_thread_scheduled) {
    rig r(1);
    std::string order;
    r.spawn(0, [&] {
        lwkt::deschedule_self();
        order += "A";
        lwkt::yield();
        order += "A";
    });
    r.spawn(0, [&] { order += "B"; });
    r.settle();
    EXPECT_EQ(order, "ABA");
}

// spec: L15
TEST(sched, yield_gives_a_turn_also_to_an_equal_that_came_while_the_thread_ran) {
    rig r(1);
    std::string order;
    r.spawn(0, [&] {
        order += "A";
        r.spawn(0, [&] { order += "B"; });
        lwkt::yield();
        order += "A";
    });
    r.settle();
    EXPECT_EQ(order, "ABA");
}

// spec: L13
TEST(sched, yield_quick_lets_a_stronger_thread_run_but_no_equal) {
    rig r(2);
    std::string order;
    thread* high = r.spawn(0, [&] { order += "high "; }, {.priority = 20, .stopped = true});
    r.spawn(0, [&] {
        lwkt::yield_quick();
        order += "first ";
        r.as(1, [&] { lwkt::schedule(*high); }); // by IPI: waits for a poll
        order += "asked ";
        lwkt::yield_quick();
        order += "last ";
    });
    r.spawn(0, [&] { order += "equal "; });
    r.settle();
    EXPECT_EQ(order, "first asked high last equal ");
}

// spec: L16
TEST(sched, a_thread_that_descheduled_itself_runs_on_until_it_switches) {
    rig r(1);
    std::string order;
    thread* td = r.spawn(0, [&] {
        lwkt::deschedule_self();
        EXPECT_EQ(thread_test::flags(thread::current()) & lwkt::td_runq, 0U);
        order += "on ";
        lwkt::schedule_self();
        lwkt::switch_away();
        order += "again ";
        lwkt::deschedule_self();
        lwkt::switch_away();
        order += "woken ";
    });
    r.settle();
    EXPECT_EQ(order, "on again ");
    r.as(0, [&] { lwkt::schedule(*td); });
    r.settle();
    EXPECT_EQ(order, "on again woken ");
}

// spec: L21 L22
TEST(sched, a_new_priority_puts_a_queued_thread_at_the_tail_and_switches_nothing) {
    rig r(1);
    std::string order;
    r.spawn(0, [&] {
        thread* a = r.spawn(0, [&] { order += "A"; }, {.priority = 12, .stopped = true});
        thread* b = r.spawn(0, [&] { order += "B"; }, {.priority = 5});
        thread* c = r.spawn(0, [&] { order += "C"; }, {.priority = 5});
        r.as(0, [&] {
            lwkt::set_priority(*c, 12);
            lwkt::set_priority(*b, 12);
        });
        EXPECT_EQ(order, "");
        EXPECT_EQ(b->priority(), 12);
        lwkt::set_priority_self(11);
        EXPECT_EQ(thread::current().priority(), 11);
        lwkt::schedule(*a); // outranks, but c and b came first
        order += "D";
    });
    r.settle();
    EXPECT_EQ(order, "CBAD");
}

// spec: L21
TEST(sched, a_priority_may_add_critical_levels_to_those_a_thread_has) {
    rig r(1);
    thread* td = r.spawn(0, [] {}, {.stopped = true});
    EXPECT_EQ(thread_test::saved_crit_count(*td), 1);
    r.as(0, [&] { lwkt::set_priority(*td, 2 * 32 + 7); });
    EXPECT_EQ(td->priority(), 7);
    EXPECT_EQ(thread_test::saved_crit_count(*td), 3);
    r.as(0, [&] { lwkt::set_priority(*td, 9); });
    EXPECT_EQ(thread_test::saved_crit_count(*td), 3);
    r.as(0, [&] { lwkt::deschedule(*td); });
    r.spawn(0, [&] {
        lwkt::set_priority(thread::current(), 32 + 9);
        EXPECT_EQ(r.at(0).crit_count(), 1);
        r.at(0).crit_exit();
    });
    r.as(0, [&] { lwkt::schedule(*td); });
    r.settle();
    // It ended with two levels more than it began with: nothing but its own count was touched.
    EXPECT_EQ(r.at(0).crit_count(), 0);
}

// spec: L6 T3
TEST(sched, critical_counts_belong_to_threads_and_are_kept_over_switches) {
    rig r(1);
    r.spawn(0, [&] {
        const ipi::crit_section one;
        const ipi::crit_section two;
        lwkt::switch_away();
        EXPECT_EQ(r.at(0).crit_count(), 2);
    });
    r.spawn(0, [&] {
        EXPECT_EQ(r.at(0).crit_count(), 0);
        lwkt::switch_away();
        EXPECT_EQ(r.at(0).crit_count(), 0);
    });
    r.settle();
    EXPECT_EQ(r.at(0).crit_count(), 0);
}

// spec: T3 T4
TEST(sched, a_request_inside_a_critical_section_is_served_at_its_outermost_exit) {
    rig r(2);
    int served = 0;
    r.spawn(0, [&] {
        r.at(0).crit_enter();
        r.at(0).crit_enter();
        r.as(1, [&] {
            ipi::send(
                0, [](void* n, std::intptr_t) { ++*static_cast<int*>(n); }, &served);
        });
        r.at(0).crit_exit();
        EXPECT_EQ(served, 0);
        r.at(0).crit_exit();
        EXPECT_EQ(served, 1);
    });
    r.settle();
    EXPECT_EQ(served, 1);
}

// spec: T4
TEST(sched, a_switch_serves_requests_even_in_a_critical_section) {
    rig r(2);
    int served = 0;
    r.spawn(0, [&] {
        const ipi::crit_section crit;
        r.as(1, [&] {
            ipi::send(
                0, [](void* n, std::intptr_t) { ++*static_cast<int*>(n); }, &served);
        });
        lwkt::switch_away();
        EXPECT_EQ(served, 1);
    });
    r.settle();
    EXPECT_EQ(served, 1);
}

// spec: T1 T2 L1
TEST(sched, every_thread_sees_its_own_core_and_itself_after_every_switch) {
    rig r(2);
    for (core_id i = 0; i < 2; ++i) {
        for (int n = 0; n < 2; ++n) {
            thread* td = r.spawn(i, [&r, i] {
                thread* self = thread::current_or_null();
                for (int turn = 0; turn < 5; ++turn) {
                    EXPECT_EQ(&lwkt::core::current(), &r.at(i));
                    EXPECT_EQ(thread::current_or_null(), self);
                    EXPECT_EQ(&waiter::current(), static_cast<waiter*>(self));
                    EXPECT_EQ(self->on_core(), i);
                    lwkt::yield();
                }
            });
            EXPECT_EQ(&td->owner(), &r.at(i));
        }
    }
    r.settle();
    EXPECT_EQ(lwkt::core::current_or_null(), nullptr);
    EXPECT_EQ(thread::current_or_null(), nullptr);
    EXPECT_EQ(waiter::current().on_core(), no_core);
}

// spec: H2 T14
TEST(sched, timers_expire_while_a_thread_never_stops_yielding) {
    constexpr unsigned budget = 4;
    rig r(1, {.switch_budget = budget});
    bool expired = false;
    lwkt::timer t([](void* flag) { *static_cast<bool*>(flag) = true; }, &expired);
    unsigned yields = 0;
    r.spawn(0, [&] {
        r.at(0).timers().arm(t, r.at(0).now());
        for (; !expired && yields < 100; ++yields) {
            lwkt::yield();
        }
    });
    r.settle();
    EXPECT_TRUE(expired);
    EXPECT_LE(yields, budget + 1); // the last of them goes to the loop
}

TEST(sched, the_budget_returns_a_busy_core_to_its_loop) {
    rig r(1, {.switch_budget = 4});
    int turns = 0;
    r.spawn(0, [&] {
        for (; turns < 100; ++turns) {
            lwkt::yield();
        }
    });
    r.step(0);
    EXPECT_EQ(turns, 4);
    r.settle();
    EXPECT_EQ(turns, 100);
}

TEST(sched, sleep_for_lasts_as_long_as_the_core_s_clock_says) {
    using namespace std::chrono_literals;
    rig r(1);
    bool over = false;
    thread* td = r.spawn(0, [&] {
        lwkt::sleep_for(5ms);
        over = true;
    });
    r.settle();
    r.as(0, [&] { td->wake(); }); // spec: T9, a spurious wake
    r.clock.advance(4'999'999ns);
    r.settle();
    EXPECT_FALSE(over);
    r.clock.advance(1ns);
    r.settle();
    EXPECT_TRUE(over);
}

// spec: L8 L10
TEST(sched, a_switch_of_a_preempting_thread_goes_straight_back_to_the_preempted_one) {
    rig r(1);
    std::string order;
    thread* target = r.spawn(0,
                             [&] {
                                 order += "target ";
                                 lwkt::deschedule_self();
                                 lwkt::switch_away();
                                 order += "rest ";
                             },
                             {.stopped = true});
    r.spawn(0, [&] {
        r.spawn(0, [&] { order += "equal "; });
        lwkt::deschedule_self(); // it is gone back to all the same
        const auto before = r.at(0).sched_stats().switches.load(std::memory_order_relaxed);
        thread_test::preempt_by(*target);
        EXPECT_EQ(r.at(0).sched_stats().switches.load(std::memory_order_relaxed), before + 2)
            << "there and back";
        order += "back ";
        EXPECT_EQ(thread_test::flags(thread::current()) &
                      (lwkt::td_preempt_lock | lwkt::td_preempt_done),
                  0U);
        EXPECT_EQ(thread_test::flags(*target) & lwkt::td_preempt_lock, 0U);
    });
    r.settle();
    EXPECT_EQ(order, "target back equal ");
    r.as(0, [&] { lwkt::schedule(*target); });
    r.settle();
    EXPECT_EQ(order, "target back equal rest ");
}

// spec: L7 L8
TEST(sched, a_preempting_thread_may_switch_inside_an_interrupt_handler) {
    rig r(2);
    std::string order;
    static thread* target;
    target = r.spawn(0, [&] { order += "target "; }, {.stopped = true});
    r.spawn(0, [&] {
        r.as(1, [] {
            ipi::send(
                0, [](void*, std::intptr_t) { thread_test::preempt_by(*target); }, nullptr);
        });
        { const ipi::crit_section serve; }
        order += "back ";
    });
    r.settle();
    EXPECT_EQ(order, "target back ");
}

// spec: L7 T6
TEST(sched_death, switching_in_an_interrupt_handler_panics) {
    EXPECT_DEATH(
        {
            rig r(2);
            r.spawn(0, [&] {
                r.as(1, [] {
                    ipi::send(
                        0, [](void*, std::intptr_t) { lwkt::switch_away(); }, nullptr);
                });
                const ipi::crit_section serve;
            });
            r.settle();
        },
        "interrupt handler must not switch");
}

// spec: L21 L22
TEST(sched_death, negative_and_oversized_priorities_panic) {
    rig r(1);
    thread* td = r.spawn(0, [] {});
    EXPECT_DEATH(lwkt::set_priority(*td, -1), "not negative");
    EXPECT_DEATH(r.as(0, [&] { lwkt::set_priority_self(32); }), "out of range");
    r.settle();
}

} // namespace
} // namespace puffs
