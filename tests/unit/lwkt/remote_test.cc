// Requests to threads from other cores and from ordinary threads.
#include "puffs/lwkt/wait_queue.hh"
#include "support/lwkt/rig.hh"
#include "unit/lwkt/thread_test.hh"

#include <csignal>
#include <thread>

namespace puffs {
namespace {

using lwkt::thread;
using lwkt::thread_test;
using test::rig;

// A thread that stays descheduled until it is scheduled, then counts.
struct sleeper {
    explicit sleeper(rig& r, core_id on)
        : td(r.spawn(on, [this] {
              for (;;) {
                  lwkt::deschedule_self();
                  lwkt::switch_away();
                  if (end) {
                      return;
                  }
                  ++runs;
              }
          })) {
        r.settle();
    }
    void finish(rig& r) {
        end = true;
        lwkt::schedule(*td);
        r.settle();
    }
    int runs = 0;
    bool end = false;
    thread* td;
};

// spec: L19 T9
TEST(remote, a_schedule_from_another_core_arrives_when_the_owner_polls) {
    rig r(2);
    sleeper s(r, 1);
    r.as(0, [&] { lwkt::schedule(*s.td); });
    EXPECT_EQ(thread_test::flags(*s.td) & lwkt::td_runq, 0U); // return does not mean done
    EXPECT_EQ(r.at(0).sched_stats().remote_schedules.load(std::memory_order_relaxed), 1U);
    r.step(0);
    EXPECT_EQ(s.runs, 0);
    r.step(1);
    EXPECT_EQ(s.runs, 1);
    s.finish(r);
}

// spec: L19
TEST(remote, schedules_in_flight_are_one_request_and_a_later_one_is_another) {
    rig r(3);
    sleeper s(r, 1);
    for (int i = 0; i < 5; ++i) {
        r.as(0, [&] { lwkt::schedule(*s.td); });
        r.as(2, [&] { lwkt::schedule(*s.td); });
    }
    const auto handled = r.at(1).stats().handled.load(std::memory_order_relaxed);
    r.settle();
    EXPECT_EQ(r.at(1).stats().handled.load(std::memory_order_relaxed), handled + 1);
    EXPECT_EQ(s.runs, 1);
    r.as(0, [&] { lwkt::schedule(*s.td); });
    r.settle();
    EXPECT_EQ(s.runs, 2);
    s.finish(r);
}

// spec: L19
TEST(remote, more_requests_than_a_ring_has_slots_never_wait) {
    rig r(2);
    std::vector<std::unique_ptr<sleeper>> many;
    for (std::size_t i = 0; i < limits::ipiq_slots + 10; ++i) {
        many.push_back(std::make_unique<sleeper>(r, 1));
    }
    r.as(0, [&] {
        for (auto& s : many) {
            lwkt::schedule(*s->td); // core 1 does not poll meanwhile: a full ring would hang here
        }
    });
    r.settle();
    for (auto& s : many) {
        EXPECT_EQ(s->runs, 1);
        s->finish(r);
    }
}

// spec: L19
TEST(remote, a_schedule_chases_a_thread_that_has_moved_twice) {
    rig r(3);
    sleeper s(r, 0);
    r.as(2, [&] { lwkt::schedule(*s.td); }); // on its way to core 0
    thread_test::move_to(*s.td, r.at(1));
    r.step(0); // arrives, follows to core 1
    EXPECT_EQ(s.runs, 0);
    thread_test::move_to(*s.td, r.at(0));
    r.step(1); // arrives, follows back
    EXPECT_EQ(s.runs, 0);
    r.step(0);
    EXPECT_EQ(s.runs, 1);
    s.finish(r);
}

// spec: L18 L19 B22
TEST(remote, a_schedule_that_finds_the_thread_blocked_takes_it_off_its_wait_queue) {
    rig r(2);
    lwkt::wait_queue q;
    int returned = 0;
    thread* td = r.spawn(1, [&] {
        for (int i = 0; i < 2; ++i) {
            auto g = q.generation();
            EXPECT_EQ(q.block(g), 0);
            ++returned;
        }
    });
    r.settle();
    EXPECT_TRUE(thread_test::on_wait_queue(*td));
    r.as(0, [&] { lwkt::schedule(*td); }); // from another core
    r.settle();
    EXPECT_EQ(returned, 1);
    EXPECT_EQ(q.waiting(), 1U);            // it blocks again
    r.as(1, [&] { lwkt::schedule(*td); }); // from its own
    EXPECT_EQ(q.waiting(), 0U);
    EXPECT_FALSE(thread_test::on_wait_queue(*td));
    r.settle();
    EXPECT_EQ(returned, 2);
    EXPECT_EQ(q.generation(), 0U);
}

// spec: L20
TEST(remote, a_deschedule_from_another_core_takes_the_thread_off_its_run_queue) {
    rig r(2);
    int runs = 0;
    thread* td = r.spawn(1, [&] { ++runs; });
    r.as(0, [&] { lwkt::deschedule(*td); });
    EXPECT_NE(thread_test::flags(*td) & lwkt::td_runq, 0U);
    r.settle();
    EXPECT_EQ(runs, 0);
    r.as(1, [&] { lwkt::schedule(*td); });
    r.settle();
    EXPECT_EQ(runs, 1);
}

// spec: L19 L20
TEST(remote, the_last_of_schedule_and_deschedule_in_flight_wins) {
    rig r(2);
    int runs = 0;
    thread* td = r.spawn(1, [&] { ++runs; }, {.stopped = true});
    r.as(0, [&] {
        lwkt::schedule(*td);
        lwkt::deschedule(*td);
    });
    r.settle();
    EXPECT_EQ(runs, 0);
    r.as(0, [&] {
        lwkt::deschedule(*td);
        lwkt::schedule(*td);
    });
    r.settle();
    EXPECT_EQ(runs, 1);
}

// spec: L20 L19
TEST(remote, a_deschedule_chases_too) {
    rig r(3);
    sleeper s(r, 0);
    r.as(0, [&] { lwkt::schedule(*s.td); });
    r.as(2, [&] { lwkt::deschedule(*s.td); });
    r.as(1, [&] { // the handler runs on the wrong core first
        thread_test::move_to(*s.td, r.at(1));
    });
    r.as(0, [&] { r.at(0).serve_ipis(); });
    thread_test::move_to(*s.td, r.at(0));
    r.step(1);
    r.settle();
    EXPECT_EQ(s.runs, 0);
    s.finish(r);
}

// spec: L21
TEST(remote, a_priority_from_another_core_arrives_keeps_the_levels_and_adds_those_in_flight) {
    rig r(2);
    thread* td = r.spawn(1,
                         [&] {
                             r.at(1).set_crit_count(1);
                             r.at(1).crit_exit();
                         },
                         {.stopped = true});
    r.as(0, [&] {
        lwkt::set_priority(*td, 32 + 3);
        lwkt::set_priority(*td, 32 + 4);
    });
    EXPECT_EQ(td->priority(), lwkt::priority::request);
    r.settle();
    EXPECT_EQ(td->priority(), 4);
    EXPECT_EQ(thread_test::saved_crit_count(*td), 3);
    r.as(1, [&] { lwkt::schedule(*td); });
    r.settle();
}

// spec: L19 T9
TEST(remote, ordinary_threads_schedule_too_and_no_wake_of_theirs_is_lost) {
    rig r(2);
    sleeper s(r, 1);
    std::thread([&] {
        lwkt::schedule(*s.td);
        s.td->wake();
    }).join();
    r.as(0, [&] { lwkt::schedule(*s.td); }); // one more, while that is in flight
    r.settle();
    EXPECT_EQ(s.runs, 1);
    std::thread([&] { lwkt::schedule(*s.td); }).join();
    r.settle();
    EXPECT_EQ(s.runs, 2);
    s.finish(r);
}

constexpr int important[] = {SIGINT, SIGTERM, SIGKILL, SIGHUP, SIGQUIT};

bool is_important(int number) {
    return std::find(std::begin(important), std::end(important), number) != std::end(important);
}

// spec: T10
TEST(signals, exactly_the_important_ones_end_an_interruptible_wait) {
    for (int number = 1; number <= 64; ++number) {
        for (const core_id from : {core_id{0}, core_id{1}, no_core}) {
            rig r(2);
            lwkt::wait_queue q;
            int outcome = -1;
            thread* td = r.spawn(1, [&] {
                auto g = q.generation();
                outcome = q.block(g, sleep_flags::catch_signals);
            });
            r.settle();
            if (from == no_core) {
                std::thread([&] { td->post_signal(number); }).join();
            } else {
                r.as(from, [&] { td->post_signal(number); });
            }
            r.settle();
            EXPECT_EQ(outcome, is_important(number) ? EINTR : -1) << number;
            r.as(0, [&] { q.signal(); });
            r.settle();
            EXPECT_EQ(outcome, is_important(number) ? EINTR : 0) << number;
        }
    }
}

// spec: T10
TEST(signals, one_that_is_pending_before_the_wait_prevents_it) {
    rig r(1);
    lwkt::wait_queue q;
    r.spawn(0, [&] {
        thread& self = thread::current();
        self.post_signal(SIGTERM);
        auto g = q.generation();
        EXPECT_EQ(q.block(g, sleep_flags::catch_signals), EINTR);
        self.arm();
        self.sleep(sleep_flags::catch_signals);
        EXPECT_EQ(self.pending_signal(), EINTR);
        self.clear_signals();
        EXPECT_EQ(self.pending_signal(), 0);
    });
    r.settle();
    EXPECT_EQ(r.at(0).live_threads(), 0U);
}

// spec: T10
TEST(signals, a_masked_one_waits_until_it_is_unmasked_but_kill_cannot_be_masked) {
    rig r(1);
    r.spawn(0, [&] {
        thread& self = thread::current();
        EXPECT_EQ(self.set_signal_mask(UINT64_MAX), 0U);
        self.post_signal(SIGINT);
        EXPECT_EQ(self.pending_signal(), 0);
        self.post_signal(SIGKILL);
        EXPECT_EQ(self.pending_signal(), EINTR);
        self.clear_signals();
        self.post_signal(SIGINT);
        self.set_signal_mask(0);
        EXPECT_EQ(self.pending_signal(), EINTR);
    });
    r.settle();
}

// spec: T10 L31
TEST(signals, an_uninterruptible_wait_is_not_disturbed) {
    rig r(2);
    bool over = false;
    thread* td = r.spawn(1, [&] {
        thread& self = thread::current();
        self.arm();
        self.sleep(sleep_flags::none);
        over = true;
    });
    r.settle();
    EXPECT_EQ(thread_test::flags(*td) & lwkt::td_sintr, 0U);
    r.as(0, [&] { td->post_signal(SIGKILL); });
    r.settle();
    EXPECT_FALSE(over);
    r.as(0, [&] { td->wake(); });
    r.settle();
    EXPECT_TRUE(over);
}

// spec: T10 L31
TEST(signals, an_important_one_ends_an_interruptible_sleep) {
    rig r(2);
    bool over = false;
    thread* td = r.spawn(1, [&] {
        thread& self = thread::current();
        self.arm();
        self.sleep(sleep_flags::catch_signals);
        over = true;
    });
    r.settle();
    EXPECT_NE(thread_test::flags(*td) & lwkt::td_sintr, 0U);
    r.as(0, [&] { td->post_signal(SIGHUP); });
    r.settle();
    EXPECT_TRUE(over);
}

} // namespace
} // namespace puffs
