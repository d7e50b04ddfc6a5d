// Workers at the ingress: leader and followers.
#include "puffs/lwkt/wait_queue.hh"
#include "support/lwkt/rig.hh"

#include <deque>
#include <set>

namespace puffs {
namespace {

using lwkt::thread;
using test::rig;

class source final : public lwkt::ingress {
  public:
    bool ready() noexcept override { return !work.empty(); }
    void run_one() noexcept override {
        workers.insert(thread::current_or_null());
        auto f = std::move(work.front());
        work.pop_front();
        f();
    }
    std::deque<std::function<void()>> work;
    std::set<thread*> workers;
};

// spec: H3 H2
TEST(ingress, work_that_does_not_block_is_all_taken_by_one_worker) {
    rig r(1);
    source in;
    r.as(0, [&] { r.at(0).attach(in); });
    std::string order;
    for (int i = 0; i < 5; ++i) {
        in.work.emplace_back([&order, i] { order += std::to_string(i); });
    }
    r.settle();
    EXPECT_EQ(order, "01234");
    EXPECT_EQ(in.workers.size(), 1U);
    in.work.emplace_back([&] { order += "5"; });
    EXPECT_FALSE(r.at(0).idle());
    r.settle();
    EXPECT_EQ(in.workers.size(), 1U); // the idle one again
    EXPECT_EQ(r.at(0).sched_stats().worker_takeovers.load(std::memory_order_relaxed), 0U);
    r.as(0, [&] { r.at(0).detach(in); });
    r.settle();
    EXPECT_EQ(r.at(0).live_threads(), 0U);
}

// spec: H3
TEST(ingress, a_worker_that_blocks_is_replaced_and_finishes_its_piece_when_it_is_woken) {
    rig r(1);
    source in;
    lwkt::wait_queue q;
    r.as(0, [&] { r.at(0).attach(in); });
    std::string order;
    in.work.emplace_back([&] {
        auto g = q.generation();
        q.block(g);
        order += "A";
    });
    in.work.emplace_back([&] { order += "B"; });
    r.settle();
    EXPECT_EQ(order, "B");
    EXPECT_EQ(in.workers.size(), 2U);
    EXPECT_EQ(r.at(0).sched_stats().worker_takeovers.load(std::memory_order_relaxed), 1U);
    r.as(0, [&] { q.signal(); });
    r.settle();
    EXPECT_EQ(order, "BA");
    in.work.emplace_back([&] { order += "C"; });
    r.settle();
    EXPECT_EQ(in.workers.size(), 2U);
    r.as(0, [&] { r.at(0).detach(in); });
    r.settle();
    EXPECT_EQ(r.at(0).live_threads(), 0U);
}

// spec: H3
TEST(ingress, an_unblocked_request_finishes_before_the_next_is_taken) {
    rig r(1);
    source in;
    lwkt::wait_queue q;
    r.as(0, [&] { r.at(0).attach(in); });
    std::string order;
    in.work.emplace_back([&] {
        auto g = q.generation();
        q.block(g);
        order += "A";
    });
    in.work.emplace_back([&] {
        q.signal();
        order += "B";
    });
    in.work.emplace_back([&] { order += "C"; });
    r.settle();
    EXPECT_EQ(order, "BAC");
    r.as(0, [&] { r.at(0).detach(in); });
    r.settle();
}

TEST(ingress, work_beyond_the_limit_of_workers_stays_in_its_source) {
    rig r(1, {.workers_max = 2});
    source in;
    lwkt::wait_queue q;
    r.as(0, [&] { r.at(0).attach(in); });
    int done = 0;
    for (int i = 0; i < 3; ++i) {
        in.work.emplace_back([&] {
            auto g = q.generation();
            q.block(g);
            ++done;
        });
    }
    r.settle();
    EXPECT_EQ(q.waiting(), 2U);
    EXPECT_EQ(in.work.size(), 1U);
    EXPECT_TRUE(r.at(0).idle()); // it must not spin on work that nobody can take
    r.as(0, [&] { q.signal(1); });
    r.settle();
    EXPECT_EQ(done, 1);
    EXPECT_TRUE(in.work.empty());
    r.as(0, [&] { q.signal(); });
    r.settle();
    EXPECT_EQ(done, 3);
    r.as(0, [&] { r.at(0).detach(in); });
    r.settle();
}

TEST(ingress, no_memory_for_a_worker_is_tried_again_by_the_clock) {
    rig r(1, {.stack_bytes = SIZE_MAX / 4});
    source in;
    r.as(0, [&] { r.at(0).attach(in); });
    in.work.emplace_back([] {});
    r.settle();
    EXPECT_EQ(in.work.size(), 1U);
    EXPECT_TRUE(r.at(0).idle());
    r.clock.advance(std::chrono::milliseconds(10));
    EXPECT_FALSE(r.at(0).idle());
    in.work.clear();
    r.settle();
}

// spec: H2
TEST(ingress, is_looked_at_when_the_budget_is_spent_even_if_threads_are_runnable) {
    rig r(1, {.switch_budget = 8});
    source in;
    r.as(0, [&] { r.at(0).attach(in); });
    bool served = false;
    int turns = 0;
    r.spawn(0, [&] {
        in.work.emplace_back([&] { served = true; });
        while (!served && turns < 1000) {
            ++turns;
            lwkt::yield();
        }
    });
    r.settle();
    EXPECT_TRUE(served);
    EXPECT_GE(turns, 7); // not before
    EXPECT_LE(turns, 16);
    r.as(0, [&] { r.at(0).detach(in); });
    r.settle();
}

// spec: H3
TEST(ingress, two_sources_take_turns) {
    rig r(1);
    source a;
    source b;
    r.as(0, [&] {
        r.at(0).attach(a);
        r.at(0).attach(b);
    });
    std::string order;
    for (int i = 0; i < 3; ++i) {
        a.work.emplace_back([&] { order += "a"; });
        b.work.emplace_back([&] { order += "b"; });
    }
    r.settle();
    EXPECT_EQ(order, "ababab");
    r.as(0, [&] {
        r.at(0).detach(a);
        r.at(0).detach(b);
    });
    r.settle();
}

// spec: T9
TEST(ingress, a_spurious_wake_of_an_idle_worker_takes_no_work) {
    rig r(1);
    source in;
    r.as(0, [&] { r.at(0).attach(in); });
    in.work.emplace_back([] {});
    r.settle();
    ASSERT_EQ(in.workers.size(), 1U);
    r.as(0, [&] { lwkt::schedule(**in.workers.begin()); });
    r.settle();
    in.work.emplace_back([] {});
    r.settle();
    EXPECT_EQ(in.workers.size(), 1U);
    r.as(0, [&] { r.at(0).detach(in); });
    r.settle();
    EXPECT_EQ(r.at(0).live_threads(), 0U);
}

} // namespace
} // namespace puffs
