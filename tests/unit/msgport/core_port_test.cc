// The port of a core, on stepped cores.
#include "puffs/msgport/core_port.hh"

#include "puffs/msgport/simple_ports.hh"
#include "support/sim_cores.hh"

#include <gtest/gtest.h>
#include <vector>

namespace {

using namespace puffs;
using namespace puffs::msgport;
using sim::machine;

struct core_port_test : ::testing::Test {
    struct arrival {
        msg* m;
        core_id core;
        bool in_handler;
    };
    static void took(core_port& self, msg& m) {
        const ipi::cpu& here = ipi::cpu::current();
        EXPECT_EQ(m.flags() & (msg_queued | msg_intransit | msg_done), 0U);
        EXPECT_GT(here.crit_count(), 0);
        static_cast<core_port_test*>(self.context())
            ->arrivals.push_back({&m, here.id(), here.intr_nest() > 0});
    }
    void run() { EXPECT_TRUE(m.run_until_idle()) << m.failure(); }

    std::vector<arrival> arrivals;
    msg one, two;
    machine m{3};
    replyonly_null_port replies{"replies"};
    core_port on_1{"on 1", 1, took, this};
    core_port on_2{"on 2", 2, took, this};
};

// spec: H4 D11
TEST_F(core_port_test, on_its_own_core_the_function_runs_inside_the_put) {
    m.run_on(1, [&] {
        one.init(replies);
        sendmsg(on_1, one);
        ASSERT_EQ(arrivals.size(), 1U);
        EXPECT_EQ(arrivals[0].m, &one);
        EXPECT_FALSE(arrivals[0].in_handler);
        replymsg(one, 0);
    });
    run();
    EXPECT_EQ(m.core(1).stats().handled.load(std::memory_order_relaxed), 0U);
}

// spec: H4 M11
TEST_F(core_port_test, from_elsewhere_a_message_is_in_transit_until_the_core_polls) {
    m.run_on(0, [&] {
        one.init(replies);
        two.init(replies);
        sendmsg(on_1, one);
        sendmsg(on_1, two);
        EXPECT_EQ(one.flags(), static_cast<std::uint32_t>(msg_intransit));
        EXPECT_EQ(one.target(), &on_1);
    });
    m.step(0);
    EXPECT_TRUE(arrivals.empty());
    run();
    ASSERT_EQ(arrivals.size(), 2U);
    EXPECT_EQ(arrivals[0].m, &one); // FIFO
    EXPECT_EQ(arrivals[1].m, &two);
    EXPECT_EQ(arrivals[0].core, 1U);
    EXPECT_TRUE(arrivals[0].in_handler);
}

// The core that is sent to polls only when all is sent: more than any ring holds.
// spec: H4 H13
TEST_F(core_port_test, nobody_who_sends_waits_for_a_core_that_does_not_poll) {
    std::vector<msg> many(10 * ipi::ipiq::slots);
    bool all_sent = false;
    m.run_on(0, [&] {
        for (msg& each : many) {
            each.init(replies);
            sendmsg(on_1, each);
        }
        all_sent = true;
    });
    m.step(0);
    EXPECT_TRUE(all_sent);
    run();
    ASSERT_EQ(arrivals.size(), many.size());
    for (std::size_t i = 0; i < many.size(); ++i) {
        ASSERT_EQ(arrivals[i].m, &many[i]); // FIFO
    }
}

// spec: H5 P15
TEST_F(core_port_test, a_message_is_forwarded_from_core_to_core_and_its_reply_port_stays) {
    m.run_on(0, [&] {
        one.init(replies);
        sendmsg(on_1, one);
    });
    run();
    m.run_on(1, [&] { forwardmsg(on_2, one); });
    run();
    ASSERT_EQ(arrivals.size(), 2U);
    EXPECT_EQ(arrivals[1].core, 2U);
    EXPECT_EQ(one.target(), &on_2);
    EXPECT_EQ(one.reply_port(), &replies);
    m.run_on(2, [&] { replymsg(one, EIO); });
    run();
    EXPECT_TRUE(one.done());
    EXPECT_EQ(one.error, EIO);
}

// spec: D11
TEST_F(core_port_test, every_other_call_panics) {
    EXPECT_DEATH(on_1.getport(), "port 'on 1' has no getport");
    EXPECT_DEATH(on_1.replyport(one), "port 'on 1' has no replyport");
}

} // namespace
