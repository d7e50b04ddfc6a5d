// Replies that the kernel does not take: what they would have given it goes back to the server.
#include "opmap_values.hh"
#include "puffs/msg/dirent.hh"

namespace puffs::fuse {
namespace {

using msg::cookie;
using msg::vn_op;
using puffs::test::taken;
using test::frame_builder;
using test::is_faf;
using test::made;
using test::newinfo_of;
using test::node;
using test::op_of;
using test::opmap_rig;
using wire::opcode;

class refused : public testing::Test {
  protected:
    // Handles a request whose reply is refused; what the server gets is left to be taken.
    taken handle_refused(const frame_builder& b) {
        rig.channel.refuses_for = &rig.map;
        rig.handle(b);
        return rig.take();
    }
    void expect_reclaim(cookie of) {
        const taken t = rig.take();
        EXPECT_EQ(op_of(t), vn_op::reclaim);
        EXPECT_TRUE(is_faf(t));
        EXPECT_EQ(t.request.head.node, of);
        EXPECT_EQ(t.request.args.reclaim.nlookup, 1U);
        EXPECT_EQ(t.request.head.who.uid, 1000U);
    }
    void expect_close(cookie of, std::uint64_t handle, std::uint32_t flags) {
        const taken t = rig.take();
        EXPECT_EQ(op_of(t), vn_op::close);
        EXPECT_TRUE(is_faf(t));
        EXPECT_EQ(t.request.head.node, of);
        EXPECT_EQ(t.request.args.close.handle, handle);
        EXPECT_EQ(t.request.args.close.flags, flags);
    }
    void expect_no_more() {
        EXPECT_TRUE(rig.server_is_idle());
        EXPECT_EQ(rig.mount.mount.live_nodes(), 0U);
        rig.only();
    }
    opmap_rig rig;
};

// spec: X4 X6
TEST_F(refused, entries_give_their_lookup_back) {
    wire::mknod_in node_in{};
    node_in.mode = 0100644;
    wire::mkdir_in dir_in{};
    dir_in.mode = 0755;
    const std::pair<frame_builder, std::uint32_t> cases[] = {
        {frame_builder(opcode::lookup).add_string("x"), 0100644},
        {frame_builder(opcode::mknod).add(node_in).add_string("x"), 0100644},
        {frame_builder(opcode::mkdir).add(dir_in).add_string("x"), 040755},
        {frame_builder(opcode::symlink).add_string("x").add_string("to"), 0120777},
    };
    for (const auto& [request, mode] : cases) {
        taken t = handle_refused(request);
        if (op_of(t) == vn_op::lookup) {
            t.request.args.lookup.made = newinfo_of(made, mode);
        } else {
            t.request.args.make.made = newinfo_of(made, mode);
        }
        rig.reply(t);
        expect_reclaim(made);
        expect_no_more();
    }
    taken t = handle_refused(
        frame_builder(opcode::link).add(wire::link_in{nodeid_of(made)}).add_string("x"));
    t.request.args.link.made = newinfo_of(made, 0100644);
    rig.reply(t);
    expect_reclaim(made);
    expect_no_more();
}

// spec: X4 X6
TEST_F(refused, opens_are_closed) {
    for (const opcode op : {opcode::open, opcode::opendir}) {
        taken t =
            handle_refused(frame_builder(op).add(wire::open_in{.flags = 0x8002, .open_flags = 0}));
        t.request.args.open.handle = 0xfeed;
        rig.reply(t);
        expect_close(node, 0xfeed, 0x8002);
        expect_no_more();
    }
}

// spec: X4 X6
TEST_F(refused, a_create_is_closed_and_gives_its_lookup_back) {
    const wire::create_in in{.flags = 0x8042, .mode = 0100600, .umask = 022, .open_flags = 0};
    taken t = handle_refused(frame_builder(opcode::create).add(in).add_string("new"));
    t.request.args.make.made = newinfo_of(made, 0100600);
    rig.reply(t);
    t = rig.take();
    EXPECT_EQ(op_of(t), vn_op::open);
    t.request.args.open.handle = 77;
    rig.reply(t);
    expect_close(made, 77, 0x8042);
    expect_reclaim(made);
    expect_no_more();
}

// spec: X4 X6
TEST_F(refused, directory_entries_give_each_lookup_back) {
    wire::read_in read{};
    read.size = 4096;
    taken t = handle_refused(frame_builder(opcode::readdirplus).add(read));
    const cookie nodes[] = {made, cookie::none, msg::make_cookie(11, 0)};
    std::string text;
    for (const cookie c : nodes) {
        const msg::newinfo info = c == cookie::none ? msg::newinfo{} : newinfo_of(c, 0100644);
        const std::string_view name = "a name of some length";
        std::string record(msg::dirent_bytes(name.size(), true), '\0');
        const msg::dirent_head head{7, 8, static_cast<std::uint32_t>(name.size()), 8};
        std::memcpy(record.data(), &info, sizeof info);
        std::memcpy(record.data() + msg::dirent_plus_bytes, &head, sizeof head);
        std::memcpy(record.data() + msg::dirent_plus_bytes + sizeof head, name.data(), name.size());
        text += record;
    }
    t.request.args.io.done = static_cast<std::uint32_t>(text.size());
    rig.reply(t, text);
    expect_reclaim(nodes[0]);
    expect_reclaim(nodes[2]);
    expect_no_more();
}

// spec: X4
TEST_F(refused, replies_that_give_nothing_leave_nothing) {
    taken t = handle_refused(frame_builder(opcode::readlink));
    rig.reply(t);
    expect_no_more();
    t = handle_refused(frame_builder(opcode::lookup).add_string("x")); // no such name, for 3 s
    t.request.args.lookup.made.entry_ttl = {3, 0};
    rig.reply(t);
    expect_no_more();
    rig.fail(handle_refused(frame_builder(opcode::open).add(wire::open_in{})), EACCES);
    expect_no_more();
}

} // namespace
} // namespace puffs::fuse
