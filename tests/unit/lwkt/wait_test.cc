// Waiting: wait queues, the waiter protocol of light threads, the mutex.
#include "puffs/lwkt/mutex.hh"
#include "puffs/lwkt/wait_queue.hh"
#include "support/lwkt/rig.hh"
#include "unit/lwkt/thread_test.hh"

#include <cstring>
#include <new>
#include <thread>

namespace puffs {
namespace {

using lwkt::thread;
using lwkt::thread_test;
using lwkt::wait_queue;
using test::rig;

// spec: K1
TEST(wait_queue, begins_empty_at_generation_zero_on_dirty_memory) {
    alignas(wait_queue) std::byte memory[sizeof(wait_queue)];
    std::memset(memory, 0xa5, sizeof memory);
    auto* q = new (memory) wait_queue;
    EXPECT_EQ(q->generation(), 0U);
    EXPECT_EQ(q->waiting(), 0U);
    q->signal();
    EXPECT_EQ(q->generation(), 1U);
    q->~wait_queue();
}

// spec: K2
TEST(wait_queue, a_signal_between_sample_and_block_makes_block_return_at_once) {
    rig r(1);
    wait_queue q;
    r.spawn(0, [&] {
        auto g = q.generation();
        q.signal();
        EXPECT_EQ(q.block(g), 0);
        EXPECT_EQ(g, 1U); // current on return
        EXPECT_EQ(q.waiting(), 0U);
    });
    r.settle();
    EXPECT_EQ(r.at(0).live_threads(), 0U);
}

// spec: K2
TEST(wait_queue, block_leaves_the_run_queue_and_returns_with_the_current_generation) {
    rig r(1);
    wait_queue q;
    std::uint64_t g = 0;
    bool back = false;
    thread* td = r.spawn(0, [&] {
        q.block(g);
        back = true;
    });
    r.settle();
    EXPECT_FALSE(back);
    EXPECT_EQ(q.waiting(), 1U);
    EXPECT_EQ(thread_test::flags(*td) & lwkt::td_runq, 0U);
    r.as(0, [&] {
        q.signal();
        q.signal(); // before the waiter ran: absorbed by its new generation
    });
    r.settle();
    EXPECT_TRUE(back);
    EXPECT_EQ(g, 2U);
}

// spec: K2 B22
TEST(wait_queue, a_resume_that_nobody_asked_for_sleeps_again) {
    rig r(1);
    wait_queue q;
    bool back = false;
    thread* td = r.spawn(0, [&] {
        auto g = q.generation();
        q.block(g);
        back = true;
    });
    r.settle();
    r.spawn(0, [&] { thread_test::resume(*td); });
    r.settle();
    EXPECT_FALSE(back);
    EXPECT_EQ(q.waiting(), 1U);
    r.as(0, [&] { q.signal(); });
    r.settle();
    EXPECT_TRUE(back);
}

// spec: K3
TEST(wait_queue, signal_wakes_the_oldest_up_to_the_count_and_negative_all) {
    rig r(2);
    wait_queue q;
    std::string order;
    for (const char name : {'A', 'B', 'C', 'D'}) {
        r.spawn(name == 'B' ? 1 : 0, [&order, &q, name] {
            auto g = q.generation();
            q.block(g);
            order += name;
        });
        r.settle();
    }
    r.as(0, [&] { q.signal(0); });
    r.settle();
    EXPECT_EQ(order, "");
    EXPECT_EQ(q.generation(), 1U);
    r.as(0, [&] { q.signal(1); });
    r.settle();
    EXPECT_EQ(order, "A");
    r.as(1, [&] { q.signal(1); });
    r.settle();
    EXPECT_EQ(order, "AB");
    EXPECT_EQ(q.waiting(), 2U);
    r.as(0, [&] { q.signal(); });
    r.settle();
    EXPECT_EQ(order, "ABCD");
    EXPECT_EQ(q.generation(), 4U);
}

// spec: K3
TEST(wait_queue, one_that_blocks_again_meanwhile_is_not_woken_again) {
    rig r(2);
    wait_queue q;
    int rounds = 0;
    thread* td = r.spawn(0, [&] {
        for (;;) {
            auto g = q.generation();
            q.block(g);
            if (++rounds == 2) {
                return;
            }
        }
    });
    r.settle();
    r.as(1, [&] { q.signal(); });
    r.settle();
    EXPECT_EQ(rounds, 1);
    EXPECT_TRUE(thread_test::on_wait_queue(*td));
    std::thread([&] { q.signal(); }).join(); // from an ordinary thread
    r.settle();
    EXPECT_EQ(rounds, 2);
}

// spec: K4
TEST(wait_queue, a_waiter_may_destroy_the_queue_that_it_was_woken_from) {
    rig r(2);
    wait_queue* shared = nullptr;
    r.spawn(0, [&] {
        auto own = std::make_unique<wait_queue>();
        shared = own.get();
        auto g = own->generation();
        own->block(g);
        own.reset();
        shared = nullptr;
    });
    r.settle();
    r.as(1, [&] { shared->signal(); });
    r.settle();
    EXPECT_EQ(shared, nullptr);
}

// spec: T9 D14
TEST(waiter, a_wake_between_arm_and_sleep_is_not_lost) {
    rig r(1);
    r.spawn(0, [&] {
        thread& self = thread::current();
        self.arm();
        self.wake();
        self.sleep(sleep_flags::none);
    });
    r.settle();
    EXPECT_EQ(r.at(0).live_threads(), 0U);
}

// spec: T9
TEST(waiter, a_wake_before_arm_does_not_count) {
    rig r(1);
    bool over = false;
    thread* td = r.spawn(0, [&] {
        thread& self = thread::current();
        self.wake();
        self.arm();
        self.sleep(sleep_flags::none);
        over = true;
    });
    r.settle();
    EXPECT_FALSE(over);
    r.as(0, [&] { td->wake(); });
    r.settle();
    EXPECT_TRUE(over);
}

// spec: T6
TEST(waiter_death, sleeping_in_an_interrupt_handler_panics) {
    EXPECT_DEATH(
        {
            rig r(2);
            r.spawn(0, [&] {
                thread::current().arm();
                r.as(1, [] {
                    ipi::send(
                        0, [](void*, std::intptr_t) { thread::current().sleep(sleep_flags::none); },
                        nullptr);
                });
                const ipi::crit_section serve;
            });
            r.settle();
        },
        "interrupt handler must not switch");
}

// spec: L16
TEST(wait_queue_death, descheduling_or_scheduling_oneself_on_a_wait_queue_panics) {
    for (void (*call)() : {lwkt::deschedule_self, lwkt::schedule_self}) {
        EXPECT_DEATH(
            {
                rig r(2);
                wait_queue q;
                thread* td = r.spawn(0, [&] {
                    auto g = q.generation();
                    q.block(g);
                });
                r.settle();
                r.as(0, [&] { thread_test::pretend(*td, call); });
            },
            "while it is on a wait queue");
    }
}

// spec: K4
TEST(wait_queue_death, dying_with_waiters_panics) {
    EXPECT_DEATH(
        {
            rig r(1);
            auto q = std::make_unique<wait_queue>();
            r.spawn(0, [&] {
                auto g = q->generation();
                q->block(g);
            });
            r.settle();
            q.reset();
        },
        "dies while threads wait");
}

// spec: T8
TEST(mutex, excludes_and_serves_its_sleepers_in_order_of_arrival) {
    rig r(2);
    lwkt::mutex m;
    std::string order;
    thread* first = r.spawn(0, [&] {
        m.lock();
        lwkt::deschedule_self();
        lwkt::switch_away();
        EXPECT_TRUE(m.held_by_me());
        order += "1";
        m.unlock();
        EXPECT_FALSE(m.held_by_me());
        EXPECT_FALSE(m.try_lock()); // free, but there is one to come
        m.lock();                   // waits for nobody: no CPU has to be found for the one to come
        order += "2";
        m.unlock();
    });
    for (const core_id i : {core_id{0}, core_id{1}}) {
        r.spawn(i, [&, i] {
            EXPECT_FALSE(m.try_lock());
            m.lock();
            order += static_cast<char>('3' + i);
            m.unlock();
        });
    }
    r.settle();
    EXPECT_EQ(order, "");
    r.as(0, [&] { lwkt::schedule(*first); });
    r.settle();
    EXPECT_EQ(order, "1234");
    EXPECT_TRUE(m.try_lock());
    m.unlock();
}

// A holder on core 0, which gives the mutex back and takes it again, and a sleeper on core 1.
struct contended {
    contended() {
        holder = r.spawn(0, [this] {
            m.lock();
            pause();
            for (; !sleeper_was_in; ++rounds) {
                m.unlock();
                m.lock();
                if (pause_each_round) {
                    pause();
                }
            }
            m.unlock();
        });
        r.settle();
        r.spawn(1, [this] {
            m.lock();
            sleeper_was_in = true;
            m.unlock();
        });
        r.settle();
    }
    static void pause() {
        lwkt::deschedule_self();
        lwkt::switch_away();
    }
    // Until it pauses or waits; the other core stands still.
    void go_on() {
        r.as(0, [this] { lwkt::schedule(*holder); });
        r.step(0);
    }
    rig r{2};
    lwkt::mutex m;
    thread* holder = nullptr;
    unsigned rounds = 0;
    bool pause_each_round = false;
    bool sleeper_was_in = false;
};

// spec: T8
TEST(mutex, a_sleeper_that_gets_no_cpu_is_overtaken_only_so_many_times) {
    contended c;
    c.go_on();
    EXPECT_EQ(c.rounds, limits::mutex_overtakings);
    c.r.settle();
    EXPECT_TRUE(c.sleeper_was_in);
    EXPECT_EQ(c.r.at(0).live_threads() + c.r.at(1).live_threads(), 0U);
}

// spec: T8
TEST(mutex, a_sleeper_that_came_and_found_it_taken_gets_it_next) {
    contended c;
    c.pause_each_round = true;
    c.go_on(); // calls the sleeper, and is faster
    c.r.step(1);
    EXPECT_FALSE(c.sleeper_was_in);
    EXPECT_EQ(c.rounds, 0U);
    c.go_on();
    EXPECT_EQ(c.rounds, 1U);
    c.r.step(1);
    EXPECT_TRUE(c.sleeper_was_in);
    c.pause_each_round = false;
    c.r.settle();
    EXPECT_EQ(c.r.at(0).live_threads() + c.r.at(1).live_threads(), 0U);
}

// spec: T9
TEST(mutex, a_spurious_wake_of_a_waiter_does_not_let_it_in) {
    rig r(1);
    lwkt::mutex m;
    bool in = false;
    m.lock(); // an ordinary thread holds it
    thread* td = r.spawn(0, [&] {
        m.lock();
        in = true;
        m.unlock();
    });
    r.settle();
    r.as(0, [&] { td->wake(); });
    r.settle();
    EXPECT_FALSE(in);
    m.unlock();
    r.settle();
    EXPECT_TRUE(in);
}

#if defined(PUFFS_RACE_POINTS) && !defined(__SANITIZE_THREAD__)
// spec: T8
TEST(mutex_death, two_orders_of_locking_panic_in_debug_builds_though_nothing_deadlocks) {
    EXPECT_DEATH(
        {
            lwkt::mutex a;
            lwkt::mutex b;
            lwkt::mutex c;
            const auto both = [](lwkt::mutex& first, lwkt::mutex& second) {
                first.lock();
                second.lock();
                second.unlock();
                first.unlock();
            };
            both(a, b);
            both(b, c);
            both(a, c);
            std::thread([&] { both(c, a); }).join();
        },
        "locked in two orders");
}
#endif

// spec: T8
TEST(mutex, taken_in_one_order_or_by_trying_is_no_inversion) {
    lwkt::mutex a;
    lwkt::mutex b;
    for (int i = 0; i < 2; ++i) {
        a.lock();
        b.lock();
        a.unlock();
        b.unlock();
    }
    b.lock();
    ASSERT_TRUE(a.try_lock()); // cannot wait
    a.unlock();
    b.unlock();
}

TEST(mutex_death, misuse_panics) {
    lwkt::mutex m;
    EXPECT_DEATH(m.unlock(), "does not hold it");
    EXPECT_DEATH(
        {
            m.lock();
            m.lock();
        },
        "locked twice");
    EXPECT_DEATH(
        {
            auto dying = std::make_unique<lwkt::mutex>();
            dying->lock();
            dying.reset();
        },
        "dies while it is held");
}

} // namespace
} // namespace puffs
