#include "puffs/lwkt/timer.hh"

#include <gtest/gtest.h>
#include <vector>

namespace puffs {
namespace {

using lwkt::timer;
using lwkt::timer_queue;

struct entry {
    std::vector<int>& order;
    int name;
    timer t{[](void* e) {
                auto& self = *static_cast<entry*>(e);
                self.order.push_back(self.name);
            },
            this};
};

// spec: T14
TEST(timer, expiry_is_in_order_of_deadlines_across_a_wrap_of_the_clock) {
    std::vector<int> order;
    entry a{order, 1};
    entry b{order, 2};
    entry c{order, 3};
    const instant near_wrap{UINT64_MAX - 10};
    timer_queue q;
    using std::chrono::nanoseconds;
    q.arm(c.t, near_wrap.after(nanoseconds(30))); // after the wrap
    q.arm(b.t, near_wrap.after(nanoseconds(20)));
    q.arm(a.t, near_wrap.after(nanoseconds(5))); // before
    EXPECT_EQ(*q.next(), near_wrap.after(nanoseconds(5)));
    EXPECT_FALSE(q.expire(near_wrap));
    EXPECT_TRUE(q.expire(near_wrap.after(nanoseconds(20))));
    EXPECT_EQ(order, (std::vector{1, 2}));
    EXPECT_TRUE(q.expire(near_wrap.after(nanoseconds(30))));
    EXPECT_EQ(order, (std::vector{1, 2, 3}));
    EXPECT_EQ(q.next(), nullptr);
}

TEST(timer, equal_deadlines_expire_in_order_of_arming) {
    std::vector<int> order;
    entry a{order, 1};
    entry b{order, 2};
    timer_queue q;
    q.arm(b.t, {5});
    q.arm(a.t, {5});
    q.expire({5});
    EXPECT_EQ(order, (std::vector{2, 1}));
}

TEST(timer, a_cancelled_timer_does_not_run_and_a_rearmed_one_runs_once) {
    std::vector<int> order;
    entry a{order, 1};
    entry b{order, 2};
    timer_queue q;
    q.arm(a.t, {5});
    q.arm(b.t, {5});
    q.cancel(a.t);
    q.cancel(a.t);
    q.arm(b.t, {7});
    EXPECT_FALSE(q.expire({6}));
    EXPECT_TRUE(q.expire({7}));
    EXPECT_EQ(order, (std::vector{2}));
    EXPECT_TRUE(q.empty());
}

TEST(timer, one_that_arms_itself_for_now_does_not_hold_the_core) {
    struct eager {
        timer_queue& q;
        int runs = 0;
        timer t{[](void* e) {
                    auto& self = *static_cast<eager*>(e);
                    ++self.runs;
                    self.q.arm(self.t, {1});
                },
                this};
    };
    timer_queue q;
    eager e{q};
    q.arm(e.t, {1});
    q.expire({1});
    EXPECT_EQ(e.runs, 1);
    q.cancel(e.t);
}

TEST(timer_death, dying_while_armed_panics) {
    EXPECT_DEATH(
        {
            timer_queue q;
            timer t([](void*) {}, nullptr);
            q.arm(t, {1});
            t.~timer();
        },
        "cancelled before it dies");
}

} // namespace
} // namespace puffs
