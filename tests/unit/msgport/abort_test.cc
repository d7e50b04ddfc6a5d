// Waits for replies that a signal interrupts: one abort, then to the end.
#include "puffs/msgport/simple_ports.hh"
#include "puffs/msgport/spin_port.hh"
#include "puffs/msgport/thread_port.hh"
#include "support/sim_cores.hh"

#include <gtest/gtest.h>

namespace {

using namespace puffs;
using namespace puffs::msgport;
using sim::machine;

int aborts = 0;
void count_abort(msg&) {
    ++aborts;
}

// Both kinds of reply port: true for the thread's own, false for a spin port.
class abort_test : public ::testing::TestWithParam<bool> {
  protected:
    msg one;
    machine m{2};
    thread_port own{"own", m.core(0).thread()};
    spin_port spin{"spin"};
    spin_port server{"server"};
    int error = -1;

    port& replies() { return GetParam() ? static_cast<port&>(own) : spin; }
    void SetUp() override {
        aborts = 0;
        one.init_abortable(replies(), count_abort);
        m.allow_stuck();
    }
    void wait_for_it(sleep_flags flags) {
        m.run_on(0, [this, flags] { error = domsg(server, one, flags); });
        run();
    }
    void reply(int e) {
        m.run_on(1, [this, e] { replymsg(*server.getport(), e); });
        run();
    }
    void run() { EXPECT_TRUE(m.run_until_idle()) << m.failure(); }
};

// spec: P11
TEST_P(abort_test, a_signal_during_the_wait_sends_one_abort_and_completion_is_awaited) {
    wait_for_it(sleep_flags::catch_signals);
    m.core(0).thread().post_signal(EINTR);
    run();
    EXPECT_EQ(aborts, 1);
    EXPECT_EQ(error, -1) << "still waits";
    m.core(0).thread().post_signal(EINTR);
    m.core(0).thread().wake();
    run();
    EXPECT_EQ(aborts, 1) << "the second signal does nothing";
    reply(EINTR);
    EXPECT_EQ(error, EINTR);
}

// spec: P11
TEST_P(abort_test, eintr_becomes_the_signal_s_code_on_every_port) {
    wait_for_it(sleep_flags::catch_signals);
    m.core(0).thread().post_signal(ERESTART);
    run();
    reply(EINTR);
    EXPECT_EQ(error, ERESTART);
    EXPECT_EQ(one.error, ERESTART);
}

// spec: P11
TEST_P(abort_test, another_error_or_success_is_left_as_it_is) {
    for (const int e : {0, EIO}) {
        m.core(0).thread().post_signal(0);
        wait_for_it(sleep_flags::catch_signals);
        m.core(0).thread().post_signal(ERESTART);
        run();
        reply(e);
        EXPECT_EQ(error, e);
    }
    EXPECT_EQ(aborts, 2);
}

// spec: P11
TEST_P(abort_test, eintr_without_a_signal_is_the_server_s_own_and_stays) {
    wait_for_it(sleep_flags::catch_signals);
    reply(EINTR);
    EXPECT_EQ(error, EINTR);
    EXPECT_EQ(aborts, 0);
}

// spec: P11
TEST_P(abort_test, a_signal_before_the_wait_aborts_at_once) {
    m.core(0).thread().post_signal(ERESTART);
    wait_for_it(sleep_flags::catch_signals);
    EXPECT_EQ(aborts, 1);
    reply(EINTR);
    EXPECT_EQ(error, ERESTART);
}

// spec: P11 P12
TEST_P(abort_test, a_signal_after_completion_aborts_nothing) {
    m.run_on(0, [this] { sendmsg(server, one); });
    run();
    reply(EINTR);
    m.core(0).thread().post_signal(ERESTART);
    m.run_on(0, [this] { error = waitmsg(one, sleep_flags::catch_signals); });
    run();
    EXPECT_EQ(aborts, 0);
    EXPECT_EQ(error, EINTR);
}

// spec: P11
TEST_P(abort_test, without_catch_signals_are_slept_through) {
    wait_for_it(sleep_flags::none);
    m.core(0).thread().post_signal(EINTR);
    run();
    EXPECT_EQ(aborts, 0);
    EXPECT_EQ(error, -1);
    reply(0);
    EXPECT_EQ(error, 0);
}

// An abort that completes the message at once, from inside the waiter.
// spec: P11
TEST_P(abort_test, an_abort_may_complete_the_message_itself) {
    static spin_port* queue = nullptr;
    queue = &server;
    one.init_abortable(replies(), [](msg& aborted) {
        ++aborts;
        EXPECT_EQ(queue->getport(), &aborted);
        replymsg(aborted, EINTR);
    });
    m.core(0).thread().post_signal(ERESTART);
    wait_for_it(sleep_flags::catch_signals);
    EXPECT_EQ(error, ERESTART);
    EXPECT_EQ(aborts, 1);
}

INSTANTIATE_TEST_SUITE_P(ports, abort_test, ::testing::Bool(),
                         [](const auto& p) { return p.param ? "thread" : "spin"; });

// spec: M14
TEST(abortmsg, calls_the_function_only_of_an_abortable_message_in_flight) {
    replyonly_null_port replies("null");
    putonly_port keeps("keeps", [](port&, msg&) { return easync; });
    for (const bool abortable : {false, true}) {
        aborts = 0;
        msg m;
        if (abortable) {
            m.init_abortable(replies, count_abort);
        } else {
            m.init(replies);
        }
        abortmsg(m); // done
        EXPECT_EQ(aborts, 0);
        sendmsg(keeps, m);
        abortmsg(m);
        EXPECT_EQ(aborts, abortable ? 1 : 0);
        replymsg(m, 0);
        abortmsg(m); // replied
        EXPECT_EQ(aborts, abortable ? 1 : 0);
    }
}

} // namespace
