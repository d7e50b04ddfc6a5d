// A server that speaks an older layout: answers that cannot be believed, or lack something.
#include "unit/msgif/older_server.hh"

#include <csignal>

namespace puffs::test {
namespace {

constexpr auto dir = msg::make_cookie(2, 0);
constexpr auto fresh = msg::make_cookie(4, 0);

// What the caller gets for an answer to a read of 64 bytes, or to a lookup: `change` is done to the frame.
struct bad_frame {
    const char* name;
    vn_op op;
    std::size_t carried; // bytes behind the fixed part
    int rv;              // what the caller gets; -1: nothing
    int told;            // what the server is told; 0: nothing
    std::function<void(frame_bytes&)> change;
    std::size_t lost = 0;
};
const auto unchanged = [](frame_bytes&) {};
auto cut_to(std::size_t n) {
    return [n](frame_bytes& f) { f.resize(n); };
}
template <class T>
auto put(std::size_t at, T value) {
    return [=](frame_bytes& f) { std::memcpy(f.data() + at, &value, sizeof value); };
}
constexpr std::size_t made_at = sizeof(msg::header) + offsetof(older::lookup_args, made);

// spec: F28 F37 F39 F40 F41
TEST(older_layout, answers_are_refused_as_those_in_the_current_one) {
    constexpr std::size_t mode_at =
        made_at + offsetof(older::newinfo, va) + offsetof(older::attr, mode);
    const auto rv_is = [](std::int32_t rv) { return put(offsetof(msg::header, rv), rv); };
    const bad_frame table[] = {
        {"believed", vn_op::lookup, 0, 0, 0, unchanged},
        {"shorter than a header", vn_op::lookup, 0, -1, EINVAL, cut_to(sizeof(msg::header) - 1)},
        {"bytes nobody asked for", vn_op::lookup, 1, EPROTO, E2BIG, unchanged},
        {"its parent", vn_op::lookup, 0, EPROTO, EPROTO, put(made_at, dir)},
        {"the root", vn_op::lookup, 0, EPROTO, EPROTO, put(made_at, cookie::root)},
        {"no type", vn_op::lookup, 0, EPROTO, EPROTO, put(mode_at, std::uint32_t{0644})},
        {"an errno", vn_op::lookup, 0, ENOENT, 0, rv_is(ENOENT)},
        {"an errno in a header", vn_op::lookup, 0, ENOENT, 0,
         [=](frame_bytes& f) {
             rv_is(ENOENT)(f);
             f.resize(sizeof(msg::header));
         }},
        {"no errno", vn_op::lookup, 0, EPROTO, EINVAL, rv_is(512)},
        {"negative", vn_op::lookup, 0, EPROTO, EINVAL, rv_is(-1)},
        {"another operation", vn_op::lookup, 0, EPROTO, EINVAL,
         put(offsetof(msg::header, optype), vn_op::getattr)},
        {"another class", vn_op::lookup, 0, EPROTO, EINVAL,
         put(offsetof(msg::header, opclass), std::uint32_t{1})},
        {"all", vn_op::read, 64, 0, 0, unchanged},
        {"too much", vn_op::read, 65, EPROTO, E2BIG, unchanged},
        {"too much, in both pieces", vn_op::read, 1000, EPROTO, E2BIG, unchanged},
        {"too much, and an errno", vn_op::read, 65, EPROTO, E2BIG, rv_is(EIO)},
        {"less than it says", vn_op::read, 64, EPROTO, EPROTO,
         [](frame_bytes& f) { f.pop_back(); }},
        {"fewer bytes than its length", vn_op::read, 200, EPROTO, EINVAL, unchanged, 8},
    };
    for (const bad_frame& b : table) {
        SCOPED_TRACE(b.name);
        older_rig rig;
        older_server server(rig);
        std::vector<std::byte> room(b.op == vn_op::read ? 64 : 0);
        caller c;
        c.start(rig, 0, [&](park& p) {
            p.setinfo(opclass::vn, static_cast<std::uint32_t>(b.op), dir);
            p.set_runs({}, room);
            if (b.op == vn_op::read) p.req().args.io.size = 64;
        });
        const auto w = server.take();
        ASSERT_TRUE(w);
        frame_bytes frame;
        if (b.op == vn_op::read) {
            auto o = w->args<older::read_args>();
            o.done = static_cast<std::uint32_t>(b.carried);
            frame = answer_to(*w, o, frame_bytes(b.carried, std::byte{7}));
        } else {
            auto o = w->args<older::lookup_args>();
            o.made = some_node(fresh);
            frame = answer_to(*w, o, frame_bytes(b.carried));
        }
        b.change(frame);
        server.send(frame, 0, b.lost);
        EXPECT_EQ(c.over, b.rv != -1);
        EXPECT_EQ(c.rv, b.rv);
        EXPECT_EQ(server.answers.size(), b.told != 0 ? 1U : 0U);
        if (b.told != 0) {
            EXPECT_EQ(server.answers.at(0).request.head.rv, b.told);
        }
        if (b.told == E2BIG && !room.empty()) {
            EXPECT_EQ(room[0], std::byte{});
        }
        EXPECT_EQ(rig.mount.live_nodes(), b.rv == 0 && b.op == vn_op::lookup ? 1U : 0U);
        rig.on([&] { rig.mount.userdead(); });
    }
}

// spec: F28 F40
TEST(older_layout, shorter_answers_leave_the_rest_as_it_was_asked) {
    older_rig rig;
    older_server server(rig);
    caller c;
    c.start(rig, 0, [](park& p) {
        p.setinfo(opclass::vn, static_cast<std::uint32_t>(vn_op::setattr), dir);
        p.req().args.setattr = {.handle = 5, .valid = msg::set_mode, .va = {}, .attr_ttl = {}};
        p.req().args.setattr.va.mode = regular;
        p.req().args.setattr.va.uid = 1234;
    });
    const auto w = server.take();
    ASSERT_TRUE(w);
    auto o = w->args<older::setattr_args>();
    o.va = some_attr();
    frame_bytes frame = answer_to(*w, o);
    frame.resize(sizeof(msg::header) + offsetof(older::setattr_args, va) +
                 offsetof(older::attr, mode));
    server.send(frame);
    EXPECT_EQ(c.rv, 0);
    const msg::attr& va = c.request.args.setattr.va;
    EXPECT_EQ(va.size, 4'000'000'000U);
    EXPECT_EQ(va.mode, regular);
    EXPECT_EQ(va.uid, 1234U);
}

// spec: F28 F27
TEST(older_layout, carries_setbacks) {
    older_rig rig;
    older_server server(rig);
    caller c;
    c.start(rig, 0, [](park& p) {
        p.setinfo(opclass::vn, static_cast<std::uint32_t>(vn_op::lookup), dir);
    });
    const auto w = server.take();
    ASSERT_TRUE(w);
    frame_bytes frame = answer_to(*w, w->args<older::lookup_args>());
    put(offsetof(msg::header, setbacks), std::uint32_t{0xf0 | msg::setback_noref_n1})(frame);
    server.send(frame);
    EXPECT_EQ(c.rv, 0);
    EXPECT_EQ(c.setbacks, std::uint32_t{msg::setback_noref_n1});
}

// spec: F28 F26
TEST(older_layout, answers_that_nobody_waits_for_are_given_back) {
    older_rig rig;
    older_server server(rig);
    caller c;
    c.start(rig, 0, [](park& p) {
        p.setinfo(opclass::vn, static_cast<std::uint32_t>(vn_op::lookup), dir);
    });
    const auto w = server.take();
    ASSERT_TRUE(w);
    c.td->post_signal(SIGINT);
    rig.machine.settle();
    EXPECT_EQ(c.rv, EINTR);
    auto o = w->args<older::lookup_args>();
    o.made = some_node(fresh);
    server.send(answer_to(*w, o));
    EXPECT_EQ(rig.mount.counters_of(0).goners, 1U);
    const auto undo = server.take();
    ASSERT_TRUE(undo);
    EXPECT_EQ(undo->head().optype, static_cast<std::uint32_t>(vn_op::reclaim));
    EXPECT_EQ(undo->head().node, fresh);
    EXPECT_EQ(rig.mount.live_nodes(), 0U);
}

} // namespace
} // namespace puffs::test
