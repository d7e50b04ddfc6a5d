// The ports of a usermount: a request sent there runs at once, on the thread that sends it.
#include "client.hh"
#include "puffs/msgport/simple_ports.hh"
#include "puffs/server/make_operations.hh"
#include "tree_server.hh"

#include <gtest/gtest.h>
#include <thread>

namespace puffs {
namespace {

using namespace testing;

struct here : tree_server {
    std::thread::id ran_on;
    result<std::size_t> read(cc& c, node& n, std::span<std::byte> into, std::uint64_t offset) {
        ran_on = std::this_thread::get_id();
        return tree_server::read(c, n, into, offset);
    }
};

TEST(usermount_port, runs_the_request_inline_and_returns_its_errno) { // spec: H6 T11
    here server;
    const operations ops = make_operations<here>();
    usermount um(&server, ops, {}, 2);
    EXPECT_NE(&um.port(0), &um.port(1));
    server.at(server.add(1, "f", vtype::reg)).data = "abc";
    client c(um);
    const auto f = c.lookup(msg::cookie::root, "f")->node;

    int replies = 0;
    msgport::replyonly_port reply(
        "reply",
        [](msgport::port& self, msgport::msg&) {
            ++*static_cast<int*>(static_cast<msgport::replyonly_port&>(self).context());
        },
        &replies);
    msg::request r;
    r.head.opclass = static_cast<std::uint32_t>(msg::opclass::vn);
    r.head.optype = static_cast<std::uint32_t>(msg::vn_op::read);
    r.head.node = f;
    r.args.io = {};
    r.args.io.size = 10;
    std::array<std::byte, 10> out;
    msg::delivery d;
    d.init(reply);
    d.req = &r;
    d.data.out = out;
    msgport::sendmsg(um.port(1), d);
    EXPECT_EQ(replies, 1);
    EXPECT_EQ(server.ran_on, std::this_thread::get_id());
    EXPECT_EQ(d.error, 0);
    EXPECT_EQ(d.result.u64, 3U);
    EXPECT_EQ(r.args.io.done, 3U);

    r.head.node = static_cast<msg::cookie>(99);
    d.init(reply);
    EXPECT_EQ(msgport::domsg(um.port(0), d), ESTALE);
    EXPECT_EQ(r.head.rv, ESTALE);
}

TEST(usermount_port, the_caller_reaches_the_operation) { // spec: T11
    struct asks : tree_server {
        msg::caller who;
        std::uint64_t request = 0;
        result<attr> getattr(cc& c, node& n) {
            who = c.caller();
            request = c.request_id();
            EXPECT_EQ(&c.mount().root(), &n);
            return tree_server::getattr(c, n);
        }
    };
    mounted<asks> m;
    client c(m.um);
    c.who = {.pid = 1, .uid = 2, .gid = 3};
    EXPECT_TRUE(c.getattr(msg::cookie::root));
    EXPECT_EQ(m.server.who.pid, 1U);
    EXPECT_EQ(m.server.who.uid, 2U);
    EXPECT_EQ(m.server.who.gid, 3U);
    EXPECT_EQ(m.server.request, 1U);
}

TEST(usermount_port_death, a_core_that_the_mount_has_not) {
    mounted<tree_server> m;
    EXPECT_DEATH(static_cast<void>(m.um.port(1)), "no such core");
}

} // namespace
} // namespace puffs
