// The rules that all kinds of port share: send, reply, forward, drop, receipt.
#include "puffs/msgport/port.hh"

#include "puffs/msgport/simple_ports.hh"
#include "puffs/msgport/spin_port.hh"

#include <gtest/gtest.h>

namespace {

using namespace puffs;
using namespace puffs::msgport;

class port_test : public ::testing::Test {
  protected:
    msg m; // before the ports: these unlink what is left on them
    spin_port replies{"replies"};
    spin_port target{"target"};
    putonly_port inline_ok{"inline", [](port&, msg& got) {
                               got.result.number = 5;
                               return 0;
                           }};
    putonly_port inline_error{"inline error", [](port&, msg&) { return EIO; }};
    void SetUp() override { m.init(replies); }
};

// spec: P2 P4 D11 V2
TEST_F(port_test, an_inline_target_and_a_queued_one_look_the_same_to_the_sender) {
    for (const bool queued : {false, true}) {
        m.result.number = 0;
        sendmsg(queued ? static_cast<port&>(target) : inline_ok, m);
        if (queued) {
            EXPECT_FALSE(m.done());
            msg* const got = target.getport();
            ASSERT_EQ(got, &m);
            EXPECT_EQ(got->target(), &target);
            got->result.number = 5;
            replymsg(*got, 0);
        }
        EXPECT_TRUE(m.done());
        EXPECT_EQ(m.flags(), msg_done | msg_reply | msg_queued);
        EXPECT_EQ(replies.getport(), &m);
        EXPECT_EQ(m.flags(), msg_done | msg_reply);
        EXPECT_EQ(replies.getport(), nullptr);
        EXPECT_EQ(m.error, 0);
        EXPECT_EQ(m.result.number, 5);
    }
}

// spec: P2 P8 M6
TEST_F(port_test, the_error_of_an_inline_target_arrives_at_the_reply_port) {
    sendmsg(inline_error, m);
    EXPECT_EQ(replies.getport(), &m);
    EXPECT_EQ(m.error, EIO);
}

// spec: P3 M7 M8
TEST_F(port_test, prepare_clears_done_reply_and_sync_and_start_puts) {
    EXPECT_EQ(domsg(inline_ok, m), 0);
    EXPECT_EQ(m.flags(), msg_done | msg_reply | msg_sync);
    sendmsg_prepare(m);
    EXPECT_EQ(m.flags(), 0U);
    EXPECT_EQ(m.target(), nullptr);
    EXPECT_EQ(target.getport(), nullptr);
    sendmsg_start(target, m);
    EXPECT_EQ(target.getport(), &m);
    replymsg(m, 0);
    EXPECT_EQ(replies.getport(), &m);
}

// spec: P3 M1 M3
TEST_F(port_test, a_second_send_panics) {
    sendmsg_prepare(m);
    EXPECT_DEATH(sendmsg_prepare(m), "sent already");
    EXPECT_DEATH(sendmsg(target, m), "sent already");
    EXPECT_DEATH(domsg(target, m), "sent already");
    sendmsg_start(target, m);
    target.getport();
    replymsg(m, 0);
    EXPECT_DEATH(sendmsg(target, m), "linked") << "its reply is not fetched yet";
    replies.getport();
    msg bare;
    EXPECT_DEATH(sendmsg(target, bare), "without a reply port");
}

// spec: P8 M1 V2
TEST_F(port_test, only_what_is_being_served_can_be_replied_or_forwarded) {
    EXPECT_DEATH(replymsg(m, 0), "not being served");
    sendmsg(target, m);
    EXPECT_DEATH(replymsg(m, 0), "still on its way") << "queued";
    EXPECT_DEATH(forwardmsg(target, m), "still on its way");
    target.getport();
    EXPECT_DEATH(replymsg(m, -EIO), "no errno");
    EXPECT_DEATH(replymsg(m, easync), "no errno");
    replymsg(m, 0);
    EXPECT_DEATH(replymsg(m, 0), "not being served") << "twice";
    EXPECT_DEATH(forwardmsg(target, m), "not being served");
    EXPECT_EQ(replies.getport(), &m);
}

// spec: P6 M10
TEST_F(port_test, domsg_of_an_inline_target_never_touches_the_reply_port) {
    EXPECT_EQ(domsg(inline_ok, m), 0);
    EXPECT_EQ(m.flags() & (msg_done | msg_reply), msg_done | msg_reply);
    EXPECT_EQ(replies.getport(), nullptr);
    EXPECT_EQ(domsg(inline_error, m), EIO);
    EXPECT_EQ(m.error, EIO);
}

// spec: M10
TEST_F(port_test, a_synchronous_reply_is_not_queued_and_a_later_send_is_asynchronous_again) {
    putonly_port replies_at_once("replies at once", [](port&, msg& got) {
        replymsg(got, EPERM);
        return easync;
    });
    EXPECT_EQ(domsg(replies_at_once, m), EPERM);
    EXPECT_EQ(replies.getport(), nullptr);
    sendmsg(replies_at_once, m);
    EXPECT_EQ(replies.getport(), &m);
}

// spec: M8
TEST_F(port_test, one_port_can_carry_requests_and_replies) {
    msg to_self;
    to_self.init(target);
    sendmsg(inline_ok, to_self); // its reply comes to `target`
    sendmsg(target, m);
    msg* const first = target.getport();
    msg* const second = target.getport();
    EXPECT_EQ(first, &to_self);
    EXPECT_NE(first->flags() & msg_reply, 0U);
    EXPECT_EQ(second, &m);
    EXPECT_EQ(second->flags() & msg_reply, 0U);
    replymsg(*second, 0);
    EXPECT_EQ(replies.getport(), &m);
}

// spec: P15 M3
TEST_F(port_test, a_forwarded_message_changes_target_and_keeps_its_reply_port) {
    spin_port second("second");
    spin_port third("third");
    sendmsg(target, m);
    forwardmsg(second, *target.getport());
    EXPECT_EQ(m.target(), &second);
    forwardmsg(third, *second.getport());
    EXPECT_EQ(m.target(), &third);
    EXPECT_EQ(m.reply_port(), &replies);
    EXPECT_FALSE(m.done());
    forwardmsg(inline_error, *third.getport());
    EXPECT_EQ(replies.getport(), &m);
    EXPECT_EQ(m.error, EIO);
}

// spec: P14 M13
TEST_F(port_test, drop_knows_five_states) {
    spin_port owned("owned", &waiter::current());
    m.init(replies, msg_dropable);
    EXPECT_EQ(dropmsg(m), ENOENT) << "never sent";
    sendmsg(owned, m);
    EXPECT_EQ(dropmsg(m), 0) << "queued";
    EXPECT_TRUE(m.done());
    EXPECT_EQ(m.flags() & (msg_queued | msg_reply), 0U);
    EXPECT_EQ(owned.getport(), nullptr);
    EXPECT_EQ(dropmsg(m), ENOENT) << "dropped before";
    sendmsg(owned, m);
    EXPECT_EQ(owned.getport(), &m);
    EXPECT_EQ(dropmsg(m), ENOENT) << "taken";
    replymsg(m, 0);
    EXPECT_EQ(dropmsg(m), ENOENT) << "replied";
    EXPECT_EQ(replies.getport(), &m);
    sendmsg_prepare(m);
    EXPECT_EQ(dropmsg(m), ENOENT) << "prepared, no target";
    replymsg(m, 0);
    replies.getport();
}

// spec: P14
TEST_F(port_test, a_message_queued_at_another_port_is_not_dropped_from_this_one) {
    spin_port owned("owned", &waiter::current());
    m.init(owned, msg_dropable); // its reply port
    sendmsg(inline_ok, m);
    EXPECT_EQ(m.flags(), msg_done | msg_reply | msg_queued | msg_dropable);
    EXPECT_EQ(owned.dropmsg(m), ENOENT) << "queued there, but as a reply";
    EXPECT_EQ(owned.getport(), &m);
}

// spec: M13
TEST_F(port_test, dropable_messages_are_not_waited_for_and_others_not_dropped) {
    sendmsg(target, m);
    EXPECT_DEATH(dropmsg(m), "cannot be dropped");
    replymsg(*target.getport(), 0);
    replies.getport();
    m.init(replies, msg_dropable);
    EXPECT_DEATH(waitmsg(m), "can be dropped");
}

struct receipts {
    int count = 0;
    port* from = nullptr;
    bool flag_still_set = false;
    bool queued = false;
} seen;

void note_receipt(msg& m, port& p) {
    ++seen.count;
    seen.from = &p;
    seen.flag_still_set = (m.flags() & msg_receipt) != 0;
    seen.queued = (m.flags() & msg_queued) != 0;
}

// spec: M16 P1
TEST_F(port_test, a_receipt_is_given_once_when_the_message_is_queued) {
    seen = {};
    m.set_receipt(note_receipt);
    sendmsg(target, m);
    EXPECT_EQ(seen.count, 1);
    EXPECT_EQ(seen.from, &target);
    EXPECT_FALSE(seen.flag_still_set);
    EXPECT_TRUE(seen.queued);
    spin_port second("second");
    forwardmsg(second, *target.getport());
    EXPECT_EQ(seen.count, 1) << "forwarding gives none";
    replymsg(*second.getport(), 0);
    EXPECT_EQ(seen.count, 1) << "nor does the reply";
    replies.getport();
}

// spec: M16
TEST_F(port_test, no_receipt_of_what_completes_without_being_queued) {
    seen = {};
    m.set_receipt(note_receipt);
    sendmsg(inline_ok, m);
    replies.getport();
    EXPECT_EQ(m.flags() & msg_receipt, 0U);
    m.set_receipt(note_receipt);
    EXPECT_EQ(domsg(inline_ok, m), 0);
    EXPECT_EQ(m.flags() & msg_receipt, 0U);
    EXPECT_EQ(seen.count, 0);
}

// spec: P13
TEST_F(port_test, asking_whether_it_is_done_changes_nothing) {
    sendmsg(target, m);
    const auto before = m.flags();
    EXPECT_FALSE(m.done());
    EXPECT_EQ(m.flags(), before);
    replymsg(*target.getport(), 0);
    EXPECT_TRUE(m.done());
    EXPECT_TRUE(m.done());
    EXPECT_EQ(replies.getport(), &m);
}

// spec: P5
TEST_F(port_test, oncpu_needs_a_port_that_has_it) {
    EXPECT_DEATH(sendmsg_oncpu(inline_ok, m), "port 'inline' has no putport_oncpu");
    EXPECT_DEATH(sendmsg_oncpu(target, m), "port without a core");
}

// spec: P5
TEST_F(port_test, the_result_of_an_inline_target_on_its_core_arrives_at_the_reply_port) {
    struct inline_port final : port {
        using port::port;
        int putport_oncpu(msg&) override { return ENOTTY; }
    };
    inline_port here("here");
    sendmsg_oncpu(here, m);
    EXPECT_EQ(replies.getport(), &m);
    EXPECT_EQ(m.error, ENOTTY);
    EXPECT_EQ(m.flags(), msg_done | msg_reply);
}

} // namespace
