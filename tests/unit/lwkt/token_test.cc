// Tokens on stepped cores: taking, waiting, sleeping with them, giving them up.
#include "puffs/lwkt/token.hh"

#include "puffs/base/race_point.hh"
#include "support/lwkt/rig.hh"

#include <algorithm>
#include <deque>

namespace puffs {
namespace {

using lwkt::thread;
using lwkt::token;
using test::rig;

void pause() {
    lwkt::deschedule_self();
    lwkt::switch_away();
}

// Takes, notes its name, releases.
void visit(token& t, std::string& order, char name) {
    t.take();
    EXPECT_TRUE(t.held_by_me());
    order += name;
    t.release();
}

unsigned live(rig& r) {
    unsigned count = 0;
    for (const auto& c : r.cores) {
        count += c->live_threads();
    }
    return count;
}

// spec: K5 T4
TEST(token, holding_one_is_a_critical_section_until_its_release) {
    rig r(2);
    token t;
    int served = 0;
    r.spawn(0, [&] {
        t.take();
        t.take();
        EXPECT_EQ(lwkt::core::current().crit_count(), 2);
        r.as(1, [&] {
            ipi::send(
                0, [](void* n, std::intptr_t) { ++*static_cast<int*>(n); }, &served);
        });
        lwkt::yield_quick();
        t.release();
        EXPECT_EQ(served, 0);
        t.release();
        EXPECT_EQ(served, 1);
        EXPECT_EQ(lwkt::core::current().crit_count(), 0);
    });
    r.settle();
    EXPECT_EQ(live(r), 0U);
}

// spec: K5 K11
TEST(token, nobody_else_runs_on_the_core_until_the_holder_blocks_or_releases) {
    rig r(1);
    token t;
    std::string order;
    r.spawn(0, [&] {
        t.take();
        r.spawn(0, [&] { order += 'h'; }, {.priority = lwkt::priority::interrupt_high});
        order += '1';
        t.release();
        order += '2';
    });
    r.settle();
    EXPECT_EQ(order, "1h2");
}

// spec: K5 K6
TEST(token, a_free_one_goes_to_whichever_core_takes_it_without_a_message) {
    rig r(2);
    token t;
    for (int round = 0; round < 2; ++round) {
        for (const core_id i : {core_id{0}, core_id{1}}) {
            r.spawn(i, [&] {
                t.take();
                t.release();
                EXPECT_TRUE(t.try_take());
                t.release();
            });
            r.step(i);
            EXPECT_EQ(r.at(i).live_threads(), 0U); // took it at once
            EXPECT_FALSE(r.at(0).has_requests() || r.at(1).has_requests());
        }
    }
}

// spec: K5 K6
TEST(token, who_wants_a_held_one_waits_while_its_core_runs_others) {
    rig r(2);
    token t;
    std::string order;
    r.spawn(0, [&] {
        t.take();
        r.spawn(1, [&] { visit(t, order, 'w'); });
        r.spawn(1, [&] { order += 'o'; });
        while (r.step(1)) {
        }
        EXPECT_EQ(order, "o");
        EXPECT_TRUE(r.at(1).idle()); // nobody spins
        EXPECT_TRUE(t.held_by_me());
        t.release();
    });
    r.settle();
    EXPECT_EQ(order, "ow");
    EXPECT_EQ(live(r), 0U);
}

// spec: K5 K11
TEST(token, waiting_for_one_gives_up_the_others_and_brings_them_back) {
    rig r(2);
    std::deque<token> t(2);
    for (std::size_t wanted = 0; wanted < 2; ++wanted) { // the lower address, the higher one
        token& held = t[1 - wanted];
        std::string order;
        r.spawn(0, [&] {
            t[wanted].take();
            r.spawn(1, [&] {
                held.take();
                order += '1';
                t[wanted].take();
                EXPECT_TRUE(held.held_by_me() && t[wanted].held_by_me());
                order += '3';
                t[wanted].release();
                held.release();
            });
            r.step(1);
            EXPECT_EQ(order, "1");
            if (wanted == 0) { // the waiter has nothing above what it waits for
                EXPECT_TRUE(held.try_take());
                held.release();
            }
            order += '2';
            t[wanted].release();
        });
        r.settle();
        EXPECT_EQ(order, "123");
    }
    EXPECT_EQ(live(r), 0U);
}

// spec: K6
TEST(token, a_request_that_reaches_a_holder_lets_nobody_in_before_the_release) {
    rig r(2);
    token t;
    std::string order;
    r.spawn(0, [&] {
        t.take();
        r.spawn(1, [&] { visit(t, order, 'w'); });
        r.step(1);
        EXPECT_TRUE(r.at(0).has_requests());
        lwkt::core::current().serve_ipis();
        while (r.step(1)) {
        }
        EXPECT_EQ(order, "");
        t.release();
        order += 'r';
    });
    r.settle();
    EXPECT_EQ(order, "rw");
}

// spec: K6 K14
TEST(token, a_request_that_finds_the_holder_gone_waits_for_the_next_one) {
    rig r(3);
    token t;
    std::string order;
    r.spawn(0, [&] {
        t.take();
        r.spawn(1, [&] { visit(t, order, 'w'); });
        r.step(1);
        const ipi::crit_section later; // the request is not served yet
        t.release();
        r.spawn(2, [&] {
            t.take();
            r.as(0, [&] { r.at(0).serve_ipis(); });
            order += '2';
            t.release();
        });
        r.step(2);
    });
    r.settle();
    EXPECT_EQ(order, "2w");
    EXPECT_EQ(live(r), 0U);
}

#ifdef PUFFS_RACE_POINTS
rig* interrupted = nullptr;
bool passed_once = false;

// spec: K6 K7
TEST(token, one_that_comes_while_the_token_becomes_free_is_not_lost) {
    rig r(2);
    token t;
    std::string order;
    interrupted = &r;
    passed_once = false;
    r.spawn(0, [&] {
        t.take();
        r.spawn(1, [&] { visit(t, order, 'w'); });
        t.release(); // core 1 is faster than the store
        order += 'r';
    });
    current_race_hook() = [](const char* point) {
        if (std::string_view(point) == "lwkt.token.about to be free" && !passed_once) {
            passed_once = true;
            interrupted->step(1);
        }
    };
    r.settle();
    current_race_hook() = nullptr;
    EXPECT_TRUE(passed_once);
    EXPECT_EQ(order, "rw");
    EXPECT_EQ(live(r), 0U);
}
#endif

// spec: K7
TEST(token, a_release_calls_the_one_that_waits_and_wakes_its_core) {
    rig r(2);
    token t;
    std::string order;
    r.spawn(0, [&] {
        t.take();
        r.spawn(1, [&] { visit(t, order, 'w'); });
        r.step(1);
        ipi::cpu::current().serve_ipis(); // the request is through
        while (r.step(1)) {
        }
        r.as(1, [&] { EXPECT_TRUE(r.at(1).publish_asleep()); });
        EXPECT_EQ(r.events[1].wakes, 0);
        t.release();
        EXPECT_EQ(r.events[1].wakes, 1);
        r.as(1, [&] { r.at(1).publish_awake(); });
    });
    r.settle();
    EXPECT_EQ(order, "w");
}

// spec: K7
TEST(token_death, a_release_out_of_order_or_without_a_take_panics) {
    const auto run = [](void (*f)(token&, token&)) {
        rig r(1);
        token a;
        token b;
        r.spawn(0, [&] { f(a, b); });
        r.settle();
    };
    EXPECT_DEATH(run([](token& a, token&) { a.release(); }), "reverse order");
    EXPECT_DEATH(run([](token& a, token& b) {
                     a.take();
                     b.take();
                     a.release();
                 }),
                 "reverse order");
}

// spec: K8 K9
TEST(token, a_generation_tells_whether_another_thread_had_the_token) {
    rig r(2);
    token t;
    std::string order;
    thread* td = r.spawn(0, [&] {
        t.take();
        auto g = t.generation();
        EXPECT_FALSE(t.changed_since(g));
        pause(); // nobody comes
        EXPECT_FALSE(t.changed_since(g));
        pause(); // another core comes
        EXPECT_TRUE(t.changed_since(g));
        EXPECT_FALSE(t.changed_since(g)); // updated
        t.release();
        t.take();
        EXPECT_FALSE(t.changed_since(g)); // nobody came in between
        t.release();
    });
    r.settle();
    r.as(0, [&] { lwkt::schedule(*td); });
    r.settle();
    r.spawn(1, [&] { visit(t, order, 'o'); });
    r.settle();
    EXPECT_EQ(order, "o");
    r.as(0, [&] { lwkt::schedule(*td); });
    r.settle();
    EXPECT_EQ(live(r), 0U);
}

// spec: K9 B24
TEST(token, a_failed_try_changes_nothing) {
    rig r(2);
    token t;
    bool tried = false;
    r.spawn(0, [&] {
        t.take();
        const auto g = t.generation();
        r.spawn(1, [&] {
            EXPECT_FALSE(t.try_take());
            EXPECT_EQ(lwkt::core::current().crit_count(), 0);
            EXPECT_FALSE(t.held_by_me());
            tried = true;
        });
        r.step(1);
        EXPECT_TRUE(tried);
        EXPECT_EQ(r.at(1).live_threads(), 0U); // went on, and ended
        EXPECT_FALSE(r.at(0).has_requests());
        EXPECT_EQ(t.generation(), g);
        t.release();
    });
    r.settle();
}

// spec: K10
TEST(token, whether_a_thread_has_it_is_a_mere_question) {
    rig r(1);
    token t;
    r.spawn(0, [&] {
        EXPECT_FALSE(t.held_by_me());
        t.take();
        EXPECT_TRUE(t.held_by_me());
        EXPECT_EQ(lwkt::core::current().crit_count(), 1);
        r.spawn(0, [&] { EXPECT_FALSE(t.held_by_me()); });
        lwkt::yield();
        EXPECT_TRUE(t.held_by_me());
        t.release();
        EXPECT_FALSE(t.held_by_me());
    });
    r.settle();
}

// spec: K11
TEST(token, others_enter_while_the_holder_sleeps_and_it_has_all_back_when_it_runs) {
    rig r(2);
    std::deque<token> t(3);
    std::string order;
    thread* td = r.spawn(0, [&] {
        for (token& each : t) {
            each.take();
        }
        order += '1';
        pause();
        EXPECT_TRUE(std::all_of(t.begin(), t.end(), [](token& each) { return each.held_by_me(); }));
        order += '3';
        for (auto each = t.rbegin(); each != t.rend(); ++each) {
            each->release();
        }
    });
    r.step(0);
    r.spawn(1, [&] {
        t[1].take();
        order += '2';
        r.as(0, [&] { lwkt::schedule(*td); });
        while (r.step(0)) { // the sleeper is awake, and must not run without all its tokens
        }
        EXPECT_EQ(order, "12");
        t[1].release();
    });
    r.settle();
    EXPECT_EQ(order, "123");
    EXPECT_EQ(live(r), 0U);
}

// spec: K11
TEST(token, a_holder_that_yields_lets_in_who_waits) {
    rig r(1);
    token t;
    std::string order;
    r.spawn(0, [&] {
        t.take();
        r.spawn(0, [&] { visit(t, order, 'w'); });
        lwkt::yield();
        order += 'h';
        t.release();
    });
    r.settle();
    EXPECT_EQ(order, "wh");
}

// spec: K12
TEST(token, opposite_orders_of_taking_end) {
    rig r(2);
    std::deque<token> t(2);
    std::string order;
    r.spawn(0, [&] {
        t[0].take();
        r.spawn(1, [&] {
            t[1].take();
            order += '1';
            t[0].take(); // has to wait
            order += '1';
            t[0].release();
            t[1].release();
        });
        r.step(1);
        order += '0';
        t[1].take(); // the other one has it, or waits for mine
        order += '0';
        t[1].release();
        t[0].release();
    });
    r.settle();
    EXPECT_EQ(std::count(order.begin(), order.end(), '0'), 2);
    EXPECT_EQ(std::count(order.begin(), order.end(), '1'), 2);
    EXPECT_EQ(live(r), 0U);
}

// spec: K13
TEST(token, a_thread_takes_one_again_and_has_it_until_the_last_release) {
    rig r(2);
    token t;
    std::string order;
    r.spawn(0, [&] {
        t.take();
        t.take();
        EXPECT_TRUE(t.try_take());
        r.spawn(1, [&] { visit(t, order, 'w'); });
        r.step(1);
        lwkt::core::current().serve_ipis();
        for (int i = 0; i < 2; ++i) {
            t.release();
            EXPECT_TRUE(t.held_by_me());
        }
        while (r.step(1)) {
        }
        EXPECT_EQ(order, "");
        lwkt::yield(); // gives it up once, and gets it back once
        t.release();
    });
    r.settle();
    EXPECT_EQ(order, "w");
    EXPECT_EQ(live(r), 0U);
}

// spec: K13
TEST(token, a_thread_holds_as_many_as_the_limit_over_a_sleep) {
    rig r(1);
    std::deque<token> t(limits::tokens_held);
    thread* td = r.spawn(0, [&] {
        for (std::size_t i = 0; i < t.size(); ++i) {
            t[i * 5 % t.size()].take(); // 5 and 32 have no common factor: each once
        }
        pause();
        for (std::size_t i = t.size(); i-- > 0;) {
            EXPECT_TRUE(t[i * 5 % t.size()].held_by_me());
            t[i * 5 % t.size()].release();
        }
    });
    r.settle();
    r.as(0, [&] { lwkt::schedule(*td); });
    r.settle();
    EXPECT_EQ(live(r), 0U);
}

// spec: K13
TEST(token_death, one_more_than_the_limit_panics) {
    EXPECT_DEATH(
        {
            rig r(1);
            std::deque<token> t(limits::tokens_held + 1);
            r.spawn(0, [&] {
                for (token& each : t) {
                    each.take();
                }
            });
            r.settle();
        },
        "too many tokens");
}

} // namespace
} // namespace puffs
