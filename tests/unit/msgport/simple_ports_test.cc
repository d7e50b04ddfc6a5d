#include "puffs/msgport/simple_ports.hh"

#include <gtest/gtest.h>

namespace {

using namespace puffs;
using namespace puffs::msgport;

putonly_port keeps("keeps", [](port&, msg&) { return easync; });

// spec: D9 D12
TEST(replyonly_null_port, a_reply_marks_the_message_and_does_nothing_else) {
    replyonly_null_port replies("null");
    msg m;
    m.init(replies);
    sendmsg(keeps, m);
    EXPECT_FALSE(m.done());
    replymsg(m, EIO);
    EXPECT_EQ(m.flags(), msg_done | msg_reply);
    EXPECT_EQ(m.error, EIO);
    EXPECT_FALSE(m.node.is_linked());
}

// spec: D9
TEST(replyonly_null_port, every_other_call_panics_naming_port_and_call) {
    replyonly_null_port p("null");
    msg m;
    m.init(p);
    EXPECT_DEATH(domsg(keeps, m), "port 'null' has no waitmsg");
    EXPECT_DEATH(p.putport(m), "port 'null' has no putport");
    EXPECT_DEATH(p.putport_oncpu(m), "port 'null' has no putport_oncpu");
    EXPECT_DEATH(p.getport(), "port 'null' has no getport");
    EXPECT_DEATH(p.waitport(sleep_flags::none), "port 'null' has no waitport");
    EXPECT_DEATH(p.dropmsg(m), "port 'null' has no dropmsg");
}

// spec: D10
TEST(replyonly_port, a_reply_goes_to_the_function_which_then_owns_the_message) {
    int replies = 0;
    replyonly_port sink(
        "sink",
        [](port& self, msg& m) {
            EXPECT_EQ(m.flags() & (msg_done | msg_reply), msg_done | msg_reply);
            ++*static_cast<int*>(static_cast<replyonly_port&>(self).context());
            delete &m;
        },
        &replies);
    auto* const m = new msg;
    m->init(sink);
    sendmsg(keeps, *m);
    replymsg(*m, 0);
    EXPECT_EQ(replies, 1);
    msg other;
    other.init(sink);
    EXPECT_DEATH(domsg(keeps, other), "port 'sink' has no waitmsg");
    EXPECT_DEATH(sink.putport(other), "port 'sink' has no putport");
    EXPECT_DEATH(sink.getport(), "port 'sink' has no getport");
}

// spec: D11
TEST(putonly_port, a_put_runs_the_function_and_everything_else_panics) {
    int puts = 0;
    putonly_port p(
        "inline",
        [](port& self, msg&) {
            ++*static_cast<int*>(static_cast<putonly_port&>(self).context());
            return ENOTTY;
        },
        &puts);
    replyonly_null_port replies("null");
    msg m;
    m.init(replies);
    EXPECT_EQ(domsg(p, m), ENOTTY);
    EXPECT_EQ(puts, 1);
    EXPECT_DEATH(p.replyport(m), "port 'inline' has no replyport");
    EXPECT_DEATH(p.waitmsg(m, sleep_flags::none), "port 'inline' has no waitmsg");
    EXPECT_DEATH(p.getport(), "port 'inline' has no getport");
    EXPECT_DEATH(p.dropmsg(m), "port 'inline' has no dropmsg");
}

// spec: D11 P15
TEST(putonly_port, may_redirect_what_it_gets) {
    replyonly_null_port replies("null");
    static putonly_port end("end", [](port&, msg&) { return ECHILD; });
    putonly_port redirects("redirects", [](port&, msg& m) {
        forwardmsg(end, m);
        return easync;
    });
    msg m;
    m.init(replies);
    sendmsg(redirects, m);
    EXPECT_TRUE(m.done());
    EXPECT_EQ(m.error, ECHILD);
}

} // namespace
