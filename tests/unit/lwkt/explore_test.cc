// Protocols between cores under every schedule with few preemptions, and under many random ones.
#include "puffs/base/race_point.hh"
#include "puffs/lwkt/mutex.hh"
#include "puffs/lwkt/wait_queue.hh"
#include "unit/lwkt/world.hh"

namespace puffs {
namespace {

using lwkt::thread;
using test::run_all;
using test::world;

// spec: L19 T9
TEST(explore, no_schedule_of_another_core_or_thread_is_lost) {
    run_all(1400, [](world& w) {
        auto posted = std::make_shared<int>(0);
        thread* sleeper = w.spawn(1, [posted] {
            thread& self = thread::current();
            for (;;) {
                self.arm();
                if (*posted == 2) {
                    return;
                }
                self.sleep(sleep_flags::none);
            }
        });
        const auto post = [posted, sleeper] {
            ++*posted;
            PUFFS_RACE_POINT("test: posted");
            lwkt::schedule(*sleeper);
        };
        w.spawn(0, post);
        w.machine.run_thread("ordinary", post);
    });
}

// spec: L19 L29
TEST(explore, schedules_of_an_exiting_thread_do_no_harm_to_its_successor) {
    run_all(1000, [](world& w) {
        thread* td = w.spawn(1, [] { lwkt::yield(); });
        const auto wake = [td] { lwkt::schedule(*td); };
        w.spawn(0, wake);
        w.machine.run_thread("ordinary", wake);
        w.spawn(1, [&w] {
            auto runs = std::make_shared<int>(0);
            for (int i = 0; i < 2; ++i) {
                lwkt::yield();
                w.spawn(1, [&w, runs] { w.machine.check(++*runs <= 2, "one thread ran twice"); });
            }
        });
    });
}

// spec: K2 K3 K4 L18
TEST(explore, a_signal_is_never_lost_and_the_waiter_may_destroy_the_queue) {
    run_all(1500, [](world& w) {
        struct shared {
            std::unique_ptr<lwkt::wait_queue> q = std::make_unique<lwkt::wait_queue>();
            bool ready = false;
        };
        auto s = std::make_shared<shared>();
        thread* waiter = w.spawn(1, [s] {
            auto g = s->q->generation();
            while (!s->ready) {
                s->q->block(g);
            }
            // Only what block() says is behind the signal: generation() changes while it still has the queue in hand.
            do {
                g = 0;
                s->q->block(g);
            } while (g == 0);
            s->q.reset();
        });
        w.spawn(0, [s] {
            s->ready = true;
            PUFFS_RACE_POINT("test: ready");
            s->q->signal();
        });
        w.machine.run_thread("spurious", [waiter] { lwkt::schedule(*waiter); });
    });
}

// spec: K3
TEST(explore, two_signals_wake_both_waiters) {
    run_all(3500, [](world& w) {
        auto q = std::make_shared<lwkt::wait_queue>();
        auto permits = std::make_shared<int>(0);
        for (core_id i = 0; i < 2; ++i) {
            w.spawn(i, [q, permits] {
                auto g = q->generation();
                while (*permits == 0) {
                    q->block(g);
                }
                --*permits;
            });
        }
        w.machine.run_thread("signaller", [q, permits] {
            for (int i = 0; i < 2; ++i) {
                ++*permits;
                PUFFS_RACE_POINT("test: permit");
                q->signal();
            }
        });
    });
}

// spec: T8 T9
TEST(explore, a_mutex_excludes_cores_and_ordinary_threads_and_loses_nobody) {
    run_all(800, [](world& w) {
        struct shared {
            lwkt::mutex m;
            int inside = 0;
        };
        auto s = std::make_shared<shared>();
        const auto body = [s, &w] {
            for (int round = 0; round < 2;
                 ++round) { // the second overtakes a sleeper, or is beaten by it
                s->m.lock();
                w.machine.check(++s->inside == 1, "two inside");
                PUFFS_RACE_POINT("test: inside");
                --s->inside;
                s->m.unlock();
            }
        };
        w.spawn(0, body);
        w.spawn(1, body);
        w.machine.run_thread("ordinary", body);
    });
}

// spec: K4 T8
TEST(explore, who_was_granted_a_mutex_may_destroy_it) {
    constexpr unsigned preemptions = 3; // it queues, it comes too early, it is granted the mutex
    run_all(
        120,
        [](world& w) {
            struct shared {
                std::unique_ptr<lwkt::mutex> m = std::make_unique<lwkt::mutex>();
                int rounds = 0;
            };
            auto s = std::make_shared<shared>();
            w.spawn(0, [s] {
                for (int i = 0; i < 2; ++i) {
                    s->m->lock();
                    ++s->rounds;
                    PUFFS_RACE_POINT("test: inside");
                    s->m->unlock();
                }
            });
            w.spawn(1, [s] {
                s->m->lock();
                const bool last = s->rounds == 2;
                s->m->unlock();
                if (last) {
                    s->m.reset();
                }
            });
        },
        preemptions);
}

// spec: T10
TEST(explore, a_signal_posted_while_its_thread_goes_to_sleep_wakes_it) {
    run_all(400, [](world& w) {
        auto q = std::make_shared<lwkt::wait_queue>();
        thread* td = w.spawn(1, [q, &w] {
            auto g = q->generation();
            w.machine.check(q->block(g, sleep_flags::catch_signals) == EINTR, "not interrupted");
        });
        w.machine.run_thread("killer", [td] { td->post_signal(15); });
    });
}

} // namespace
} // namespace puffs
