// What the kernel half does with what a server sends: classes, lengths, ids.
#include "support/msgif/mount_rig.hh"

namespace puffs::test {
namespace {

constexpr std::size_t whole = sizeof(msg::request);

struct frame_case {
    std::uint32_t opclass;
    std::size_t length;
    int answer; // 0: none
};

// spec: F37 F29 B33 B37
TEST(dispatch, every_class_and_length_has_its_answer) {
    constexpr auto flush = static_cast<std::uint32_t>(opclass::flush);
    const frame_case table[] = {
        {0, whole, EOPNOTSUPP},
        {3, whole, EOPNOTSUPP},
        {4, whole, EOPNOTSUPP},
        {6, whole, EOPNOTSUPP},
        {8, whole, EOPNOTSUPP},
        {15, whole, EOPNOTSUPP},
        {7, whole, ENXIO},
        {flush, whole, ENXIO},
        {flush, whole - 1, EINVAL},
        {flush, whole + 1, EINVAL},
        {1, 0, EINVAL},
        {1, sizeof(msg::header) - 1, EINVAL},
        {2, sizeof(msg::header) - 1, EINVAL},
        {flush, sizeof(msg::header) - 1, EINVAL},
        {1, sizeof(msg::header), EINVAL}, // long enough, but nobody has its id
        {2, whole, EINVAL},
    };
    for (const frame_case& f : table) {
        mount_rig rig;
        frame_server server(rig);
        rig.on([&] {
            msg::request r;
            r.head.opclass = f.opclass | msg::opclass_faf;
            r.head.id = 0x1234;
            rig.mount.dispatch(r, {}, f.length);
        });
        ASSERT_EQ(server.answers.size(), 1U) << f.opclass << ' ' << f.length;
        const msg::header& h = server.answers[0].request.head;
        EXPECT_EQ(h.rv, f.answer) << f.opclass << ' ' << f.length;
        EXPECT_EQ(h.opclass & (msg::opclass_faf | msg::opclass_isresponse),
                  msg::opclass_faf | msg::opclass_isresponse);
        if (f.length >= sizeof(msg::header)) {
            EXPECT_EQ(h.id, 0x1234U); // the server's own number
            EXPECT_EQ(h.opclass & msg::opclass_mask, f.opclass);
        } else {
            EXPECT_EQ(h.id, 0U); // nothing of a short frame is believed
        }
    }
}

// spec: F38 B26 V16
TEST(reply, without_a_request_is_counted_and_told) {
    mount_rig rig;
    frame_server server(rig);
    caller c;
    c.start(rig);
    caller faf;
    faf.start(rig, 0, [](park& p) { p.setfaf(); });
    auto t = server.take(0);
    auto f = server.take(0);
    ASSERT_TRUE(t && f);
    const std::uint64_t id = t->request.head.id;
    const std::uint64_t generation = std::uint64_t{1} << 24;
    unsigned told = 0;
    for (const std::uint64_t wrong :
         {f->request.head.id, id + 1, id + generation, id - generation, id | 0xffffff,
          id | std::uint64_t{9} << 56, ~std::uint64_t{0}}) {
        msg::request r = t->request;
        r.head.id = wrong;
        server.reply(*t, 0, r, {});
        ++told;
        EXPECT_FALSE(c.over);
        ASSERT_EQ(server.answers.size(), told);
        EXPECT_EQ(server.answers.back().request.head.rv, EINVAL);
        EXPECT_EQ(server.answers.back().request.head.id, wrong);
        EXPECT_EQ(rig.mount.counters_of(0).unknown_ids, told);
    }
    server.reply(*t, 0, t->request, {});
    EXPECT_TRUE(c.over);
    EXPECT_EQ(c.rv, 0);
    server.reply(*t, 0, t->request, {}); // again
    EXPECT_EQ(server.answers.size(), told + 1);

    caller next; // takes the same park: the old id is stale
    next.start(rig);
    auto n = server.take(0);
    ASSERT_TRUE(n);
    EXPECT_EQ(n->request.head.id & 0xffffff, id & 0xffffff);
    server.reply(*t, 0, t->request, {});
    EXPECT_FALSE(next.over);
    EXPECT_EQ(server.answers.size(), told + 2);
    server.reply(*n, 0, n->request, {});
    EXPECT_TRUE(next.over);
}

// Finding a park is one index and one comparison: a core's id space is its table of parks, nothing is searched. What is
// left to show is that it holds with all of them in flight.
// spec: F38
TEST(reply, finds_each_of_all_parks_of_a_core) {
    mount_rig rig;
    frame_server server(rig);
    std::vector<std::unique_ptr<call_end>> ends;
    rig.on([&] {
        while (park* p = rig.mount.msgmem_alloc(false)) {
            p->setinfo(opclass::vn, static_cast<std::uint32_t>(vn_op::fsync), cookie::root);
            ends.push_back(std::make_unique<call_end>());
            ends.back()->expect(rig, *p);
            rig.mount.enqueue(*p, {});
        }
    });
    std::vector<taken> all;
    rig.on([&] {
        while (auto f = rig.mount.getout(1 << 20, true)) {
            all.push_back({*f->handle->req, f->length, f->handle, 0});
            rig.mount.releaseout(*f->handle, 0);
        }
    });
    ASSERT_EQ(all.size(), limits::parks_per_core);
    rig.on([&] {
        for (std::size_t i = all.size(); i-- > 0;) { // last first
            msg::request& r = all[i].request;
            r.head.rv = static_cast<int>(i % 500) + 1;
            rig.mount.dispatch(r, {}, whole);
            EXPECT_EQ(ends[i]->count, 1);
            EXPECT_EQ(ends[i]->rv, r.head.rv);
        }
    });
    EXPECT_EQ(rig.mount.totalpark(), 0U);
}

class replies : public testing::TestWithParam<transport_kind> {
  protected:
    replies() : server(make_server(GetParam(), rig)) {}
    // Asks `op` with room for `room` bytes and takes it.
    taken ask(vn_op op, std::size_t room) {
        out.assign(room, std::byte{0});
        c = {};
        c.start(rig, 0, [&](park& p) {
            p.setinfo(opclass::vn, static_cast<std::uint32_t>(op), msg::make_cookie(2, 0));
            p.set_runs({}, out);
            p.req().args.io.size = static_cast<std::uint32_t>(room);
        });
        auto t = server->take(0);
        EXPECT_TRUE(t);
        return *t;
    }
    mount_rig rig;
    std::unique_ptr<test_server> server;
    std::vector<std::byte> out;
    caller c;
};
INSTANTIATE_TEST_SUITE_P(T16, replies,
                         testing::Values(transport_kind::frames, transport_kind::inproc),
                         kind_name);

// spec: F40
TEST_P(replies, carry_their_bytes_into_the_room_of_the_request) {
    auto t = ask(vn_op::read, 64);
    const std::vector<std::byte> data(40, std::byte{7});
    t.request.args.io.done = 40;
    server->reply(t, 0, t.request, data);
    EXPECT_EQ(c.rv, 0);
    EXPECT_EQ(c.out_bytes, 40U);
    EXPECT_EQ(c.request.args.io.done, 40U);
    EXPECT_TRUE(std::equal(data.begin(), data.end(), out.begin()));
    EXPECT_EQ(out[40], std::byte{0});
}

// spec: F39 B27
TEST_P(replies, longer_than_the_request_allows_are_refused_and_their_ids_are_spent) {
    auto t = ask(vn_op::read, 64);
    const std::vector<std::byte> data(65, std::byte{7});
    t.request.args.io.done = 65;
    server->reply(t, 0, t.request, data);
    EXPECT_EQ(c.rv, EPROTO);
    EXPECT_TRUE(c.over);
    EXPECT_EQ(rig.mount.counters_of(0).refused_replies, 1U);
    if (GetParam() == transport_kind::frames) {
        ASSERT_EQ(server->answers.size(), 1U);
        EXPECT_EQ(server->answers[0].request.head.rv, E2BIG);
        EXPECT_EQ(out[0], std::byte{0});
        server->reply(t, 0, t.request, data); // once more: nobody waits
        EXPECT_EQ(rig.mount.counters_of(0).unknown_ids, 1U);
    }
}

// spec: F40
TEST_P(replies, to_another_operation_are_refused) {
    for (int wrong = 0; wrong < 2; ++wrong) {
        auto t = ask(vn_op::fsync, 0);
        if (wrong == 0) t.request.head.optype = static_cast<std::uint32_t>(vn_op::remove);
        if (wrong == 1) t.request.head.opclass = static_cast<std::uint32_t>(opclass::vfs);
        server->reply(t, 0, t.request, {});
        EXPECT_EQ(c.rv, EPROTO) << wrong;
    }
    EXPECT_EQ(rig.mount.counters_of(0).refused_replies, 2U);
}

// spec: F38
TEST(inproc_reply, under_another_id_is_refused_rather_than_left_waiting) {
    mount_rig rig;
    inproc_server server(rig);
    caller c;
    c.start(rig);
    auto t = server.take(0);
    ASSERT_TRUE(t);
    t->request.head.id ^= 1;
    server.reply(*t, 0, t->request, {});
    EXPECT_EQ(c.rv, EPROTO);
}

// spec: F40
TEST(reply, shorter_than_its_structure_leaves_the_rest_as_it_was_asked) {
    mount_rig rig;
    frame_server server(rig);
    caller c;
    c.start(rig, 0, [](park& p) { p.req().args.fsync = {.handle = 0x1111, .datasync = 1}; });
    auto t = server.take(0);
    ASSERT_TRUE(t);
    t->request.args.fsync = {.handle = 0x2222, .datasync = 0};
    rig.on([&] { rig.mount.dispatch(t->request, {}, sizeof(msg::header) + 8); });
    EXPECT_EQ(c.rv, 0);
    EXPECT_EQ(c.request.args.fsync.handle, 0x2222U);
    EXPECT_EQ(c.request.args.fsync.datasync, 1U);
}

// spec: F40
TEST(reply, whose_length_and_bytes_disagree_is_refused) {
    for (const std::size_t length : {whole + 10, whole + 30, whole, whole - 8}) {
        mount_rig rig;
        frame_server server(rig);
        std::array<std::byte, 64> out{};
        caller c;
        c.start(rig, 0, [&](park& p) {
            p.setinfo(opclass::vn, static_cast<std::uint32_t>(vn_op::read), cookie::root);
            p.set_runs({}, out);
            p.req().args.io.size = 64;
        });
        auto t = server.take(0);
        ASSERT_TRUE(t);
        t->request.args.io.done = 20;
        const std::array<std::byte, 20> data{};
        rig.on([&] { rig.mount.dispatch(t->request, data, length); });
        EXPECT_EQ(c.rv, EPROTO) << length;
    }
}

// spec: F40
TEST_P(replies, do_not_change_which_node_or_id_the_caller_sees) {
    auto t = ask(vn_op::fsync, 0);
    const std::uint64_t id = t.request.head.id;
    t.request.head.node = msg::make_cookie(99, 99);
    server->reply(t, 0, t.request, {});
    EXPECT_EQ(c.rv, 0);
    EXPECT_EQ(c.request.head.node, msg::make_cookie(2, 0));
    EXPECT_EQ(c.request.head.id, id);
}

} // namespace
} // namespace puffs::test
