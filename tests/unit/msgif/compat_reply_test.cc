// A server that speaks an older layout: answers that cannot be believed, or lack something.
#include "unit/msgif/older_server.hh"

#include <csignal>

namespace puffs::test {
namespace {

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
        std::vector<std::byte> room(b.op == vn_op::read ? 64 : 0);
        older_exchange x(b.op, [&](park& p) {
            p.set_runs({}, room);
            if (b.op == vn_op::read) p.req().args.io.size = 64;
        });
        frame_bytes frame;
        if (b.op == vn_op::read) {
            auto o = x.request.args<older::read_args>();
            o.done = static_cast<std::uint32_t>(b.carried);
            frame = answer_to(x.request, o, frame_bytes(b.carried, std::byte{7}));
        } else {
            auto o = x.request.args<older::lookup_args>();
            o.made = some_node(fresh);
            frame = answer_to(x.request, o, frame_bytes(b.carried));
        }
        b.change(frame);
        x.server.send(frame, 0, b.lost);
        EXPECT_EQ(x.asker.over, b.rv != -1);
        EXPECT_EQ(x.asker.rv, b.rv);
        EXPECT_EQ(x.server.answers.size(), b.told != 0 ? 1U : 0U);
        if (b.told != 0) {
            EXPECT_EQ(x.server.answers.at(0).request.head.rv, b.told);
        }
        if (b.told == E2BIG && !room.empty()) {
            EXPECT_EQ(room[0], std::byte{});
        }
        EXPECT_EQ(x.rig.mount.live_nodes(), b.rv == 0 && b.op == vn_op::lookup ? 1U : 0U);
        x.rig.on([&] { x.rig.mount.userdead(); });
    }
}

// spec: F28 F40
TEST(older_layout, shorter_answers_leave_the_rest_as_it_was_asked) {
    older_exchange x(vn_op::setattr, [](park& p) {
        p.req().args.setattr = {.handle = 5, .valid = msg::set_mode, .va = {}, .attr_ttl = {}};
        p.req().args.setattr.va.mode = regular;
        p.req().args.setattr.va.uid = 1234;
    });
    auto o = x.request.args<older::setattr_args>();
    o.va = some_attr();
    frame_bytes frame = answer_to(x.request, o);
    frame.resize(sizeof(msg::header) + offsetof(older::setattr_args, va) +
                 offsetof(older::attr, mode));
    x.server.send(frame);
    EXPECT_EQ(x.asker.rv, 0);
    const msg::attr& va = x.asker.request.args.setattr.va;
    EXPECT_EQ(va.size, 4'000'000'000U);
    EXPECT_EQ(va.mode, regular);
    EXPECT_EQ(va.uid, 1234U);
}

// spec: F28 F27
TEST(older_layout, carries_setbacks) {
    older_exchange x(vn_op::lookup);
    frame_bytes frame = answer_to(x.request, x.request.args<older::lookup_args>());
    put(offsetof(msg::header, setbacks), std::uint32_t{0xf0 | msg::setback_noref_n1})(frame);
    x.server.send(frame);
    EXPECT_EQ(x.asker.rv, 0);
    EXPECT_EQ(x.asker.setbacks, std::uint32_t{msg::setback_noref_n1});
}

// spec: F28 F26
TEST(older_layout, answers_that_nobody_waits_for_are_given_back) {
    older_exchange x(vn_op::lookup);
    x.asker.td->post_signal(SIGINT);
    x.rig.machine.settle();
    EXPECT_EQ(x.asker.rv, EINTR);
    auto o = x.request.args<older::lookup_args>();
    o.made = some_node(fresh);
    x.server.send(answer_to(x.request, o));
    EXPECT_EQ(x.rig.mount.counters_of(0).goners, 1U);
    const auto undo = x.server.take();
    ASSERT_TRUE(undo);
    EXPECT_EQ(undo->head().optype, static_cast<std::uint32_t>(vn_op::reclaim));
    EXPECT_EQ(undo->head().node, fresh);
    EXPECT_EQ(x.rig.mount.live_nodes(), 0U);
}

} // namespace
} // namespace puffs::test
