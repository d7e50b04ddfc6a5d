// A hostile server: for each operation, answers that must not be believed, beside ones that must (F41).
#include "puffs/base/limits.hh"
#include "puffs/msg/dirent.hh"
#include "support/msgif/mount_rig.hh"

#include <limits>
#include <sys/stat.h>

namespace puffs::test {
namespace {

using msg::arguments;
using bytes = std::vector<std::byte>;

constexpr auto parent = msg::make_cookie(2, 0);
constexpr auto live = msg::make_cookie(3, 0);
constexpr auto fresh = msg::make_cookie(4, 0);

struct hostile_case {
    const char* name;
    vn_op op;
    int rv; // what the caller gets
    std::function<void(arguments&)> ask;
    std::function<void(msg::request&, bytes&)> answer;
};

const auto nothing_asked = [](arguments&) {};

msg::newinfo node(cookie c, std::uint32_t mode = S_IFREG | 0644) {
    msg::newinfo made;
    made.node = c;
    made.va.mode = mode;
    return made;
}

auto found(msg::newinfo made) {
    return [made](msg::request& r, bytes&) { r.args.lookup.made = made; };
}
auto made(msg::newinfo m) {
    return [m](msg::request& r, bytes&) { r.args.make.made = m; };
}
auto linked(msg::newinfo m) {
    return [m](msg::request& r, bytes&) { r.args.link.made = m; };
}
auto with(msg::newinfo m, const std::function<void(msg::newinfo&)>& change) {
    change(m);
    return m;
}
auto attributes(std::function<void(msg::attr&, msg::ttl&)> change) {
    return [change = std::move(change)](msg::request& r, bytes&) {
        r.args.getattr.va = {};
        r.args.getattr.va.mode = S_IFREG;
        r.args.getattr.attr_ttl = {};
        change(r.args.getattr.va, r.args.getattr.attr_ttl);
    };
}
auto fails(int rv) {
    return [rv](msg::request& r, bytes&) { r.head.rv = rv; };
}
auto asks_bytes(std::uint32_t size, bool plus = false) {
    return [size, plus](arguments& a) {
        a.io.size = size;
        a.io.plus = plus ? 1 : 0;
    };
}
auto asks_attribute(std::uint32_t size) {
    return [size](arguments& a) { a.extattr.size = size; };
}
auto produces(std::uint32_t done, std::size_t carried) {
    return [=](msg::request& r, bytes& out) {
        r.args.io.done = done;
        out.assign(carried, std::byte{1});
    };
}
auto gives_attribute(std::uint32_t done, std::size_t carried) {
    return [=](msg::request& r, bytes& out) {
        r.args.extattr.done = done;
        out.assign(carried, std::byte{1});
    };
}
auto gives_link(std::uint32_t done, std::size_t carried) {
    return [=](msg::request& r, bytes& out) {
        r.args.readlink.done = done;
        out.assign(carried, std::byte{'x'});
    };
}

void append(bytes& out, std::string_view name, bool plus, const msg::newinfo& made) {
    const std::size_t at = out.size();
    out.resize(at + msg::dirent_bytes(name.size(), plus));
    std::byte* to = out.data() + at;
    if (plus) {
        std::memcpy(to, &made, sizeof made);
        to += sizeof made;
    }
    const msg::dirent_head head{1, 1, static_cast<std::uint32_t>(name.size()), 8};
    std::memcpy(to, &head, sizeof head);
    std::memcpy(to + sizeof head, name.data(), name.size());
}
struct entry {
    std::string name;
    msg::newinfo made;
};
auto lists(const std::vector<entry>& entries, bool plus, int cut = 0) {
    return [=](msg::request& r, bytes& out) {
        for (const entry& e : entries)
            append(out, e.name, plus, e.made);
        out.resize(out.size() - static_cast<std::size_t>(cut));
        r.args.io.done = static_cast<std::uint32_t>(out.size());
    };
}

constexpr std::uint64_t too_large = std::uint64_t{1} << 63;
constexpr std::uint32_t second = 1'000'000'000;

const hostile_case table[] = {
    {"errno of 1", vn_op::fsync, 1, nothing_asked, fails(1)},
    {"last errno", vn_op::fsync, 511, nothing_asked, fails(511)},
    {"errno past the last", vn_op::fsync, EPROTO, nothing_asked, fails(512)},
    {"negative errno", vn_op::fsync, EPROTO, nothing_asked, fails(-1)},
    {"smallest errno", vn_op::fsync, EPROTO, nothing_asked, fails(std::numeric_limits<int>::min())},
    {"bytes nobody asked for", vn_op::fsync, EPROTO, nothing_asked,
     [](msg::request&, bytes& out) { out.resize(8); }},

    {"lookup", vn_op::lookup, 0, nothing_asked, found(node(fresh))},
    {"lookup of a live node", vn_op::lookup, 0, nothing_asked, found(node(live))},
    {"lookup of nothing", vn_op::lookup, 0, nothing_asked, found({})},
    {"lookup of its parent", vn_op::lookup, EPROTO, nothing_asked, found(node(parent, S_IFDIR))},
    {"lookup of the root", vn_op::lookup, EPROTO, nothing_asked,
     found(node(cookie::root, S_IFDIR))},
    {"lookup of another node in a live slot", vn_op::lookup, EPROTO, nothing_asked,
     found(node(msg::make_cookie(msg::slot_of(live), 7)))},
    {"lookup of a slot beyond all", vn_op::lookup, EPROTO, nothing_asked,
     found(node(msg::make_cookie(0xffffffff, 0)))},
    {"lookup without a type", vn_op::lookup, EPROTO, nothing_asked, found(node(fresh, 0644))},
    {"lookup with a type that is none", vn_op::lookup, EPROTO, nothing_asked,
     found(node(fresh, 0xf000))},
    {"lookup of a huge file", vn_op::lookup, EPROTO, nothing_asked,
     found(with(node(fresh), [](auto& m) { m.va.size = too_large; }))},
    {"lookup with a bad time", vn_op::lookup, EPROTO, nothing_asked,
     found(with(node(fresh), [](auto& m) { m.va.mtime.nsec = second; }))},
    {"lookup with a bad entry time-out", vn_op::lookup, EPROTO, nothing_asked,
     found(with(node(fresh), [](auto& m) { m.entry_ttl.nsec = second; }))},
    {"lookup with a bad attribute time-out", vn_op::lookup, EPROTO, nothing_asked,
     found(with(node(fresh), [](auto& m) { m.attr_ttl.nsec = second; }))},
    {"lookup of nothing with a bad time-out", vn_op::lookup, EPROTO, nothing_asked,
     found(with({}, [](auto& m) { m.entry_ttl.nsec = second; }))},

    {"create", vn_op::create, 0, nothing_asked, made(node(fresh))},
    {"create without a cookie", vn_op::create, EOPNOTSUPP, nothing_asked, made(node(cookie::none))},
    {"create of a live node", vn_op::create, 0, nothing_asked,
     made(node(live))}, // another was first
    {"create of the root", vn_op::create, EPROTO, nothing_asked, made(node(cookie::root))},
    {"create of the directory it is in", vn_op::create, EPROTO, nothing_asked, made(node(parent))},
    {"create of a directory", vn_op::create, EPROTO, nothing_asked, made(node(fresh, S_IFDIR))},
    {"tmpfile of a live node", vn_op::tmpfile, EPROTO, nothing_asked, made(node(live))},
    {"mkdir", vn_op::mkdir, 0, nothing_asked, made(node(fresh, S_IFDIR))},
    {"mkdir of a file", vn_op::mkdir, EPROTO, nothing_asked, made(node(fresh))},
    {"mkdir of a live node", vn_op::mkdir, 0, nothing_asked, made(node(live, S_IFDIR))},
    {"mkdir of the directory it is in", vn_op::mkdir, EPROTO, nothing_asked,
     made(node(parent, S_IFDIR))},
    {"mkdir of a node of the past", vn_op::mkdir, EPROTO, nothing_asked,
     made(node(msg::make_cookie(msg::slot_of(live), 7), S_IFDIR))},
    {"symlink", vn_op::symlink, 0, nothing_asked, made(node(fresh, S_IFLNK))},
    {"symlink of a live node", vn_op::symlink, 0, nothing_asked, made(node(live, S_IFLNK))},
    {"symlink of a file", vn_op::symlink, EPROTO, nothing_asked, made(node(fresh))},
    {"mknod of a fifo", vn_op::mknod, 0, [](arguments& a) { a.make.mode = S_IFIFO; },
     made(node(fresh, S_IFIFO))},
    {"mknod of a live node", vn_op::mknod, 0, [](arguments& a) { a.make.mode = S_IFIFO; },
     made(node(live, S_IFIFO))},
    {"mknod of another type", vn_op::mknod, EPROTO, [](arguments& a) { a.make.mode = S_IFIFO; },
     [](msg::request& r, bytes&) {
         r.args.make.mode = S_IFSOCK; // what was asked is not for the server to say
         r.args.make.made = node(fresh, S_IFSOCK);
     }},
    {"mknod without a type makes a file", vn_op::mknod, 0, nothing_asked, made(node(fresh))},
    {"link", vn_op::link, 0, [](arguments& a) { a.link.target = live; }, linked(node(live))},
    {"link to another node", vn_op::link, EPROTO, [](arguments& a) { a.link.target = live; },
     [](msg::request& r, bytes&) {
         r.args.link.target = fresh;
         r.args.link.made = node(fresh);
     }},

    {"getattr", vn_op::getattr, 0, nothing_asked, attributes([](auto&, auto&) {})},
    {"getattr without a type", vn_op::getattr, EPROTO, nothing_asked,
     attributes([](auto& va, auto&) { va.mode = 0; })},
    {"getattr of a huge file", vn_op::getattr, EPROTO, nothing_asked,
     attributes([](auto& va, auto&) { va.size = too_large; })},
    {"getattr with a bad atime", vn_op::getattr, EPROTO, nothing_asked,
     attributes([](auto& va, auto&) { va.atime.nsec = second; })},
    {"getattr with a bad ctime", vn_op::getattr, EPROTO, nothing_asked,
     attributes([](auto& va, auto&) { va.ctime.nsec = second; })},
    {"getattr with a bad time-out", vn_op::getattr, EPROTO, nothing_asked,
     attributes([](auto&, auto& t) { t.nsec = second; })},
    {"setattr of nothing", vn_op::setattr, EPROTO, nothing_asked,
     [](msg::request& r, bytes&) { r.args.setattr.va = {}; }},
    {"open", vn_op::open, 0, nothing_asked,
     [](msg::request& r, bytes&) { r.args.open.result_bits = msg::open_bits_all; }},
    {"open with a bit that does not exist", vn_op::open, EPROTO, nothing_asked,
     [](msg::request& r, bytes&) { r.args.open.result_bits = 128; }},

    {"read of less", vn_op::read, 0, asks_bytes(32), produces(5, 5)},
    {"read of all", vn_op::read, 0, asks_bytes(32), produces(32, 32)},
    {"read of more than asked", vn_op::read, EPROTO, asks_bytes(32), produces(33, 33)},
    {"read of more than it carries", vn_op::read, EPROTO, asks_bytes(32), produces(30, 8)},
    {"read of less than it carries", vn_op::read, EPROTO, asks_bytes(32), produces(8, 30)},
    {"read that asks itself for more", vn_op::read, EPROTO, asks_bytes(32),
     [](msg::request& r, bytes& out) {
         r.args.io.size = 64;
         r.args.io.done = 64;
         out.resize(64);
     }},
    {"write of less", vn_op::write, 0, asks_bytes(32), produces(31, 0)},
    {"write of more than offered", vn_op::write, EPROTO, asks_bytes(32), produces(33, 0)},
    {"seek", vn_op::seek, 0, nothing_asked,
     [](msg::request& r, bytes&) { r.args.seek.offset = too_large - 1; }},
    {"seek beyond every file", vn_op::seek, EPROTO, nothing_asked,
     [](msg::request& r, bytes&) { r.args.seek.offset = too_large; }},

    {"readdir", vn_op::readdir, 0, asks_bytes(400), lists({{"a", {}}, {"b", {}}}, false)},
    {"readdir of a name with a slash", vn_op::readdir, EPROTO, asks_bytes(400),
     lists({{"a/b", {}}}, false)},
    {"readdir without a name", vn_op::readdir, EPROTO, asks_bytes(400), lists({{"", {}}}, false)},
    {"readdir cut off", vn_op::readdir, EPROTO, asks_bytes(400),
     lists({{"a", {}}, {"b", {}}}, false, 8)},
    {"readdirplus", vn_op::readdir, 0, asks_bytes(600, true),
     lists({{".", {}}, {"a", node(live)}, {"b", node(fresh)}}, true)},
    {"readdirplus of the root", vn_op::readdir, EPROTO, asks_bytes(400, true),
     lists({{"a", node(cookie::root)}}, true)},
    {"readdirplus of its parent", vn_op::readdir, EPROTO, asks_bytes(400, true),
     lists({{"a", node(parent)}}, true)},
    {"readdirplus of a node for ..", vn_op::readdir, EPROTO, asks_bytes(400, true),
     lists({{"..", node(fresh)}}, true)},
    {"readdirplus without a type", vn_op::readdir, EPROTO, asks_bytes(400, true),
     lists({{"a", node(fresh, 0)}}, true)},
    {"readdirplus whose last node cannot be", vn_op::readdir, EPROTO, asks_bytes(600, true),
     lists({{"a", node(fresh)}, {"b", node(msg::make_cookie(msg::slot_of(live), 7))}}, true)},

    {"readlink", vn_op::readlink, 0, nothing_asked, gives_link(9, 9)},
    {"readlink of more than it carries", vn_op::readlink, EPROTO, nothing_asked, gives_link(10, 9)},
    {"getextattr", vn_op::getextattr, 0, asks_attribute(32), gives_attribute(32, 32)},
    {"getextattr of more than asked", vn_op::getextattr, EPROTO, asks_attribute(32),
     gives_attribute(33, 33)},
    {"getextattr of more than it carries", vn_op::getextattr, EPROTO, asks_attribute(32),
     gives_attribute(32, 8)},
    {"getextattr of a length", vn_op::getextattr, 0, asks_attribute(0),
     gives_attribute(limits::xattr_value_bytes, 0)},
    {"getextattr of a length beyond all", vn_op::getextattr, EPROTO, asks_attribute(0),
     gives_attribute(limits::xattr_value_bytes + 1, 0)},
    {"getextattr of a value instead of a length", vn_op::getextattr, EPROTO, asks_attribute(0),
     gives_attribute(4, 4)},
    {"listextattr of more than asked", vn_op::listextattr, EPROTO, asks_attribute(32),
     gives_attribute(33, 33)},
};

class hostile_server : public testing::TestWithParam<transport_kind> {};
INSTANTIATE_TEST_SUITE_P(T16, hostile_server,
                         testing::Values(transport_kind::frames, transport_kind::inproc),
                         kind_name);

// `live`, and `fresh` if the answer named it and was believed.
std::size_t nodes_after(const hostile_case& h) {
    const std::string_view name = h.name;
    const bool names_fresh = h.op == vn_op::create || h.op == vn_op::mkdir ||
                             h.op == vn_op::symlink || h.op == vn_op::mknod || name == "lookup" ||
                             name == "readdirplus";
    return h.rv == 0 && names_fresh && !name.ends_with("of a live node") ? 2 : 1;
}

// spec: F41
TEST_P(hostile_server, is_believed_only_what_can_be) {
    for (const hostile_case& h : table) {
        SCOPED_TRACE(h.name);
        mount_rig rig;
        const auto server = make_server(GetParam(), rig);
        caller first; // makes `live` live
        first.start(rig, 0, [](park& p) {
            p.setinfo(opclass::vn, static_cast<std::uint32_t>(vn_op::lookup), parent);
        });
        auto t = server->take(0);
        ASSERT_TRUE(t);
        t->request.args.lookup.made = node(live);
        server->reply(*t, 0, t->request, {});
        ASSERT_EQ(first.rv, 0);
        ASSERT_EQ(rig.mount.live_nodes(), 1U);

        bytes room(1024);
        caller c;
        c.start(rig, 0, [&](park& p) {
            p.setinfo(opclass::vn, static_cast<std::uint32_t>(h.op), parent);
            p.set_runs({}, room);
            h.ask(p.req().args);
        });
        t = server->take(0);
        ASSERT_TRUE(t);
        bytes out;
        h.answer(t->request, out);
        server->reply(*t, 0, t->request, out);
        EXPECT_TRUE(c.over);
        EXPECT_EQ(c.rv, h.rv);
        EXPECT_EQ(rig.mount.live_nodes(), nodes_after(h));
        const bool refused = h.rv == EPROTO || h.rv == EOPNOTSUPP;
        EXPECT_EQ(rig.mount.counters_of(0).refused_replies, refused ? 1U : 0U);
        if (GetParam() == transport_kind::frames) {
            ASSERT_EQ(server->answers.size(), refused ? 1U : 0U);
            if (refused) {
                const answer& a = server->answers[0];
                EXPECT_EQ(a.request.head.opclass,
                          static_cast<std::uint32_t>(opclass::error) | msg::opclass_faf);
                EXPECT_EQ(a.request.head.optype, static_cast<std::uint32_t>(h.op));
                EXPECT_EQ(a.request.head.node, parent);
                EXPECT_GT(a.request.head.rv, 0);
                EXPECT_FALSE(a.text.empty());
            }
        }
    }
}

// spec: F41
TEST(nodes, are_counted_by_each_answer_until_they_are_given_back) {
    mount_rig rig;
    frame_server server(rig);
    const auto look_up = [&] {
        caller c;
        c.start(rig, 0, [](park& p) {
            p.setinfo(opclass::vn, static_cast<std::uint32_t>(vn_op::lookup), parent);
        });
        auto t = server.take(0);
        t->request.args.lookup.made = node(live);
        server.reply(*t, 0, t->request, {});
        return c.rv;
    };
    EXPECT_TRUE(rig.mount.is_live(cookie::root));
    EXPECT_FALSE(rig.mount.is_live(live));
    EXPECT_EQ(look_up(), 0);
    EXPECT_EQ(look_up(), 0);
    rig.mount.reclaimed(live, 1);
    EXPECT_TRUE(rig.mount.is_live(live));
    rig.mount.reclaimed(live, 1);
    EXPECT_FALSE(rig.mount.is_live(live));
}

} // namespace
} // namespace puffs::test
