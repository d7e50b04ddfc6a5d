// Messages by themselves: flags, init, queues.
#include "puffs/msgport/msg.hh"

#include "puffs/msgport/msg_queue.hh"
#include "puffs/msgport/simple_ports.hh"

#include <gtest/gtest.h>
#include <type_traits>

namespace {

using namespace puffs::msgport;

class msg_test : public ::testing::Test {
  protected:
    replyonly_null_port replies{"replies"};
    putonly_port keeps{"keeps", [](port&, msg&) { return easync; }};
    msg m;
};

// spec: M17
static_assert(msg_user_mask == 0xffff0000U);
static_assert((msg_user_mask & (msg_done | msg_reply | msg_queued | msg_sync | msg_intransit |
                                msg_static | msg_receipt)) == 0);
// spec: P7
static_assert(easync > 4095);
// spec: M5
static_assert(std::is_trivially_copyable_v<msg_result>);

// spec: P1 M7
TEST_F(msg_test, init_makes_it_done_and_leaves_other_fields_alone) {
    m.error = 77;
    m.result.u64 = 0x1122334455667788U;
    m.init(replies, msg_priority);
    EXPECT_EQ(m.flags(), msg_done | msg_priority);
    EXPECT_EQ(m.reply_port(), &replies);
    EXPECT_EQ(m.error, 77);
    EXPECT_EQ(m.result.u64, 0x1122334455667788U);
    EXPECT_TRUE(m.done());
}

// spec: P1 M14
TEST_F(msg_test, reinit_keeps_only_static_and_user_bits) {
    m.init_abortable(
        replies, [](msg&) {}, msg_dropable);
    m.set_receipt([](msg&, port&) {});
    m.set_user_flags(0x00050000);
    sendmsg_prepare(m);
    m.clear_user_flags(0x00010000);
    replymsg(m, 0);
    EXPECT_EQ(m.flags() & msg_reply, msg_reply);
    m.reinit();
    EXPECT_EQ(m.flags(), msg_done | msg_dropable | msg_abortable | 0x00040000U);
}

// spec: M17
TEST_F(msg_test, user_flags_survive_everything_the_layer_does) {
    for (unsigned bit = 16; bit < 32; ++bit) {
        const std::uint32_t user = 1U << bit;
        msg one;
        one.set_user_flags(user);
        one.init(replies);
        sendmsg(keeps, one);
        replymsg(one, 0);
        sendmsg(keeps, one);
        msg_queue q;
        q.push(one);
        q.pop();
        replymsg(one, 0);
        EXPECT_EQ(one.flags() & msg_user_mask, user);
        EXPECT_EQ(domsg(*std::make_unique<putonly_port>("now", [](port&, msg&) { return 0; }), one),
                  0);
        one.reinit();
        EXPECT_EQ(one.flags() & msg_user_mask, user);
        one.clear_user_flags(user);
        EXPECT_EQ(one.flags() & msg_user_mask, 0U);
    }
    EXPECT_DEATH(m.set_user_flags(msg_done), "not a user flag");
    EXPECT_DEATH(m.clear_user_flags(msg_done), "not a user flag");
}

// spec: P1 M1 M15
TEST_F(msg_test, init_of_a_message_in_flight_or_linked_panics) {
    m.init(replies);
    msg_queue q;
    q.push(m);
    EXPECT_DEATH(m.init(replies, msg_priority), "linked or sent"); // flips the priority
    EXPECT_DEATH(m.reinit(), "linked or sent");
    q.pop();
    sendmsg(keeps, m);
    EXPECT_DEATH(m.init(replies), "linked or sent");
    EXPECT_DEATH(m.reinit(), "linked or sent");
    replymsg(m, 0);
    m.init(replies);
    EXPECT_DEATH(m.init(replies, msg_reply), "not static");
    EXPECT_DEATH(m.init(replies, msg_abortable), "without an abort function");
}

// spec: D13 P9 V1
TEST_F(msg_test, priority_messages_come_first_each_kind_in_order_of_arrival) {
    msg ordinary[3];
    msg urgent[3];
    msg_queue q;
    EXPECT_TRUE(q.empty());
    EXPECT_EQ(q.pop(), nullptr);
    EXPECT_EQ(q.peek(), nullptr);
    for (int i = 0; i < 3; ++i) {
        ordinary[i].init(replies);
        urgent[i].init(replies, msg_priority);
        q.push(ordinary[i]);
        q.push(urgent[i]);
        EXPECT_NE(ordinary[i].flags() & msg_queued, 0U);
    }
    EXPECT_EQ(q.peek(), &urgent[0]);
    EXPECT_EQ(q.pop(), &urgent[0]);
    q.unlink(urgent[1]);
    q.unlink(ordinary[1]);
    EXPECT_EQ(urgent[1].flags() & msg_queued, 0U);
    EXPECT_EQ(q.pop(), &urgent[2]);
    EXPECT_EQ(q.pop(), &ordinary[0]);
    EXPECT_EQ(ordinary[0].flags() & msg_queued, 0U);
    EXPECT_EQ(q.pop(), &ordinary[2]);
    EXPECT_TRUE(q.empty());
}

// spec: M2
TEST_F(msg_test, a_message_is_on_one_queue_at_most) {
    msg_queue q;
    msg_queue other;
    q.push(m);
    EXPECT_DEATH(q.push(m), "queued twice");
    EXPECT_DEATH(other.push(m), "queued twice");
#ifdef PUFFS_RACE_POINTS
    EXPECT_DEATH(other.unlink(m), "on another queue");
#endif
    q.unlink(m);
    EXPECT_DEATH(q.unlink(m), "on no queue");
}

} // namespace
