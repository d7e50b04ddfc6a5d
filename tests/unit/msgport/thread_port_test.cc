// The port of one thread, on stepped cores.
#include "puffs/msgport/thread_port.hh"

#include "puffs/msgport/simple_ports.hh"
#include "support/sim_cores.hh"

#include <gtest/gtest.h>
#include <vector>

namespace {

using namespace puffs;
using namespace puffs::msgport;
using sim::machine;

struct cores : ::testing::Test {
    msg one; // before the ports: these unlink what is left on them
    msg a;
    msg b;
    machine m{3};
    thread_port on_0{"on 0", m.core(0).thread()};
    thread_port on_1{"on 1", m.core(1).thread()};
    std::uint64_t ipis() {
        std::uint64_t n = 0;
        for (core_id c = 0; c < 3; ++c) {
            n += m.core(c).stats().handled.load(std::memory_order_relaxed);
        }
        return n;
    }
    void run() { EXPECT_TRUE(m.run_until_idle()) << m.failure(); }
};

using thread_port_test = cores;

// spec: D1 P9 P17
TEST_F(thread_port_test, a_put_on_the_owner_s_core_is_queued_at_once_without_an_ipi) {
    m.run_on(0, [&] {
        one.init(on_0);
        EXPECT_EQ(on_0.putport(one), easync);
        EXPECT_EQ(one.target(), &on_0);
        EXPECT_NE(one.flags() & msg_queued, 0U);
        EXPECT_EQ(on_0.getport(), &one);
        EXPECT_EQ(on_0.getport(), nullptr);
    });
    run();
    EXPECT_EQ(ipis(), 0U);
}

// spec: D1 M3 M9 M11
TEST_F(thread_port_test, a_put_from_elsewhere_is_in_transit_until_the_owner_s_core_polls) {
    m.run_on(0, [&] {
        one.init(on_0);
        sendmsg(on_1, one);
        EXPECT_EQ(one.flags(), static_cast<std::uint32_t>(msg_intransit));
        EXPECT_EQ(one.target(), &on_1);
    });
    m.step(0);
    EXPECT_EQ(one.flags(), static_cast<std::uint32_t>(msg_intransit));
    m.run_on(1, [&] {
        EXPECT_EQ(one.flags(), static_cast<std::uint32_t>(msg_queued));
        EXPECT_EQ(on_1.getport(), &one);
        EXPECT_EQ(one.flags(), 0U);
        replymsg(one, 0);
        EXPECT_EQ(one.flags(), msg_reply | msg_intransit) << "REPLY before the IPI, DONE after";
    });
    m.step(1);
    m.run_on(0, [&] {
        EXPECT_EQ(one.flags(), msg_reply | msg_done | msg_queued);
        EXPECT_EQ(on_0.getport(), &one);
        EXPECT_EQ(one.flags(), msg_reply | msg_done);
    });
    run();
    EXPECT_EQ(ipis(), 2U);
}

// spec: M11 M1
TEST_F(thread_port_test, nobody_owns_a_message_in_transit) {
    m.run_on(0, [&] {
        one.init(on_0);
        sendmsg(on_1, one);
        EXPECT_DEATH(replymsg(one, 0), "still on its way");
        EXPECT_DEATH(forwardmsg(on_0, one), "still on its way");
        EXPECT_DEATH(on_1.putport(one), "on its way");
    });
    m.run_on(1, [&] { replymsg(*on_1.waitport(sleep_flags::none), 0); });
    run();
}

// spec: D1 D3
TEST_F(thread_port_test, messages_of_one_core_arrive_in_order) {
    std::vector<msg> sent(20);
    std::vector<msg*> got;
    m.run_on(1, [&] {
        while (got.size() < sent.size()) {
            got.push_back(on_1.waitport(sleep_flags::none));
        }
    });
    m.run_on(0, [&] {
        for (msg& x : sent) {
            x.init(on_0);
            sendmsg(on_1, x);
        }
    });
    run();
    for (std::size_t i = 0; i < sent.size(); ++i) {
        EXPECT_EQ(got.at(i), &sent[i]);
    }
}

// An owner that moves between the send and its arrival.
class mover final : public waiter {
  public:
    core_id core = 1;
    int wakes = 0;
    void arm() noexcept override {}
    void disarm() noexcept override {}
    void sleep(sleep_flags) noexcept override {}
    void wake() noexcept override { ++wakes; }
    [[nodiscard]] int pending_signal() const noexcept override { return 0; }
    [[nodiscard]] core_id on_core() const noexcept override { return core; }
};

// spec: D1 D2
TEST_F(thread_port_test, a_message_chases_an_owner_that_migrated) {
    msg reply;
    mover owner;
    thread_port moving("moving", owner);
    m.run_on(0, [&] {
        one.init(moving);
        sendmsg(moving, one);
    });
    m.step(0);
    owner.core = 2;
    run();
    EXPECT_EQ(one.flags(), static_cast<std::uint32_t>(msg_queued));
    EXPECT_EQ(m.core(1).stats().handled.load(std::memory_order_relaxed), 1U);
    EXPECT_EQ(m.core(2).stats().handled.load(std::memory_order_relaxed), 1U);

    m.run_on(0, [&] {
        putonly_port now("now", [](port&, msg&) { return EDOM; });
        reply.init(moving);
        sendmsg(now, reply);
    });
    m.step(0);
    owner.core = 1;
    run();
    EXPECT_EQ(reply.flags(), msg_reply | msg_done | msg_queued);
    EXPECT_EQ(reply.error, EDOM);
    EXPECT_EQ(m.core(2).stats().handled.load(std::memory_order_relaxed), 2U)
        << "sent to where the owner was";
    EXPECT_EQ(m.core(1).stats().handled.load(std::memory_order_relaxed), 2U)
        << "queued where it is";
}

// spec: D2 M10
TEST_F(thread_port_test, a_synchronous_reply_marks_wakes_and_is_not_queued) {
    int error = -1;
    m.run_on(1, [&] { replymsg(*on_1.waitport(sleep_flags::none), ENOSPC); });
    m.run_on(0, [&] {
        one.init(on_0);
        error = domsg(on_1, one);
        EXPECT_EQ(on_0.getport(), nullptr);
        EXPECT_TRUE(one.done());
    });
    run();
    EXPECT_EQ(error, ENOSPC);
}

// spec: M10
TEST_F(thread_port_test, a_synchronous_reply_is_on_no_queue_even_before_its_waiter_runs) {
    int error = -1;
    const auto reply_here = [](void* message, std::intptr_t) {
        msg& served = *static_cast<msg*>(message);
        replymsg(served, ENOSPC);
        EXPECT_EQ(served.flags(), msg_reply | msg_done | msg_sync);
    };
    m.run_on(1, [&] {
        msg* const served = on_1.waitport(sleep_flags::none);
        const ipi::crit_section crit;
        ipi::send(0, reply_here,
                  served); // so that the reply ends on the waiter's core, before the waiter
    });
    m.run_on(0, [&] {
        one.init(on_0);
        error = domsg(on_1, one);
    });
    run();
    EXPECT_EQ(error, ENOSPC);
}

// Core 1 takes every message and replies to it while core 0 does not poll; then core 0 takes the replies.
// spec: D1 D2 H13
TEST_F(thread_port_test, nobody_who_replies_waits_for_a_core_that_does_not_poll) {
    std::vector<msg> many(10 * ipi::ipiq::slots);
    std::size_t replied = 0;
    m.run_on(0, [&] {
        for (msg& each : many) {
            each.init(on_0);
            sendmsg(on_1, each);
        }
    });
    m.step(0);
    m.run_on(1, [&] {
        while (msg* const served = on_1.getport()) {
            EXPECT_EQ(served, &many[replied]);
            replymsg(*served, 0);
            ++replied;
        }
    });
    for (int turn = 0; turn < 10; ++turn) {
        m.step(1);
    }
    EXPECT_EQ(replied, many.size());
    m.run_on(0, [&] {
        for (msg& each : many) {
            EXPECT_EQ(waitmsg(each), 0);
        }
    });
    run();
}

// spec: D2
TEST_F(thread_port_test, done_is_set_on_the_reply_port_s_core_only) {
    bool replied = false;
    m.run_on(0, [&] {
        one.init(on_0);
        domsg(on_1, one);
    });
    m.run_on(1, [&] {
        replymsg(*on_1.waitport(sleep_flags::none), 0);
        EXPECT_FALSE(one.done()) << "core 0 has not run yet";
        replied = true;
    });
    m.step(0);
    while (!replied) {
        m.step(1);
    }
    run();
    EXPECT_TRUE(one.done());
}

// spec: P11 P12
TEST_F(thread_port_test, waiting_for_one_message_leaves_others_queued) {
    m.run_on(1, [&] {
        msg* const first = on_1.waitport(sleep_flags::none);
        msg* const second = on_1.waitport(sleep_flags::none);
        replymsg(*second, 2);
        replymsg(*first, 1);
    });
    m.run_on(0, [&] {
        a.init(on_0);
        b.init(on_0);
        sendmsg(on_1, a);
        sendmsg(on_1, b);
        EXPECT_EQ(waitmsg(a), 1); // B came first and stays
        EXPECT_EQ(a.flags() & msg_queued, 0U);
        EXPECT_NE(b.flags() & msg_queued, 0U);
        EXPECT_EQ(waitmsg(b), 2) << "done and queued: just unlinked";
        EXPECT_EQ(b.flags() & msg_queued, 0U);
        EXPECT_EQ(waitmsg(b), 2) << "done and not queued: at once";
        EXPECT_EQ(on_0.getport(), nullptr);
    });
    run();
}

// spec: P10
TEST_F(thread_port_test, waitport_with_catch_returns_null_on_a_signal_and_leaves_the_queue_alone) {
    msg* got = &one;
    m.run_on(0, [&] { got = on_0.waitport(sleep_flags::catch_signals); });
    m.step(0);
    m.core(0).thread().post_signal(EINTR);
    run();
    EXPECT_EQ(got, nullptr);

    m.run_on(0, [&] {
        one.init(on_0);
        sendmsg(on_0, one);
        EXPECT_EQ(on_0.waitport(sleep_flags::catch_signals), &one) << "non-empty: no sleep";
    });
    run();
}

// spec: P10
TEST_F(thread_port_test, waitport_without_catch_sleeps_through_signals) {
    msg* got = nullptr;
    m.run_on(0, [&] { got = on_0.waitport(sleep_flags::none); });
    m.step(0);
    m.core(0).thread().post_signal(EINTR);
    m.allow_stuck();
    run();
    EXPECT_EQ(got, nullptr);
    m.run_on(1, [&] {
        one.init(on_1);
        sendmsg(on_0, one);
    });
    run();
    EXPECT_EQ(got, &one);
}

// spec: T9 D14
TEST_F(thread_port_test, a_spurious_wake_ends_no_wait) {
    msg* got = nullptr;
    m.run_on(0, [&] { got = on_0.waitport(sleep_flags::none); });
    m.allow_stuck();
    for (int i = 0; i < 3; ++i) {
        run();
        m.core(0).thread().wake();
    }
    run();
    EXPECT_EQ(got, nullptr);
    EXPECT_GE(m.core(0).thread().sleeps, 4U);
    m.run_on(1, [&] {
        one.init(on_1);
        sendmsg(on_0, one);
    });
    run();
    EXPECT_EQ(got, &one);
}

// spec: D3
TEST_F(thread_port_test, an_owner_that_does_not_sleep_is_not_woken) {
    m.run_on(1, [&] {
        one.init(on_1);
        sendmsg(on_1, one);
        EXPECT_EQ(on_1.getport(), &one);
        EXPECT_EQ(m.core(1).thread().wakes, 0U);
        replymsg(one, 0);
        EXPECT_EQ(on_1.getport(), &one);
    });
    run();
    m.run_on(1, [&] { // nor is one that has slept
        EXPECT_EQ(on_1.waitport(sleep_flags::none), &a);
        const unsigned wakes = m.core(1).thread().wakes;
        sendmsg(on_1, one);
        EXPECT_EQ(m.core(1).thread().wakes, wakes);
    });
    m.step(1);
    m.run_on(0, [&] {
        a.init(on_0);
        sendmsg(on_1, a);
    });
    run();
    EXPECT_GT(m.core(1).thread().wakes, 0U);
}

// spec: D3 P14
TEST_F(thread_port_test, only_the_owner_gets_waits_and_drops) {
    m.run_on(1, [&] {
        one.init(on_0, msg_dropable);
        EXPECT_DEATH(on_0.getport(), "port 'on 0': getport by a thread that is not its owner");
        EXPECT_DEATH(on_0.waitport(sleep_flags::none), "waitport by a thread that is not");
        EXPECT_DEATH(on_0.waitmsg(one, sleep_flags::none), "waitmsg by a thread that is not");
        EXPECT_DEATH(on_0.dropmsg(one), "dropmsg by a thread that is not");
    });
    run();
}

// spec: P14
TEST_F(thread_port_test, drop_takes_back_what_is_queued_but_not_what_is_in_transit) {
    thread_port replies("replies", m.core(1).thread());
    m.run_on(0, [&] {
        one.init(on_0, msg_dropable);
        sendmsg(on_0, one);
        EXPECT_EQ(dropmsg(one), 0);
        EXPECT_TRUE(one.done());
        EXPECT_EQ(on_0.getport(), nullptr);
        sendmsg(on_1, one);
    });
    m.step(0);
    EXPECT_EQ(one.flags(), msg_intransit | msg_dropable);
    bool arrived = false;
    m.run_on(1, [&] {
        EXPECT_EQ(dropmsg(one), 0) << "by the owner of the target port";
        arrived = true;
    });
    run();
    EXPECT_TRUE(arrived);
    EXPECT_TRUE(one.done());
}

// spec: P14
TEST_F(thread_port_test,
       drop_takes_neither_a_reply_nor_what_is_queued_at_another_port_of_the_owner) {
    thread_port also_on_0("also on 0", m.core(0).thread());
    m.run_on(0, [&] {
        one.init(on_0, msg_dropable);
        sendmsg(on_0, one);
        EXPECT_EQ(also_on_0.dropmsg(one), ENOENT);
        replymsg(*on_0.getport(), 0);
        EXPECT_EQ(dropmsg(one), ENOENT) << "queued on its target port, but as a reply";
        EXPECT_EQ(on_0.getport(), &one);
    });
    run();
}

// spec: P5
TEST_F(thread_port_test, an_oncpu_put_uses_no_ipi_and_panics_elsewhere) {
    m.run_on(0, [&] {
        one.init(on_0);
        sendmsg_oncpu(on_0, one);
        EXPECT_EQ(on_0.getport(), &one);
        replymsg(one, 0);
        EXPECT_EQ(on_0.getport(), &one);
    });
    m.run_on(1, [&] { EXPECT_DEATH(sendmsg_oncpu(on_0, one), "oncpu put from another core"); });
    run();
    EXPECT_EQ(ipis(), 0U);
}

TEST_F(thread_port_test, an_ordinary_thread_cannot_put) {
    one.init(on_0);
    EXPECT_DEATH(sendmsg(on_0, one), "not a core");
}

int receipt_nest = 0;
int receipts = 0;
core_id receipt_core = no_core;

void note_receipt(msg&, port&) {
    ++receipts;
    receipt_core = ipi::cpu::current().id();
    receipt_nest = ipi::cpu::current().intr_nest();
}

// spec: M16
TEST_F(thread_port_test, a_receipt_is_given_in_interrupt_context_on_the_core_that_queues) {
    receipts = 0;
    m.run_on(0, [&] {
        one.init(on_0);
        one.set_receipt(note_receipt);
        sendmsg(on_0, one);
        EXPECT_EQ(receipts, 1);
        EXPECT_EQ(receipt_core, 0);
        EXPECT_EQ(receipt_nest, 1);
        replymsg(*on_0.getport(), 0);
        on_0.getport();
        one.set_receipt(note_receipt);
        sendmsg(on_1, one);
        EXPECT_EQ(receipts, 1) << "in transit";
    });
    run();
    EXPECT_EQ(receipts, 2);
    EXPECT_EQ(receipt_core, 1);
    EXPECT_GT(receipt_nest, 0);
}

// spec: P15
TEST_F(thread_port_test, a_chain_of_three_cores_forwards_and_replies_to_the_first) {
    thread_port on_2("on 2", m.core(2).thread());
    int error = 0;
    m.run_on(1, [&] { forwardmsg(on_2, *on_1.waitport(sleep_flags::none)); });
    m.run_on(2, [&] { replymsg(*on_2.waitport(sleep_flags::none), ENODATA); });
    m.run_on(0, [&] {
        one.init(on_0);
        error = domsg(on_1, one);
        EXPECT_EQ(one.target(), &on_2);
    });
    run();
    EXPECT_EQ(error, ENODATA);
}

} // namespace
