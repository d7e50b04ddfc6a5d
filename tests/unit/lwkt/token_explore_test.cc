// Tokens under every schedule with few preemptions, and under many random ones.
#include "puffs/base/race_point.hh"
#include "puffs/lwkt/token.hh"
#include "unit/lwkt/world.hh"

#include <array>

namespace puffs {
namespace {

using lwkt::thread;
using lwkt::token;
using test::run_all;
using test::world;

// Tokens, and what they guard: a count of those inside each.
struct guarded {
    explicit guarded(world& w) : machine(w.machine) {}
    void enter(std::size_t i) {
        tokens[i].take();
        ++inside[i];
    }
    void leave(std::size_t i) {
        --inside[i];
        tokens[i].release();
    }
    // Whoever runs has all that it took.
    void look(std::size_t i) { machine.check(inside[i] == 1 && tokens[i].held_by_me(), "two in"); }

    sim::machine& machine;
    std::array<token, 2> tokens;
    std::array<int, 2> inside{};
};

// spec: K5 K6 V25
TEST(token_explore, one_token_lets_one_of_three_cores_in_and_loses_nobody) {
    run_all(
        1500,
        [](world& w) {
            auto s = std::make_shared<guarded>(w);
            for (core_id i = 0; i < 3; ++i) {
                w.spawn(i, [s] {
                    s->enter(0);
                    s->look(0);
                    PUFFS_RACE_POINT("test: inside");
                    s->look(0);
                    s->leave(0);
                });
            }
        },
        2, 3);
}

// spec: K5 K7 K14 V25
TEST(token_explore, a_thread_that_comes_again_and_again_keeps_nobody_out) {
    run_all(
        1300,
        [](world& w) {
            auto s = std::make_shared<guarded>(w);
            const auto body = [s](int rounds) {
                for (int n = 0; n < rounds; ++n) {
                    s->enter(0);
                    PUFFS_RACE_POINT("test: inside");
                    s->look(0);
                    s->leave(0);
                }
            };
            w.spawn(0, [body] { body(3); });
            w.spawn(1, [body] { body(1); });
        },
        3);
}

// spec: K12 V25
TEST(token_explore, opposite_orders_of_taking_end_on_two_cores) {
    run_all(
        1200,
        [](world& w) {
            auto s = std::make_shared<guarded>(w);
            for (core_id i = 0; i < 2; ++i) {
                w.spawn(i, [s, i] {
                    s->enter(i);
                    s->tokens[1 - i].take(); // may have given up the first one meanwhile
                    s->machine.check(s->tokens[i].held_by_me(), "runs without its first token");
                    PUFFS_RACE_POINT("test: has both");
                    s->machine.check(s->tokens[1 - i].held_by_me(), "runs without its last token");
                    s->tokens[1 - i].release();
                    s->leave(i);
                });
            }
        },
        3);
}

// spec: K11 K12 V25
TEST(token_explore, two_tokens_on_three_cores_exclude_and_let_everybody_through) {
    run_all(
        5000,
        [](world& w) {
            auto s = std::make_shared<guarded>(w);
            for (core_id i = 0; i < 3; ++i) {
                w.spawn(i, [s, i] {
                    token& first = s->tokens[i % 2];
                    token& last = s->tokens[1 - i % 2];
                    first.take();
                    last.take();
                    const auto check = [&] {
                        s->machine.check(first.held_by_me() && last.held_by_me(),
                                         "runs without its tokens");
                    };
                    ++s->inside[0];
                    s->look(0);
                    PUFFS_RACE_POINT("test: has both");
                    check();
                    --s->inside[0];
                    if (i == 2) {
                        lwkt::yield(); // gives up both, and gets both back
                        check();
                    }
                    last.release();
                    first.release();
                });
            }
        },
        2, 3);
}

// spec: K11 K8
TEST(token_explore, who_sleeps_with_a_token_learns_whether_another_had_it) {
    run_all(
        400,
        [](world& w) {
            struct shared {
                token t;
                int changes = 0;
            };
            auto s = std::make_shared<shared>();
            for (core_id i = 0; i < 2; ++i) {
                w.spawn(i, [s, &w] {
                    const lwkt::token_guard guard(s->t);
                    ++s->changes;
                    const int before = s->changes;
                    auto g = s->t.generation();
                    lwkt::yield();
                    w.machine.check(s->t.changed_since(g) || s->changes == before,
                                    "a change that the generation hides");
                });
            }
        },
        3);
}

// spec: K14 L20
TEST(token_explore, one_that_is_descheduled_while_it_waits_holds_nobody_up) {
    run_all(
        1100,
        [](world& w) {
            auto s = std::make_shared<guarded>(w);
            const auto body = [s] {
                s->enter(0);
                PUFFS_RACE_POINT("test: inside");
                s->look(0);
                s->leave(0);
            };
            w.spawn(0, body);
            thread* td = w.spawn(1, body);
            w.spawn(2, body);
            w.machine.run_thread("controller", [td] {
                lwkt::deschedule(*td);
                PUFFS_RACE_POINT("test: descheduled");
                lwkt::schedule(*td);
            });
        },
        1, 3);
}

// spec: K4
TEST(token_explore, the_last_one_that_had_a_token_may_destroy_it) {
    run_all(
        450,
        [](world& w) {
            struct shared {
                std::unique_ptr<token> t = std::make_unique<token>();
                int done = 0;
            };
            auto s = std::make_shared<shared>();
            for (core_id i = 0; i < 2; ++i) {
                w.spawn(i, [s] {
                    s->t->take();
                    const bool last = ++s->done == 2;
                    PUFFS_RACE_POINT("test: inside");
                    s->t->release();
                    if (last) {
                        s->t.reset();
                    }
                });
            }
        },
        3);
}

} // namespace
} // namespace puffs
