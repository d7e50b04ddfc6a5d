// Protocols between cores under every schedule with few preemptions, and under many random ones.
#include "support/explore.hh"

#include "puffs/base/race_point.hh"
#include "puffs/lwkt/mutex.hh"
#include "puffs/lwkt/wait_queue.hh"
#include "unit/lwkt/rig.hh"

namespace puffs {
namespace {

using lwkt::thread;
using lwkt::thread_test;

class machine_events final : public lwkt::event_source {
  public:
    machine_events(sim::machine& m, core_id id) : machine_(m), id_(id) {}
    bool poll() noexcept override { return false; }
    void sleep(const instant*) noexcept override {} // the machine sleeps for its cores
    void wake() noexcept override { machine_.ring(id_); }

  private:
    sim::machine& machine_;
    const core_id id_;
};

// Two cores with threads on a machine of the harness.
struct world {
    explicit world(sim::machine& m) : machine(m) {
        for (core_id i = 0; i < 2; ++i) {
            events.push_back(std::make_unique<machine_events>(m, i));
            cores.push_back(std::make_unique<lwkt::core>(domain, i, m.clock(), *events.back()));
            lwkt::core& c = *cores.back();
            m.add_core(c, [&c] { return c.step(); });
        }
    }
    thread* spawn(core_id i, std::function<void()> f, const lwkt::create_options& o = {}) {
        auto* copy = new std::function<void()>(std::move(f));
        ipi::cpu* before = ipi::cpu::current_or_null();
        ipi::cpu::set_current(cores[i].get());
        cores[i]->set_crit_count(cores[i]->crit_count() + 1);
        thread* td = *lwkt::create(test::rig::run, copy, "test", o);
        cores[i]->set_crit_count(cores[i]->crit_count() - 1);
        ipi::cpu::set_current(before);
        return td;
    }
    unsigned live() const { return cores[0]->live_threads() + cores[1]->live_threads(); }

    sim::machine& machine;
    ipi::domain domain{2};
    std::vector<std::unique_ptr<machine_events>> events;
    std::vector<std::unique_ptr<lwkt::core>> cores;
};

// Runs `setup` on a new world each time; at the end no thread may be left.
void run_all(const std::function<void(world&)>& setup, unsigned preemptions = 2) {
    std::unique_ptr<world> w;
    const auto scenario = [&](sim::machine& m) {
        w = std::make_unique<world>(m);
        setup(*w);
    };
    const auto verdict = [&](sim::machine& m) {
        m.check(w->live() == 0, "a thread sleeps for ever");
    };
    sim::explore_options o{
        .cores = 0, .preemptions_max = preemptions, .executions_max = 20'000, .choices_max = 3000};
    auto r = sim::explore(o, scenario, verdict);
    EXPECT_TRUE(!r.ok() || r.exhausted) << "not every schedule was run";
    if (r.ok()) {
        std::printf("%llu schedules\n", static_cast<unsigned long long>(r.executions));
        r = sim::random_runs(o, sim::times(2000U, 20U), scenario, verdict);
    }
    EXPECT_TRUE(r.ok()) << r.failure;
    if (!r.ok()) {
        static_cast<void>(w.release()); // its threads are in the middle of something
    }
}

// spec: L19 T9
TEST(explore, no_schedule_of_another_core_or_thread_is_lost) {
    run_all([](world& w) {
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
    run_all([](world& w) {
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
    run_all([](world& w) {
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
    run_all([](world& w) {
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
    run_all([](world& w) {
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
    run_all([](world& w) {
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
