// What the map does besides one request and one answer: series, forgets, interrupts, errors, the death of the server.
#include "fuse/convert.hh"
#include "opmap_rig.hh"
#include "puffs/base/log.hh"
#include "support/seed.hh"

#include <random>
#include <spdlog/spdlog.h>

namespace puffs::fuse {
namespace {

using namespace std::string_view_literals;
using msg::cookie;
using msg::vn_op;
using puffs::test::taken;
using puffs::test::transport_kind;
using test::frame_builder;
using test::in_of;
using test::is_faf;
using test::op_of;
using test::opmap_rig;
using test::told;
using wire::opcode;

constexpr cookie made = msg::make_cookie(9, 2);

class opmap_series : public testing::TestWithParam<transport_kind> {
  protected:
    // The server has created the file; the open that follows is with it.
    taken create_and_take_open() {
        const wire::create_in in{.flags = 0x8042, .mode = 0100600, .umask = 022, .open_flags = 0};
        rig.handle(frame_builder(opcode::create).add(in).add_string("new"));
        taken t = rig.take();
        EXPECT_EQ(op_of(t), vn_op::create);
        EXPECT_EQ(in_of(t), "new"sv);
        EXPECT_EQ(t.request.args.make.mode, 0100600U);
        EXPECT_EQ(t.request.args.make.open_flags, 0x8042U);
        t.request.args.make.made.node = made;
        t.request.args.make.made.va.mode = 0100600;
        rig.reply(t);
        EXPECT_TRUE(rig.channel.all.empty()) << "answered before it is open";
        t = rig.take();
        EXPECT_EQ(op_of(t), vn_op::open);
        EXPECT_EQ(t.request.head.node, made);
        EXPECT_EQ(t.request.args.open.flags, 0x8042U);
        EXPECT_EQ(t.request.head.who.uid, 1000U);
        return t;
    }
    opmap_rig rig{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(T16, opmap_series,
                         testing::Values(transport_kind::frames, transport_kind::inproc),
                         puffs::test::kind_name);

// spec: X1
TEST_P(opmap_series, create_opens_what_it_made) {
    taken t = create_and_take_open();
    t.request.args.open.handle = 77;
    t.request.args.open.result_bits = msg::open_direct_io;
    rig.reply(t);
    const told r = rig.only();
    ASSERT_EQ(r.error, 0);
    EXPECT_EQ(r.body.size(), sizeof(wire::entry_out) + sizeof(wire::open_out));
    EXPECT_EQ(r.as<wire::entry_out>().nodeid, nodeid_of(made));
    EXPECT_EQ(r.as<wire::open_out>(sizeof(wire::entry_out)).fh, 77U);
    EXPECT_EQ(r.as<wire::open_out>(sizeof(wire::entry_out)).open_flags, wire::fopen::direct_io);
    EXPECT_TRUE(rig.server_is_idle());
    EXPECT_EQ(rig.mount.mount.live_nodes(), 1U);
}

// spec: X1
TEST_P(opmap_series, create_takes_back_what_it_cannot_open) {
    rig.fail(create_and_take_open(), EMFILE);
    EXPECT_TRUE(rig.channel.all.empty()) << "answered before it is removed";
    taken t = rig.take();
    EXPECT_EQ(op_of(t), vn_op::remove);
    EXPECT_EQ(t.request.head.node, cookie_of(test::sample_nodeid));
    EXPECT_EQ(in_of(t), "new"sv);
    rig.fail(t, EBUSY); // which changes nothing for the caller
    EXPECT_EQ(rig.only().error, EMFILE);
    t = rig.take();
    EXPECT_EQ(op_of(t), vn_op::reclaim);
    EXPECT_TRUE(is_faf(t));
    EXPECT_EQ(t.request.head.node, made);
    EXPECT_EQ(t.request.args.reclaim.nlookup, 1U);
    if (GetParam() == transport_kind::inproc) {
        static_cast<puffs::test::inproc_server&>(*rig.server).let_go(t);
    }
    EXPECT_TRUE(rig.server_is_idle());
    EXPECT_EQ(rig.mount.mount.live_nodes(), 0U);
}

// Another client has created the file in the meantime: it is opened, and never removed.
// spec: X1 F41
TEST_P(opmap_series, create_may_find_a_node_that_is_known) {
    rig.look_up(made);
    rig.fail(create_and_take_open(), EMFILE);
    EXPECT_EQ(rig.only().error, EMFILE);
    const taken t = rig.take();
    EXPECT_EQ(op_of(t), vn_op::reclaim);
    EXPECT_EQ(t.request.args.reclaim.nlookup, 1U);
    if (GetParam() == transport_kind::inproc) {
        static_cast<puffs::test::inproc_server&>(*rig.server).let_go(t);
    }
    EXPECT_TRUE(rig.server_is_idle());
    EXPECT_EQ(rig.mount.mount.live_nodes(), 1U);
}

// spec: X1
TEST_P(opmap_series, a_create_that_fails_is_not_opened) {
    rig.handle(frame_builder(opcode::create).add(wire::create_in{}).add_string("new"));
    rig.fail(rig.take(), EROFS);
    EXPECT_EQ(rig.only().error, EROFS);
    EXPECT_TRUE(rig.server_is_idle());
}

// spec: X1
TEST(opmap, forgets_become_reclaims_without_a_reply) {
    opmap_rig rig;
    rig.look_up(msg::make_cookie(5, 1));
    rig.look_up(msg::make_cookie(5, 1));
    rig.look_up(msg::make_cookie(6, 1));
    EXPECT_EQ(rig.mount.mount.live_nodes(), 2U);
    const std::uint64_t five = nodeid_of(msg::make_cookie(5, 1)),
                        six = nodeid_of(msg::make_cookie(6, 1));
    rig.handle(frame_builder(opcode::forget, five).add(wire::forget_in{2}));
    EXPECT_TRUE(rig.only().dropped);
    taken t = rig.take();
    EXPECT_EQ(op_of(t), vn_op::reclaim);
    EXPECT_TRUE(is_faf(t));
    EXPECT_EQ(t.request.head.node, cookie_of(five));
    EXPECT_EQ(t.request.args.reclaim.nlookup, 2U);
    EXPECT_EQ(rig.mount.mount.live_nodes(), 1U);

    rig.handle(frame_builder(opcode::batch_forget, 0)
                   .add(wire::batch_forget_in{3, 0})
                   .add(wire::forget_one{six, 1})
                   .add(wire::forget_one{0, 9}) // no node: ignored
                   .add(wire::forget_one{1, 4}));
    EXPECT_TRUE(rig.only().dropped);
    t = rig.take();
    EXPECT_EQ(t.request.head.node, cookie_of(six));
    t = rig.take();
    EXPECT_EQ(t.request.head.node, cookie::root);
    EXPECT_EQ(t.request.args.reclaim.nlookup, 4U);
    EXPECT_TRUE(rig.server_is_idle());
    EXPECT_EQ(rig.mount.mount.live_nodes(), 0U);
}

frame_builder interrupt_of(std::uint64_t unique) {
    return frame_builder(opcode::interrupt, 0).add(wire::interrupt_in{unique});
}

// spec: X3 F25
TEST(opmap, an_interrupted_request_that_nobody_took_ends_with_eintr) {
    opmap_rig rig;
    rig.handle(frame_builder(opcode::readlink));
    rig.handle(interrupt_of(test::sample_unique));
    ASSERT_EQ(rig.channel.all.size(), 2U);
    EXPECT_EQ(std::count_if(rig.channel.all.begin(), rig.channel.all.end(),
                            [](const told& t) { return t.dropped; }),
              1);
    EXPECT_EQ(std::count_if(rig.channel.all.begin(), rig.channel.all.end(),
                            [](const told& t) { return t.error == EINTR; }),
              1);
    EXPECT_TRUE(rig.server_is_idle());
}

// spec: X3
TEST(opmap, an_interrupt_finds_its_request_on_another_core) {
    opmap_rig rig(transport_kind::frames, 4);
    rig.handle(frame_builder(opcode::readlink), 2);
    rig.handle(interrupt_of(test::sample_unique), 0);
    ASSERT_EQ(rig.channel.all.size(), 2U);
    EXPECT_TRUE(rig.channel.all[0].dropped);
    EXPECT_EQ(rig.channel.all[1].error, EINTR);
    EXPECT_EQ(rig.channel.all[1].unique, test::sample_unique);
    EXPECT_TRUE(rig.server_is_idle(2));
}

// Core 1 is held by a handler, and takes no messages while core 0 reads interrupts that it does not find.
// spec: X3 Q3 Q5
TEST(opmap, an_interrupt_never_waits_for_a_core_that_is_held) {
    static relax_hook step_others;
    static unsigned waited;
    opmap_rig rig(transport_kind::frames, 2);
    rig.handle(frame_builder(opcode::readlink), 1);
    waited = 0;
    step_others = std::exchange(current_relax_hook(), [](unsigned turn) {
        ++waited;
        step_others(turn);
    });
    constexpr std::uint64_t interrupts = 200;
    for (std::uint64_t i = 0; i < interrupts; ++i) {
        frame& f = rig.channel.give(interrupt_of(test::sample_unique + 2 + 2 * i).done());
        rig.mount.machine.spawn(0, [&] { rig.map.handle(f); });
        while (rig.mount.machine.step(0)) {
        }
    }
    EXPECT_EQ(waited, 0U);
    EXPECT_EQ(rig.channel.all.size(), interrupts);
    const std::uint64_t lost = rig.channel.stats().interrupts_lost.load(std::memory_order_relaxed);
    EXPECT_GT(lost, 0U);
    EXPECT_LT(lost, interrupts);
    bool arrived = false; // what is sent for other reasons has room
    rig.mount.machine.as(0, [&] {
        ipi::send(
            1, [](void* flag, std::intptr_t) { *static_cast<bool*>(flag) = true; }, &arrived);
    });
    EXPECT_EQ(waited, 0U);
    current_relax_hook() = step_others;

    rig.mount.machine.settle();
    EXPECT_TRUE(arrived);
    rig.channel.all.clear();
    rig.handle(interrupt_of(test::sample_unique), 0);
    ASSERT_EQ(rig.channel.all.size(), 2U);
    EXPECT_EQ(rig.channel.all[1].error, EINTR);
    EXPECT_EQ(rig.channel.stats().interrupts_lost.load(std::memory_order_relaxed), lost);
}

// spec: X3 X4
TEST(opmap, an_interrupted_request_that_the_server_has_is_answered_once_by_it) {
    opmap_rig rig;
    rig.handle(frame_builder(opcode::readlink));
    const taken t = rig.take();
    rig.handle(interrupt_of(test::sample_unique));
    EXPECT_TRUE(rig.only().dropped);
    rig.fail(t, EINTR);
    EXPECT_EQ(rig.only().error, EINTR);
    rig.handle(interrupt_of(test::sample_unique)); // too late: nothing there
    EXPECT_TRUE(rig.only().dropped);
}

// The caller waits for a park, of which the core has no more: the server never hears of it.
// spec: X3 F18
TEST(opmap, an_interrupted_request_that_waits_for_a_park_ends_with_eintr) {
    opmap_rig rig;
    std::vector<kmod::park*> all;
    rig.mount.on([&] {
        while (kmod::park* p = rig.mount.mount.msgmem_alloc(false)) {
            all.push_back(p);
        }
    });
    rig.handle(frame_builder(opcode::readlink));
    EXPECT_EQ(rig.channel.out(), 1U);
    rig.handle(interrupt_of(test::sample_unique));
    EXPECT_TRUE(rig.only().dropped);
    rig.mount.on([&] {
        for (kmod::park* p : all) {
            rig.mount.mount.msgmem_release(p);
        }
    });
    EXPECT_EQ(rig.only().error, EINTR);
    EXPECT_TRUE(rig.server_is_idle());
}

// spec: X1 X3
TEST(opmap, an_interrupt_does_not_keep_what_could_not_be_opened) {
    opmap_rig rig;
    rig.handle(frame_builder(opcode::create).add(wire::create_in{}).add_string("new"));
    taken t = rig.take();
    t.request.args.make.made.node = made;
    t.request.args.make.made.va.mode = 0100600;
    rig.reply(t);
    rig.fail(rig.take(), EMFILE); // the open; what removes the file waits for the server
    rig.handle(interrupt_of(test::sample_unique));
    EXPECT_TRUE(rig.only().dropped);
    t = rig.take();
    EXPECT_EQ(op_of(t), vn_op::remove);
    rig.reply(t);
    EXPECT_EQ(rig.only().error, EMFILE);
    EXPECT_EQ(op_of(rig.take()), vn_op::reclaim);
}

std::size_t in_flight(opmap_rig& rig, core_id core = 0) {
    std::size_t n = 0;
    rig.mount.on(core, [&] { n = rig.map.in_flight(); });
    return n;
}

TEST(opmap, counts_what_a_core_has_not_answered) {
    opmap_rig rig(transport_kind::frames, 2);
    EXPECT_EQ(in_flight(rig), 0U);
    rig.handle(frame_builder(opcode::readlink));
    EXPECT_EQ(in_flight(rig, 0), 1U);
    EXPECT_EQ(in_flight(rig, 1), 0U);
    rig.fail(rig.take(), EIO);
    EXPECT_EQ(in_flight(rig), 0U);
    EXPECT_EQ(rig.only().error, EIO);
}

// spec: X4
TEST(opmap, errnos_reach_the_kernel_as_it_takes_them) {
    EXPECT_EQ(wire_errno(0, true), 0);
    EXPECT_EQ(wire_errno(EINTR, true), EINTR);
    EXPECT_EQ(wire_errno(511, true), 511);
    EXPECT_DEATH(static_cast<void>(wire_errno(512, true)), "no errno");
    EXPECT_DEATH(static_cast<void>(wire_errno(-1, true)), "no errno");
    EXPECT_EQ(wire_errno(ENXIO, true), ENXIO); // SEEK_DATA behind the last byte, say
    EXPECT_EQ(wire_errno(ENXIO, false), ENOTCONN);
    opmap_rig rig;
    for (int rv = 1; rv <= 511; ++rv) {
        rig.handle(frame_builder(opcode::readlink));
        rig.fail(rig.take(), rv);
        EXPECT_EQ(rig.only().error, rv);
    }
    for (const int rv : {512, 4096, -1, -5, 1 << 30}) {
        rig.handle(frame_builder(opcode::readlink));
        rig.fail(rig.take(), rv);
        EXPECT_EQ(rig.only().error, EPROTO) << rv;
    }
}

// spec: F41
TEST(opmap, what_a_hostile_server_answers_becomes_eproto) {
    opmap_rig rig;
    wire::read_in read{};
    read.size = 100;
    rig.handle(frame_builder(opcode::read).add(read));
    taken t = rig.take();
    t.request.args.io.done = 100000;
    rig.reply(t);
    told r = rig.only();
    EXPECT_EQ(r.error, EPROTO);
    EXPECT_TRUE(r.body.empty());

    rig.handle(frame_builder(opcode::lookup).add_string("self"));
    t = rig.take();
    t.request.args.lookup.made.node = cookie_of(test::sample_nodeid); // its own parent
    t.request.args.lookup.made.va.mode = 040755;
    rig.reply(t);
    r = rig.only();
    EXPECT_EQ(r.error, EPROTO);
    EXPECT_TRUE(r.body.empty());
}

// spec: X4 X7
TEST(opmap, when_the_server_dies_callers_hear_enotconn) {
    opmap_rig rig;
    rig.handle(frame_builder(opcode::readlink));
    rig.handle(frame_builder(opcode::getattr).add(wire::getattr_in{}));
    rig.take(); // one is with the server, one still waits for it
    rig.mount.on([&] { rig.mount.mount.userdead(); });
    ASSERT_EQ(rig.channel.all.size(), 2U);
    EXPECT_EQ(rig.channel.all[0].error, ENOTCONN);
    EXPECT_EQ(rig.channel.all[1].error, ENOTCONN);
    rig.channel.all.clear();
    rig.handle(frame_builder(opcode::readlink)); // and those that come later
    EXPECT_EQ(rig.only().error, ENOTCONN);
    rig.handle(frame_builder(opcode::create).add(wire::create_in{}).add_string("new"));
    EXPECT_EQ(rig.only().error, ENOTCONN);
    rig.handle(frame_builder(opcode::forget).add(wire::forget_in{1}));
    EXPECT_TRUE(rig.only().dropped);
    EXPECT_EQ(in_flight(rig), 0U);
}

// spec: U13 X7
TEST(opmap, when_the_server_dies_inside_a_create_its_node_does_not_stay) {
    for (const int open_fails : {0, EACCES}) {
        opmap_rig rig;
        rig.handle(frame_builder(opcode::create).add(wire::create_in{}).add_string("new"));
        taken t = rig.take();
        t.request.args.make.made.node = msg::cookie{0x500000009};
        t.request.args.make.made.va.mode = 0100644;
        rig.reply(t);
        const taken open = rig.take();
        if (open_fails != 0) {
            rig.fail(open, open_fails);
            EXPECT_EQ(op_of(rig.take()), msg::vn_op::remove);
        }
        EXPECT_EQ(rig.mount.mount.live_nodes(), 1U);
        rig.mount.on([&] { rig.mount.mount.userdead(); });
        EXPECT_EQ(rig.only().error, open_fails == 0 ? ENOTCONN : open_fails);
        EXPECT_EQ(rig.mount.mount.live_nodes(), 0U);
    }
}

// spec: X7
TEST(opmap, a_frame_waits_for_a_server_of_this_process_that_still_writes_into_it) {
    opmap_rig rig(transport_kind::inproc);
    wire::read_in read{};
    read.size = 4096;
    rig.handle(frame_builder(opcode::read).add(read));
    const taken t = rig.take();
    rig.mount.on([&] { rig.mount.mount.userdead(); });
    EXPECT_TRUE(rig.channel.all.empty());
    std::memset(t.handle->data.out.data(), 'x', t.handle->data.out.size());
    static_cast<puffs::test::inproc_server&>(*rig.server).let_go(t);
    const told r = rig.only();
    EXPECT_EQ(r.error, ENOTCONN);
    EXPECT_TRUE(r.body.empty());
}

TEST(opmap, malformed_requests_are_answered_where_an_answer_is_wanted) {
    opmap_rig rig;
    rig.handle(frame_builder(opcode::unlink).add_text("without an end"));
    told r = rig.only();
    EXPECT_EQ(r.error, EIO);
    EXPECT_EQ(r.unique, test::sample_unique);
    rig.handle(frame_builder(opcode::lookup).add_string(std::string(256, 'n')));
    EXPECT_EQ(rig.only().error, ENAMETOOLONG);
    rig.handle(frame_builder(opcode::forget).add_text("short"));
    EXPECT_TRUE(rig.only().dropped);
    rig.handle(std::vector<std::byte>(7));
    EXPECT_TRUE(rig.only().dropped);
    EXPECT_TRUE(rig.server_is_idle());
}

TEST(opmap, init_is_negotiated_once_and_may_be_refused) {
    puffs::test::mount_rig mount;
    auto server = puffs::test::make_server(transport_kind::frames, mount);
    test::remembering_channel channel;
    std::vector<std::string> heard;
    opmap map(mount.mount, {},
              [&](const auto& granted) { heard.push_back(granted ? "granted" : granted.error()); });
    const auto init = [&](std::uint32_t minor) {
        wire::init_in in{};
        in.major = 7;
        in.minor = minor;
        in.flags = 0xffffffff;
        frame& f = channel.give(frame_builder(opcode::init, 0).add(in).done());
        mount.on([&] { map.handle(f); });
        return channel.all.back();
    };
    EXPECT_EQ(init(30).error, EPROTO);
    ASSERT_EQ(heard.size(), 1U);
    EXPECT_NE(heard[0].find("7.31"), std::string::npos);
    const told good = init(40);
    EXPECT_EQ(good.error, 0);
    EXPECT_EQ(good.body.size(), sizeof(wire::init_out));
    EXPECT_EQ(good.as<wire::init_out>().minor, 40U);
    EXPECT_EQ(heard.back(), "granted");
    EXPECT_EQ(init(40).error, EIO);
    EXPECT_EQ(heard.size(), 2U);
}

class quiet_log {
  public:
    quiet_log() : before_(spdlog::get_level()) { spdlog::set_level(spdlog::level::off); }
    ~quiet_log() { spdlog::set_level(before_); }
    quiet_log(const quiet_log&) = delete;
    quiet_log& operator=(const quiet_log&) = delete;

  private:
    spdlog::level::level_enum before_;
};

// spec: X4
TEST(opmap, damaged_requests_get_at_most_one_answer_each) {
    const std::uint64_t seed = sim::test_seed();
    const quiet_log quiet;
    std::mt19937_64 random(seed);
    const std::vector<test::sample> pool = test::samples();
    opmap_rig rig;
    std::size_t answered = 0, asked = 0;
    for (int round = 0; round < 20'000; ++round) {
        std::vector<std::byte> request = pool[random() % pool.size()].frame;
        for (auto times = random() % 3; times > 0; --times) {
            request[random() % request.size()] = std::byte(random() & 0xff);
        }
        if (random() % 4 == 0) request.resize(random() % (request.size() + 1));
        test::fix_length(request);
        if (const auto h = header_of(request); h && (row_of(h->opcode).op == opcode::interrupt ||
                                                     row_of(h->opcode).op == opcode::init))
            continue;
        rig.handle(request);
        while (auto t = rig.server->take(0)) {
            ++asked;
            if (!is_faf(*t)) rig.fail(*t, static_cast<int>(random() % 600));
        }
        ASSERT_EQ(rig.channel.all.size(), 1U) << "round " << round;
        answered += rig.channel.all[0].dropped ? 0U : 1U;
        rig.channel.all.clear();
    }
    EXPECT_GT(asked, 1000U);
    EXPECT_GT(answered, 1000U);
    EXPECT_EQ(in_flight(rig), 0U);
}

} // namespace
} // namespace puffs::fuse
