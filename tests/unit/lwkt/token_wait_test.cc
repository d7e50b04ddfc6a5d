// Those that wait for a token: their order, who overtakes them, what disturbs them; misuse.
#include "puffs/base/race_point.hh"
#include "puffs/lwkt/token.hh"
#include "support/lwkt/rig.hh"
#include "unit/lwkt/thread_test.hh"

#include <memory>
#include <string>
#include <string_view>

namespace puffs {
namespace {

using lwkt::thread;
using lwkt::token;
using test::rig;

unsigned live(rig& r) {
    unsigned count = 0;
    for (const auto& c : r.cores) {
        count += c->live_threads();
    }
    return count;
}

// spec: K14
TEST(token_wait, those_that_wait_are_served_in_the_order_in_which_they_came) {
    rig r(4);
    token t;
    std::string order;
    r.spawn(0, [&] {
        t.take();
        for (const core_id i : {core_id{2}, core_id{3}, core_id{1}}) {
            r.spawn(i, [&, i] {
                const lwkt::token_guard guard(t);
                order += static_cast<char>('0' + i);
            });
            r.step(i);
        }
        t.release();
    });
    r.settle();
    EXPECT_EQ(order, "231");
    EXPECT_EQ(live(r), 0U);
}

// A holder on core 0 that releases and takes again, and one on core 1 that waits.
struct contended {
    contended() {
        holder = r.spawn(0, [this] {
            t.take();
            r.spawn(1, [this] {
                t.take();
                waiter_was_in = true;
                t.release();
            });
            while (r.step(1)) {
            }
            for (; !waiter_was_in; ++rounds) {
                t.release();
                t.take();
                if (step_other && rounds < 2) {
                    while (r.step(1)) {
                    }
                    was_in_after[rounds] = waiter_was_in;
                }
            }
            t.release();
        });
    }
    rig r{2};
    token t;
    thread* holder = nullptr;
    unsigned rounds = 0;
    bool step_other = false;
    bool waiter_was_in = false;
    bool was_in_after[2]{};
};

// spec: K14
TEST(token_wait, one_that_gets_no_cpu_is_overtaken_only_so_many_times) {
    contended c;
    c.r.step(0);
    EXPECT_FALSE(c.waiter_was_in); // the token is reserved for it
    EXPECT_EQ(c.rounds, limits::token_overtakings);
    c.r.settle();
    EXPECT_TRUE(c.waiter_was_in);
    EXPECT_EQ(live(c.r), 0U);
}

// spec: K14
TEST(token_wait, one_that_came_and_found_it_taken_gets_it_next) {
    contended c;
    c.step_other = true;
    c.r.step(0);
    c.r.settle();
    EXPECT_FALSE(c.was_in_after[0]);
    EXPECT_EQ(c.rounds, 2U); // overtaken once; had it before the holder ran again
    EXPECT_EQ(live(c.r), 0U);
}

// spec: T9 K5
TEST(token_wait, a_spurious_wake_lets_nobody_in) {
    rig r(2);
    token t;
    bool in = false;
    r.spawn(0, [&] {
        t.take();
        thread* td = r.spawn(1, [&] {
            t.take();
            in = true;
            t.release();
        });
        r.step(1);
        for (int i = 0; i < 2; ++i) {
            r.as(1, [&] { td->wake(); });
            while (r.step(1)) {
            }
            EXPECT_FALSE(in);
        }
        t.release();
    });
    r.settle();
    EXPECT_TRUE(in);
    EXPECT_EQ(live(r), 0U);
}

// spec: K14 L20
TEST(token_wait, one_that_is_descheduled_leaves_the_others_their_turn_and_comes_back_later) {
    rig r(3);
    token low_high[2];
    token& low = low_high[0];
    token& high = low_high[1];
    std::string order;
    thread* first = nullptr;
    r.spawn(0, [&] {
        high.take();
        first = r.spawn(1, [&] {
            low.take();
            high.take(); // keeps the lower one while it waits
            order += '1';
            high.release();
            low.release();
        });
        r.step(1);
        r.spawn(2, [&] {
            low.take();
            order += '2';
            low.release();
        });
        r.step(2);
        EXPECT_EQ(order, "");
        r.as(1, [&] { lwkt::deschedule(*first); });
        while (r.step(2)) {
        }
        EXPECT_EQ(order, "2");
        high.release();
    });
    r.settle();
    EXPECT_EQ(order, "2");
    r.as(1, [&] { lwkt::schedule(*first); });
    r.settle();
    EXPECT_EQ(order, "21");
    EXPECT_EQ(live(r), 0U);
}

// Two that wait for a token that core 0 releases: on core 1 the first, who is descheduled, on core 2 the second.
struct two_that_wait {
    void take_part(char name) {
        t.take();
        order += name;
        t.release();
    }
    void line_up() {
        first = r.spawn(1, [this] { take_part('1'); });
        r.step(1);
        r.spawn(2, [this] { take_part('2'); });
        r.step(2);
    }
    void finish() {
        r.settle();
        EXPECT_EQ(order, "2");
        r.as(1, [this] { lwkt::schedule(*first); });
        r.settle();
        EXPECT_EQ(order, "21");
        EXPECT_EQ(live(r), 0U);
    }
    rig r{3};
    token t;
    thread* first = nullptr;
    std::string order;
};

// spec: K14 L20
TEST(token_wait, one_that_is_descheduled_when_it_was_called_passes_the_call_on) {
    two_that_wait w;
    w.r.spawn(0, [&] {
        w.t.take();
        w.line_up();
        w.t.release(); // calls the first
        w.r.as(1, [&] { lwkt::deschedule(*w.first); });
    });
    w.finish();
}

#ifdef PUFFS_RACE_POINTS
two_that_wait* disturbed = nullptr;

// spec: K6 K14 L20
TEST(token_wait, one_that_is_descheduled_before_the_holder_knew_leaves_the_next_to_tell_it) {
    two_that_wait w;
    disturbed = &w;
    w.r.spawn(0, [&] {
        w.t.take();
        w.t.release(); // has not seen them
    });
    current_race_hook() = [](const char* point) {
        two_that_wait& d = *disturbed;
        if (std::string_view(point) == "lwkt.token.about to be free" && d.first == nullptr) {
            d.line_up();
            d.r.as(1, [&] { lwkt::deschedule(*d.first); });
            d.r.step(2);
        }
    };
    w.finish();
    current_race_hook() = nullptr;
}
#endif

// spec: L16 K5
TEST(token_wait, one_that_left_the_run_queue_before_is_off_it_again_afterwards) {
    rig r(2);
    token t;
    std::string order;
    thread* td = nullptr;
    r.spawn(0, [&] {
        t.take();
        td = r.spawn(1, [&] {
            lwkt::deschedule_self();
            t.take();
            order += '1';
            t.release();
            lwkt::switch_away();
            order += '2';
        });
        r.step(1);
        t.release();
    });
    r.settle();
    EXPECT_EQ(order, "1");
    r.as(1, [&] { lwkt::schedule(*td); });
    r.settle();
    EXPECT_EQ(order, "12");
}

// spec: L29 K11
TEST(token_wait_death, an_exit_with_a_token_panics) {
    EXPECT_DEATH(
        {
            rig r(1);
            token t;
            r.spawn(0, [&] { t.take(); });
            r.settle();
        },
        "exits with tokens");
}

// spec: T6
TEST(token_wait_death, a_handler_that_takes_one_panics) {
    EXPECT_DEATH(
        {
            rig r(2);
            token t;
            r.spawn(0, [&] {
                r.as(1, [&] {
                    ipi::send(
                        0, [](void* arg, std::intptr_t) { static_cast<token*>(arg)->take(); }, &t);
                });
                const ipi::crit_section serve;
            });
            r.settle();
        },
        "handler must not take");
}

// spec: L9
TEST(token_wait_death, a_thread_with_tokens_is_not_preempted) {
    EXPECT_DEATH(
        {
            rig r(1);
            token t;
            thread* above = r.spawn(0, [] {}, {.stopped = true});
            r.spawn(0, [&] {
                t.take();
                lwkt::thread_test::preempt_by(*above);
            });
            r.settle();
        },
        "not preempted");
}

// spec: K4
TEST(token_wait_death, a_token_that_dies_while_somebody_has_or_wants_it_panics) {
    EXPECT_DEATH(
        {
            rig r(1);
            auto t = std::make_unique<token>();
            r.spawn(0, [&] {
                t->take();
                t.reset();
            });
            r.settle();
        },
        "dies while somebody has it");
    EXPECT_DEATH(
        {
            rig r(2);
            auto t = std::make_unique<token>();
            r.spawn(0, [&] {
                t->take();
                r.spawn(1, [&] { t->take(); });
                r.step(1);
                t->release();
                t.reset();
            });
            r.settle();
        },
        "dies while somebody wants it");
}

// spec: K8
TEST(token_wait_death, the_generation_of_a_token_that_one_does_not_have_panics) {
    EXPECT_DEATH(
        {
            rig r(1);
            token t;
            r.spawn(0, [&] { static_cast<void>(t.generation()); });
            r.settle();
        },
        "only who has a token");
}

} // namespace
} // namespace puffs
