// Ports under every schedule of their race points, within the bounds given.
#include "support/explore.hh"

#include "puffs/base/race_point.hh"
#include "puffs/msgport/simple_ports.hh"
#include "puffs/msgport/spin_port.hh"
#include "puffs/msgport/thread_port.hh"

#include <gtest/gtest.h>
#include <memory>
#include <optional>

namespace {

using namespace puffs;
using namespace puffs::msgport;
using sim::expect_explored;
using sim::explore_result;
using sim::machine;

// A getter that goes to sleep against putters: it never sleeps on a port that is not empty.
// spec: D5 D14 V5
TEST(msgport_explore, a_spin_port_loses_no_wake) {
    std::unique_ptr<spin_port> requests;
    std::unique_ptr<spin_port> replies;
    msg sent[2];
    int got = 0;
    const explore_result r = sim::explore(
        {.cores = 1, .preemptions_max = 2},
        [&](machine& m) {
            requests = std::make_unique<spin_port>("requests");
            replies = std::make_unique<spin_port>("replies");
            got = 0;
            for (int i = 0; i < 2; ++i) {
                m.run_thread("getter", [&] {
                    msg* const x = requests->waitport(sleep_flags::none);
                    ++got;
                    replymsg(*x, 0);
                });
            }
            m.run_thread("putter", [&] {
                for (msg& x : sent) {
                    x.init(*replies);
                    sendmsg(*requests, x);
                }
                for (msg& x : sent) {
                    m.check(waitmsg(x) == 0, "error");
                }
            });
        },
        [&](machine& m) { m.check(got == 2, "messages lost"); });
    expect_explored(r, 18000);
}

// While a receipt is given, the message is still the one that was queued: nobody has taken it and given it back.
// spec: M16
TEST(msgport_explore, a_spin_port_gives_its_receipt_before_anybody_takes_the_message) {
    std::unique_ptr<spin_port> requests;
    replyonly_null_port replies("replies");
    msg sent;
    const explore_result r = sim::explore({.cores = 1, .preemptions_max = 4}, [&](machine& m) {
        requests = std::make_unique<spin_port>("requests");
        m.run_thread("getter", [&] { replymsg(*requests->waitport(sleep_flags::none), 0); });
        m.run_thread("putter", [&] {
            sent.init(replies);
            sent.set_receipt([](msg& x, port&) {
                PUFFS_RACE_POINT("test: in the receipt");
                machine::current().check((x.flags() & msg_queued) != 0, "a receipt came late");
            });
            sendmsg(*requests, sent);
        });
    });
    expect_explored(r, 300);
}

// The same with sleepers on two cores, which are woken through their inbox.
// spec: D5 T9 V5
TEST(msgport_explore, a_spin_port_wakes_sleeping_cores) {
    std::unique_ptr<spin_port> requests;
    std::unique_ptr<spin_port> replies;
    msg sent[2];
    const explore_result r = sim::explore({.cores = 2, .preemptions_max = 2}, [&](machine& m) {
        requests = std::make_unique<spin_port>("requests");
        replies = std::make_unique<spin_port>("replies");
        m.run_on(0, [&] {
            replymsg(*requests->waitport(sleep_flags::none), 0);
            replymsg(*requests->waitport(sleep_flags::none), 0);
        });
        m.run_on(1, [&] {
            sent[0].init(*replies);
            sent[1].init(*replies);
            sendmsg(*requests, sent[0]);
            m.check(domsg(*requests, sent[1]) == 0, "error");
            m.check(replies->waitport(sleep_flags::none) == &sent[0], "wrong reply");
        });
    });
    expect_explored(r, 100);
}

// A reply against its waiter, who frees the port as soon as it has the reply (the port and the
// message are gone then: ASan looks on).
// spec: D5 M12 V3
TEST(msgport_explore, a_reply_port_may_be_destroyed_by_who_waited) {
    std::unique_ptr<spin_port> requests;
    const explore_result r = sim::explore({.cores = 1, .preemptions_max = 4}, [&](machine& m) {
        requests = std::make_unique<spin_port>("requests");
        m.run_thread("server", [&] { replymsg(*requests->waitport(sleep_flags::none), 0); });
        m.run_thread("client", [&] {
            auto replies = std::make_unique<spin_port>("replies");
            auto one = std::make_unique<msg>();
            one->init(*replies);
            m.check(domsg(*requests, *one) == 0, "error");
            one.reset();
            replies.reset();
        });
    });
    expect_explored(r, 1800);
}

struct conversation {
    std::optional<thread_port> client;
    std::optional<thread_port> server;
    std::optional<thread_port> other;
    msg sent[3];
    int served = 0;
};

// Puts from two cores against a thread that waits, replies against their waiters.
// spec: D1 D2 D3 D14 V2 V5
TEST(msgport_explore, a_thread_port_loses_no_wake) {
    conversation c;
    const explore_result r = sim::explore(
        {.cores = 3, .preemptions_max = 1},
        [&](machine& m) {
            c.served = 0;
            c.client.emplace("client", m.core(0).thread());
            c.server.emplace("server", m.core(1).thread());
            c.other.emplace("other", m.core(2).thread());
            m.run_on(0, [&] {
                c.sent[0].init(*c.client);
                c.sent[1].init(*c.client);
                sendmsg(*c.server, c.sent[0]);
                m.check(domsg(*c.server, c.sent[1]) == 0, "error");
                m.check(c.client->waitport(sleep_flags::none) == &c.sent[0], "wrong reply");
            });
            m.run_on(1, [&] {
                for (int i = 0; i < 3; ++i) {
                    replymsg(*c.server->waitport(sleep_flags::none), 0);
                    ++c.served;
                }
            });
            m.run_on(2, [&] {
                c.sent[2].init(*c.other);
                m.check(domsg(*c.server, c.sent[2]) == 0, "error");
            });
        },
        [&](machine& m) { m.check(c.served == 3, "messages lost"); });
    expect_explored(r, 800);
}

// A signal at any moment of a wait: at most one abort, and the wait ends with the reply only.
// spec: P11 D14
TEST(msgport_explore, a_signal_at_any_moment_asks_for_one_abort) {
    std::unique_ptr<spin_port> requests;
    std::unique_ptr<spin_port> replies;
    static int aborts = 0;
    msg one;
    bool replied = false;
    const explore_result r = sim::explore(
        {.cores = 1, .preemptions_max = 3},
        [&](machine& m) {
            aborts = 0;
            replied = false;
            requests = std::make_unique<spin_port>("requests");
            replies = std::make_unique<spin_port>("replies");
            one.init_abortable(*replies, [](msg&) { ++aborts; });
            sim::sim_waiter& client = m.run_thread("client", [&] {
                const int e = domsg(*requests, one, sleep_flags::catch_signals);
                m.check(replied, "wait ended before the reply");
                m.check(e == (aborts != 0 ? ERESTART : EINTR), "wrong error");
            });
            m.run_thread("server", [&] {
                msg* const x = requests->waitport(sleep_flags::none);
                machine::current().yield("serving");
                replied = true;
                replymsg(*x, EINTR);
            });
            m.run_thread("signaller", [&client] {
                machine::current().yield("before the signal");
                client.post_signal(ERESTART);
            });
        },
        [&](machine& m) { m.check(aborts <= 1, "more than one abort"); });
    expect_explored(r, 30000);
}

} // namespace
