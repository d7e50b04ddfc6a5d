// The protocols of the layer under every schedule of their race points (within the printed bounds).
#include "support/explore.hh"

#include "puffs/base/race_point.hh"

#include <algorithm>
#include <gtest/gtest.h>
#include <memory>
#include <vector>

namespace {

using namespace puffs;
using sim::expect_explored;
using sim::explore_options;
using sim::explore_result;
using sim::machine;

void count(void* p) {
    ++*static_cast<unsigned*>(p);
}
void count_value(void* p, std::intptr_t) {
    ++*static_cast<unsigned*>(p);
}

// Two triggers, a target that sleeps whenever it can: data written before a trigger is seen by a
// later run, and the target never sleeps on a pending bit.
// spec: I5 T5 V20 V27
TEST(ipi_explore, a_trigger_is_never_lost_to_a_core_that_goes_to_sleep) {
    struct state {
        unsigned written = 0;
        unsigned seen = 0;
        unsigned runs = 0;
        unsigned id = 0;
    };
    auto s = std::make_shared<state>();
    const explore_result r = sim::explore(
        {.cores = 2, .preemptions_max = 6},
        [&](machine& m) {
            *s = {};
            s->id = m.domain().add_handler(
                [](void* p) {
                    auto& st = *static_cast<state*>(p);
                    st.seen = st.written;
                    ++st.runs;
                },
                s.get());
            m.run_on(0, [&] {
                const ipi::crit_section crit;
                for (unsigned i = 1; i <= 2; ++i) {
                    s->written = i;
                    ipi::trigger(s->id, 1);
                }
            });
        },
        [&](machine& m) {
            m.check(s->seen == 2, "the last trigger was not seen");
            m.check(s->runs >= 1 && s->runs <= 2, "runs");
            m.check(m.core(1).doorbells() <= s->runs, "more doorbells than clear-to-set edges");
        });
    expect_explored(r, 3000);
}

// The same through rings, with a passive message first.
// spec: Q1 Q4 Q7 T5 V27
TEST(ipi_explore, a_send_is_never_lost_to_a_core_that_goes_to_sleep) {
    unsigned got = 0;
    const explore_result r = sim::explore(
        {.cores = 2, .preemptions_max = 5},
        [&](machine& m) {
            got = 0;
            m.run_on(0, [&] {
                const ipi::crit_section crit;
                ipi::send_passive(1, count_value, &got);
                ipi::send(1, count_value, &got);
                ipi::send(1, count_value, &got);
            });
        },
        [&](machine& m) { m.check(got == 3, "messages lost"); });
    expect_explored(r, 12000);
}

// Two senders and an ordinary thread at one sleeper.
// spec: T5 Q1 V27
TEST(ipi_explore, three_kinds_of_sender_and_a_sleeper) {
    unsigned got = 0;
    ipi::thread_post post;
    const explore_result r = sim::explore(
        {.cores = 3, .preemptions_max = 2},
        [&](machine& m) {
            got = 0;
            post = {count_value, &got, 0, nullptr};
            m.run_on(0, [&] {
                const ipi::crit_section crit;
                ipi::send(2, count_value, &got);
            });
            m.run_on(1, [&] {
                const ipi::crit_section crit;
                ipi::send(2, count_value, &got);
            });
            m.run_thread("thread", [&] { ipi::post_from_thread(m.core(2), post); });
        },
        [&](machine& m) {
            m.check(got == 3, "messages lost");
            m.check(m.core(2).doorbells() <= 3, "more doorbells than messages");
        });
    expect_explored(r, 30000);
}

// Ring, inbox, ring, inbox of one core to another.
// spec: Q1 Q7
TEST(ipi_explore, a_post_does_not_overtake_what_its_core_has_sent_before) {
    std::vector<std::intptr_t> got;
    ipi::thread_post posts[2];
    const auto append = [](void* v, std::intptr_t value) {
        static_cast<std::vector<std::intptr_t>*>(v)->push_back(value);
    };
    const explore_result r = sim::explore(
        {.cores = 2, .preemptions_max = 4},
        [&](machine& m) {
            got.clear();
            m.run_on(0, [&] {
                const ipi::crit_section crit;
                for (std::intptr_t i = 0; i < 2; ++i) {
                    ipi::send(1, append, &got, 2 * i);
                    posts[i] = {append, &got, 2 * i + 1, nullptr};
                    ipi::post_from_thread(m.core(1), posts[i]);
                }
            });
        },
        [&](machine& m) {
            m.check(got.size() == 4, "messages lost");
            const auto at = [&](std::intptr_t value) { return std::ranges::find(got, value); };
            m.check(at(0) < at(1) && at(2) < at(3), "a post overtakes a message of the ring");
            m.check(at(0) < at(2) && at(1) < at(3), "one way is not in order");
        });
    expect_explored(r, 5000);
}

// Trigger, then unregister, with another synchronous message under way at the target: its pass may
// take the flush from the mailbox before it has seen the bit (B12 and more).
// spec: I4 V21
TEST(ipi_explore, nothing_of_a_handler_runs_after_its_removal) {
    struct state {
        unsigned runs = 0;
        unsigned runs_at_return = ~0U;
        unsigned id = 0;
    } s;
    unsigned other_runs = 0;
    ipi::sync_message other;
    const explore_result r = sim::explore(
        {.cores = 3, .preemptions_max = 2},
        [&](machine& m) {
            s = {};
            other_runs = 0;
            other.function = count;
            other.arg = &other_runs;
            s.id = m.domain().add_handler(count, &s.runs);
            m.run_on(0, [&] {
                const ipi::crit_section crit;
                ipi::trigger(s.id, 1);
                m.domain().remove_handler(s.id);
                s.runs_at_return = s.runs;
            });
            m.run_on(2, [&] {
                const ipi::crit_section crit;
                ipi::unicast(other, 1);
                ipi::wait(other);
            });
        },
        [&](machine& m) {
            m.check(s.runs == s.runs_at_return, "handler ran after its removal");
            m.check(s.runs == 1, "trigger lost");
            m.check(other_runs == 1, "other message lost");
        });
    expect_explored(r, 70000);
}

// A handler that waits in the middle is still running when the flush is served inside its wait.
// spec: I4
TEST(ipi_explore, removal_waits_for_a_handler_that_waits) {
    struct state {
        ipi::sync_message inner;
        unsigned inner_runs = 0;
        bool inside = false;
        unsigned id = 0;
    } s;
    const explore_result r = sim::explore(
        {.cores = 3, .preemptions_max = 1},
        [&](machine& m) {
            s.inner_runs = 0;
            s.inside = false;
            s.inner.function = count;
            s.inner.arg = &s.inner_runs;
            s.id = m.domain().add_handler(
                [](void* p) {
                    auto& st = *static_cast<state*>(p);
                    st.inside = true;
                    ipi::unicast(st.inner, 2);
                    ipi::wait(st.inner);
                    st.inside = false;
                },
                &s);
            m.run_on(0, [&] {
                const ipi::crit_section crit;
                ipi::trigger(s.id, 1);
                m.domain().remove_handler(s.id);
                m.check(!s.inside, "handler still runs after its removal");
            });
        },
        [&](machine& m) { m.check(s.inner_runs == 1, "inner message lost"); });
    expect_explored(r, 14000);
}

// Both mailboxes full, both senders at the ninth message.
// spec: I8 V23
TEST(ipi_explore, two_full_mailboxes_do_not_wait_for_each_other) {
    constexpr std::size_t messages = ipi::mailbox::slots + 1;
    unsigned runs[2] = {};
    ipi::sync_message out[2][messages];
    const explore_result r = sim::explore(
        {.cores = 2, .preemptions_max = 2, .executions_max = 400'000},
        [&](machine& m) {
            for (core_id id = 0; id < 2; ++id) {
                runs[id] = 0;
                m.run_on(id, [&, id] {
                    const ipi::crit_section crit;
                    for (ipi::sync_message& one : out[id]) {
                        one.function = count;
                        one.arg = &runs[id];
                        ipi::unicast(one, static_cast<core_id>(1 - id));
                    }
                    for (ipi::sync_message& one : out[id]) {
                        ipi::wait(one);
                    }
                });
            }
        },
        [&](machine& m) { m.check(runs[0] == messages && runs[1] == messages, "messages lost"); });
    expect_explored(r, 5000);
}

// spec: I13 V22 V23
TEST(ipi_explore, cross_waits_end) {
    unsigned runs[3] = {};
    constexpr unsigned wanted[3] = {3, 1, 1}; // the first is for all
    ipi::sync_message out[3];
    const explore_result r = sim::explore(
        {.cores = 3, .preemptions_max = 1},
        [&](machine& m) {
            std::ranges::fill(runs, 0U);
            for (core_id id = 0; id < 3; ++id) {
                m.run_on(id, [&, id] {
                    const ipi::crit_section crit;
                    out[id].function = count;
                    out[id].arg = &runs[id];
                    if (id == 0) {
                        ipi::broadcast(out[id]);
                    } else {
                        ipi::unicast(out[id], static_cast<core_id>(3 - id));
                    }
                    ipi::wait(out[id]);
                    m.check(out[id].pending.load(std::memory_order_acquire) == 0,
                            "wait returned early");
                    m.check(runs[id] == wanted[id], "wait returned before every function had");
                });
            }
        },
        [&](machine& m) { m.check(std::ranges::equal(runs, wanted), "ran once too often"); });
    expect_explored(r, 3000);
}

// spec: Q6 V23
TEST(ipi_explore, cross_waits_for_rings_end) {
    unsigned runs = 0;
    const explore_result r = sim::explore(
        {.cores = 2, .preemptions_max = 3},
        [&](machine& m) {
            runs = 0;
            for (core_id id = 0; id < 2; ++id) {
                m.run_on(id, [&, other = static_cast<core_id>(1 - id)] {
                    const ipi::crit_section crit;
                    ipi::send(other, count_value, &runs);
                    ipi::wait_sent(other, ipi::send(other, count_value, &runs));
                });
            }
        },
        [&](machine& m) { m.check(runs == 4, "messages lost"); });
    expect_explored(r, 5000);
}

// spec: Q2 Q6
TEST(ipi_explore,
     a_wait_for_a_ring_ends_after_the_function_has_returned_and_not_when_it_was_taken) {
    bool returned = false;
    const explore_result r = sim::explore({.cores = 2, .preemptions_max = 3}, [&](machine& m) {
        returned = false;
        m.run_on(0, [&] {
            const ipi::crit_section crit;
            const auto slowly = [](void* p, std::intptr_t) {
                PUFFS_RACE_POINT("test: in the function");
                *static_cast<bool*>(p) = true;
            };
            ipi::wait_sent(1, ipi::send(1, slowly, &returned));
            m.check(returned, "the wait ended before the function did");
        });
    });
    expect_explored(r, 200);
}

struct echo {
    unsigned* got;
    core_id back;
};

void echo_twice(void* p, std::intptr_t) {
    const auto& e = *static_cast<echo*>(p);
    ipi::send(e.back, count_value, e.got);
    ipi::send(e.back, count_value, e.got);
}

// More than the rings hold, both ways, with answers from handlers, under random schedules: the
// schedule tree is too large to walk.
// spec: Q3 V23 V24
TEST(ipi_explore, mutually_full_rings_drain_under_random_schedules) {
    constexpr unsigned sends = 300;
    unsigned got[2] = {};
    echo e[2] = {{&got[1], 1}, {&got[0], 0}};
    const explore_result r = sim::random_runs(
        {.cores = 2}, sim::times(60U, 6U),
        [&](machine& m) {
            for (core_id id = 0; id < 2; ++id) {
                got[id] = 0;
                m.run_on(id, [&, id] {
                    const ipi::crit_section crit;
                    for (unsigned i = 0; i < sends; ++i) {
                        const auto other = static_cast<core_id>(1 - id);
                        ipi::send(other, echo_twice, &e[other]);
                    }
                });
            }
        },
        [&](machine& m) { m.check(got[0] == 2 * sends && got[1] == 2 * sends, "messages lost"); });
    EXPECT_TRUE(r.ok()) << r.failure;
}

// The explorer itself: it finds the classic lost update, and its choices run it again.
TEST(explorer, finds_a_lost_update_and_replays_it) {
    if (!sim::race_points) {
        GTEST_SKIP() << "built without race points";
    }
    int shared = 0;
    const auto increments = [&](machine& m) {
        shared = 0;
        for (int t = 0; t < 2; ++t) {
            m.run_thread("thread", [&] {
                const int seen = shared;
                machine::current().yield("between load and store");
                shared = seen + 1;
            });
        }
    };
    const auto sum = [&](machine& m) { m.check(shared == 2, "lost update"); };
    const explore_options none{.cores = 1, .preemptions_max = 0};
    EXPECT_TRUE(sim::explore(none, increments, sum).ok()) << "no preemption, no lost update";
    const explore_result r = sim::explore({.cores = 1, .preemptions_max = 1}, increments, sum);
    ASSERT_FALSE(r.ok());
    EXPECT_NE(r.failure.find("lost update\nPUFFS_CHOICES="), std::string::npos) << r.failure;
    const std::string choices = r.failure.substr(r.failure.find('=') + 1);
    ::setenv("PUFFS_CHOICES", choices.c_str(), 1);
    const explore_result again = sim::explore({.cores = 1, .preemptions_max = 1}, increments, sum);
    ::unsetenv("PUFFS_CHOICES");
    EXPECT_EQ(again.executions, 1U);
    EXPECT_EQ(again.failure, r.failure);
}

TEST(explorer, tells_of_live_locks_sleepers_and_unserved_requests) {
    const auto one_run = [](const sim::scenario& s) {
        return sim::explore({.cores = 2}, s).failure;
    };
    EXPECT_NE(one_run([](machine& m) {
                  m.run_thread("spinner", [&m] {
                      for (;;) {
                          m.spin();
                      }
                  });
              }).find("live lock, these spin for ever: spinner"),
              std::string::npos);
    EXPECT_NE(one_run([](machine& m) {
                  m.run_thread("sleeper", [&m] { m.running().block(); });
              }).find("sleeper sleeps for ever"),
              std::string::npos);
    EXPECT_NE(one_run([](machine& m) {
                  m.run_on(1, [&m] {
                      m.running().block();
                      m.running().block();
                  });
              }).find("core 1 sleeps in the middle of its work"),
              std::string::npos);
    static unsigned n = 0;
    EXPECT_NE(one_run([](machine& m) {
                  m.run_on(0, [] {
                      const ipi::crit_section crit;
                      ipi::send_passive(1, count_value, &n);
                  });
              }).find("core 1 sleeps though something is pending"),
              std::string::npos);
}

} // namespace
