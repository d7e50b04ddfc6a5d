// The port for any number of threads, on stepped cores and virtual ordinary threads.
#include "puffs/msgport/spin_port.hh"

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
    machine m{2};
    spin_port requests{"requests"};
    spin_port replies{"replies"};
    void run() { EXPECT_TRUE(m.run_until_idle()) << m.failure(); }
};

using spin_port_test = cores;

// spec: D5 P10
TEST_F(spin_port_test, threads_and_cores_serve_one_port_together) {
    int served = 0;
    const auto serve_one = [&] {
        replymsg(*requests.waitport(sleep_flags::none), 0);
        ++served;
    };
    m.run_thread("getter", serve_one);
    m.run_on(0, serve_one);
    m.run_on(1, serve_one);
    {
        msg three[3];
        m.run_thread("sender", [&] {
            for (msg& x : three) {
                x.init(replies);
                sendmsg(requests, x);
            }
            for (msg& x : three) {
                EXPECT_EQ(waitmsg(x), 0);
            }
        });
        run();
    }
    EXPECT_EQ(served, 3);
}

// spec: D5
TEST_F(spin_port_test, one_message_wakes_one_sleeper) {
    std::vector<sim::sim_waiter*> getters;
    int served = 0;
    for (int i = 0; i < 3; ++i) {
        getters.push_back(&m.run_thread("getter", [&] {
            replymsg(*requests.waitport(sleep_flags::none), 0);
            ++served;
        }));
    }
    m.allow_stuck();
    run();
    one.init(replies);
    m.run_thread("sender", [&] { EXPECT_EQ(domsg(requests, one), 0); });
    run();
    EXPECT_EQ(served, 1);
    EXPECT_EQ(getters[0]->wakes + getters[1]->wakes + getters[2]->wakes, 1U);
    EXPECT_EQ(getters[0]->wakes, 1U) << "the one that slept longest";
}

// spec: D5
TEST_F(spin_port_test, a_getter_whose_message_was_taken_sleeps_on) {
    msg* got = nullptr;
    sim::sim_waiter& w =
        m.run_thread("getter", [&] { got = requests.waitport(sleep_flags::none); });
    m.allow_stuck();
    run();
    one.init(replies);
    m.run_thread("thief", [&] {
        sendmsg(requests, one);
        EXPECT_EQ(requests.getport(), &one);
    });
    run();
    EXPECT_EQ(got, nullptr);
    EXPECT_EQ(w.wakes, 1U);
    m.run_thread("again", [&] { forwardmsg(requests, one); });
    run();
    EXPECT_EQ(got, &one);
    EXPECT_EQ(w.wakes, 2U) << "it was a sleeper of the port again";
}

// spec: M12 M10
TEST_F(spin_port_test, a_waiter_on_a_message_is_woken_by_its_reply_only_and_once) {
    msg mine;
    msg other[2];
    mine.init(replies);
    int error = -1;
    sim::sim_waiter& w = m.run_thread("waiter", [&] { error = domsg(requests, mine); });
    m.allow_stuck();
    run();
    m.run_thread("server", [&] {
        EXPECT_EQ(requests.getport(), &mine);
        for (msg& x : other) {
            x.init(replies);
            sendmsg(requests, x);
            replymsg(*requests.getport(), 0);
        }
    });
    run();
    EXPECT_EQ(w.wakes, 0U);
    EXPECT_EQ(error, -1);
    m.run_thread("server", [&] {
        replymsg(mine, EDOM);
        EXPECT_EQ(mine.flags(), msg_reply | msg_done | msg_sync) << "the waiter has not run yet";
    });
    run();
    EXPECT_EQ(w.wakes, 1U);
    EXPECT_EQ(error, EDOM);
    EXPECT_EQ(replies.getport(), &other[0]);
    EXPECT_EQ(replies.getport(), &other[1]);
    EXPECT_EQ(replies.getport(), nullptr) << "the synchronous reply is not queued";
}

// spec: M12
TEST_F(spin_port_test, a_synchronous_reply_wakes_nobody_who_waits_for_the_port) {
    int error = -1;
    sim::sim_waiter& getter = m.run_thread("getter", [&] { replies.waitport(sleep_flags::none); });
    m.allow_stuck();
    run();
    m.run_thread("waiter", [&] {
        one.init(replies);
        error = domsg(requests, one);
    });
    run();
    m.run_thread("server", [&] { replymsg(*requests.getport(), EDOM); });
    run();
    EXPECT_EQ(error, EDOM);
    EXPECT_EQ(getter.wakes, 0U);
}

// spec: P11 P12
TEST_F(spin_port_test, waiting_for_one_message_leaves_others_queued) {
    m.run_on(1, [&] {
        msg* const first = requests.waitport(sleep_flags::none);
        msg* const second = requests.waitport(sleep_flags::none);
        replymsg(*second, 2);
        replymsg(*first, 1);
    });
    m.run_on(0, [&] {
        a.init(replies);
        b.init(replies);
        sendmsg(requests, a);
        sendmsg(requests, b);
        EXPECT_EQ(waitmsg(a), 1);
        EXPECT_EQ(a.flags() & msg_queued, 0U);
        EXPECT_EQ(waitmsg(b), 2);
        EXPECT_EQ(b.flags() & msg_queued, 0U);
        EXPECT_EQ(waitmsg(b), 2);
        EXPECT_EQ(replies.getport(), nullptr);
    });
    run();
}

// spec: P10
TEST_F(spin_port_test, waitport_with_catch_returns_null_on_a_signal) {
    msg* got = &one;
    sim::sim_waiter& w =
        m.run_thread("getter", [&] { got = requests.waitport(sleep_flags::catch_signals); });
    m.allow_stuck();
    run();
    w.wake();
    run();
    EXPECT_EQ(got, &one) << "a spurious wake ends no wait";
    w.post_signal(ERESTART);
    run();
    EXPECT_EQ(got, nullptr);
    one.init(replies); // nobody sleeps any more: nobody is woken
    m.run_thread("sender", [&] { sendmsg(requests, one); });
    run();
    EXPECT_EQ(w.wakes, 2U);
    EXPECT_EQ(requests.getport(), &one);
}

// spec: D5 P14
TEST_F(spin_port_test, drop_needs_an_owner_and_is_for_the_owner) {
    one.init(replies, msg_dropable);
    sendmsg(requests, one);
    EXPECT_DEATH(dropmsg(one), "port without an owner");
    requests.getport();
    replymsg(one, 0);
    replies.getport();
    sim::sim_waiter& w = m.core(0).thread();
    spin_port owned("owned", &w);
    sendmsg(owned, one);
    EXPECT_DEATH(dropmsg(one), "not the owner");
    m.run_on(0, [&] { EXPECT_EQ(dropmsg(one), 0); });
    run();
    EXPECT_TRUE(one.done());
}

// spec: D6 P5
TEST_F(spin_port_test, an_oncpu_put_wakes_local_sleepers_only) {
    spin_port fixed("fixed", nullptr, 0);
    msg* got_here = nullptr;
    msg* got_there = nullptr;
    m.run_on(1, [&] { got_there = fixed.waitport(sleep_flags::none); });
    m.allow_stuck();
    run();
    m.run_on(0, [&] { got_here = fixed.waitport(sleep_flags::none); });
    run();
    std::uint64_t handled = m.core(1).stats().handled.load(std::memory_order_relaxed);
    // On core 0, whose thread sleeps: from a handler.
    ipi::thread_post post;
    struct both {
        spin_port& to;
        msg& what;
    } oncpu{fixed, one};
    one.init(replies);
    post.arg = &oncpu;
    post.function = [](void* p, std::intptr_t) {
        auto& x = *static_cast<both*>(p);
        sendmsg_oncpu(x.to, x.what);
    };
    ipi::post_from_thread(m.core(0), post);
    run();
    EXPECT_EQ(got_here, &one);
    EXPECT_EQ(got_there, nullptr);
    EXPECT_EQ(m.core(1).thread().wakes, 0U);
    EXPECT_EQ(m.core(1).stats().handled.load(std::memory_order_relaxed), handled);
    replymsg(one, 0);
    replies.getport();
    m.run_on(0, [&] { sendmsg_oncpu(fixed, one); });
    run();
    EXPECT_EQ(m.core(1).thread().wakes, 0U) << "a sleeper elsewhere is not woken";
    EXPECT_EQ(fixed.getport(), &one);
}

// spec: D6
TEST_F(spin_port_test, an_oncpu_put_from_another_core_panics) {
    spin_port fixed("fixed", nullptr, 0);
    one.init(replies);
    m.run_on(1, [&] { EXPECT_DEATH(sendmsg_oncpu(fixed, one), "from another core"); });
    run();
}

// spec: D12
TEST_F(spin_port_test, a_new_port_is_empty) {
    EXPECT_EQ(requests.getport(), nullptr);
    EXPECT_STREQ(requests.name(), "requests");
}

} // namespace
