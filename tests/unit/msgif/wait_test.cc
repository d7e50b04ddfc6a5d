// Waiting for a reply, and being interrupted while doing so.
#include "support/msgif/mount_rig.hh"

#include <csignal>

namespace puffs::test {
namespace {

constexpr int important_signals[] = {SIGINT, SIGTERM, SIGKILL, SIGHUP, SIGQUIT};

// The signals that a thread does not let in now; as bits number-1.
std::uint64_t mask_of(lwkt::thread& td) {
    const std::uint64_t mask = td.set_signal_mask(0);
    td.set_signal_mask(mask);
    return mask;
}

class wait : public testing::TestWithParam<transport_kind> {
  protected:
    wait() : server(make_server(GetParam(), rig)) {}
    mount_rig rig;
    std::unique_ptr<test_server> server;
};
INSTANTIATE_TEST_SUITE_P(T16, wait, testing::Values(transport_kind::frames, transport_kind::inproc),
                         kind_name);

// spec: F21 V30
TEST_P(wait, blocks_all_but_the_five_signals_and_restores_the_mask_on_each_path) {
    constexpr std::uint64_t before = std::uint64_t{1} << (SIGUSR2 - 1) | std::uint64_t{1}
                                                                             << (SIGHUP - 1);
    const auto check = [&](const std::function<void(lwkt::thread&)>& end, int expected) {
        std::uint64_t after = 0;
        std::uint64_t during = 0;
        int rv = -1;
        lwkt::thread* td = rig.on([&] {
            lwkt::thread& self = lwkt::thread::current();
            self.set_signal_mask(before);
            park* p = rig.make();
            rig.mount.enqueue(*p, {});
            rv = rig.mount.wait(*p);
            after = mask_of(self);
            rig.mount.msgmem_release(p);
        });
        during = mask_of(*td);
        end(*td);
        EXPECT_EQ(rv, expected);
        EXPECT_EQ(after, before);
        for (int number = 1; number <= 64; ++number) {
            const bool open =
                number == SIGINT || number == SIGTERM || number == SIGKILL || number == SIGQUIT;
            EXPECT_EQ((during >> (number - 1) & 1) == 0, open) << number; // HUP: its own choice
        }
    };
    check(
        [&](lwkt::thread&) {
            auto t = server->take(0);
            ASSERT_TRUE(t);
            server->reply(*t, 0, t->request, {});
        },
        0);
    std::optional<taken> late;
    check(
        [&](lwkt::thread& td) {
            late = server->take(0);
            td.post_signal(SIGINT);
            rig.machine.settle();
        },
        EINTR);
    ASSERT_TRUE(late);
    server->reply(*late, 0, late->request, {});
    check([&](lwkt::thread&) { rig.on([&] { rig.mount.userdead(); }); }, ENXIO);
    while (auto t = server->take(0))
        server->reply(*t, 0, t->request, {});
}

// spec: F22
TEST_P(wait, returns_at_once_when_the_reply_was_first) {
    int rv = -1;
    bool waited = false;
    lwkt::thread* td = rig.on([&] {
        park* p = rig.make();
        rig.mount.enqueue(*p, {});
        lwkt::deschedule_self();
        lwkt::switch_away(); // until the test lets it go on
        rv = rig.mount.wait(*p);
        waited = true;
        rig.mount.msgmem_release(p);
    });
    auto t = server->take(0);
    ASSERT_TRUE(t);
    t->request.head.rv = EDOM;
    server->reply(*t, 0, t->request, {});
    EXPECT_FALSE(waited);
    lwkt::schedule(*td);
    rig.machine.settle();
    EXPECT_EQ(rv, EDOM);
}

// spec: F22
TEST_P(wait, never_sleeps_for_what_calls_back_or_wants_no_reply) {
    call_end end;
    rig.on([&] {
        park* p = rig.make();
        end.expect(rig, *p);
        rig.mount.enqueue(*p, {});
        EXPECT_EQ(rig.mount.wait(*p), 0);
    });
    caller faf;
    faf.start(rig, 0, [](park& p) { p.setfaf(); });
    EXPECT_TRUE(faf.over);
    EXPECT_EQ(faf.rv, 0);
    while (auto t = server->take(0))
        server->reply(*t, 0, t->request, {});
    EXPECT_EQ(end.count, 1);
}

// spec: F23 B32
TEST_P(wait, sleeps_on_when_it_is_woken_for_nothing) {
    caller c;
    c.start(rig);
    for (int i = 0; i < 3; ++i) {
        c.td->wake();
        rig.machine.settle();
        EXPECT_FALSE(c.over);
    }
    auto t = server->take(0);
    ASSERT_TRUE(t);
    c.td->wake();
    rig.machine.settle();
    EXPECT_FALSE(c.over);
    t->request.head.rv = EIO;
    server->reply(*t, 0, t->request, {});
    EXPECT_EQ(c.rv, EIO);
}

// spec: F24 B32
TEST(wait_race, a_reply_that_comes_before_the_signal_wins) {
    mount_rig rig;
    frame_server server(rig);
    for (const int number : important_signals) {
        caller c;
        c.start(rig);
        auto t = server.take(0);
        ASSERT_TRUE(t);
        t->request.head.rv = ENOSPC;
        rig.on([&] { // the waiter does not run between the two
            rig.mount.dispatch(t->request, {}, sizeof(msg::request));
            c.td->post_signal(number);
        });
        EXPECT_EQ(c.rv, ENOSPC);
        EXPECT_EQ(c.flags & kmod::park_waitergone, 0U);
    }
}

// spec: F25 T10 V13
TEST(wait_interrupted, on_touser_the_server_never_sees_it) {
    for (const int number : important_signals) {
        mount_rig rig;
        frame_server server(rig);
        caller c;
        c.start(rig);
        rig.on([&] { EXPECT_EQ(rig.mount.waitcount(), 1U); });
        c.td->post_signal(number);
        rig.machine.settle();
        EXPECT_EQ(c.rv, EINTR) << number;
        EXPECT_EQ(c.flags & kmod::park_waitergone, kmod::park_waitergone);
        rig.on([&] { EXPECT_EQ(rig.mount.waitcount(), 0U); });
        EXPECT_EQ(rig.mount.totalpark(), 0U);
        EXPECT_FALSE(server.take(0));
    }
}

// spec: T10
TEST_P(wait, is_not_disturbed_by_other_signals) {
    caller c;
    c.start(rig);
    for (const int number : {SIGUSR1, SIGALRM, SIGCHLD, SIGPIPE, SIGTSTP, 64}) {
        c.td->post_signal(number);
        rig.machine.settle();
        EXPECT_FALSE(c.over) << number;
    }
    auto t = server->take(0);
    ASSERT_TRUE(t);
    server->reply(*t, 0, t->request, {});
    EXPECT_EQ(c.rv, 0);
}

// spec: F26
TEST_P(wait, interrupted_after_the_server_saw_it_the_reply_is_taken_silently) {
    for (const int number : important_signals) {
        caller c;
        c.start(rig);
        auto t = server->take(0);
        ASSERT_TRUE(t);
        c.td->post_signal(number);
        rig.machine.settle();
        EXPECT_EQ(c.rv, EINTR);
        EXPECT_EQ(rig.mount.totalpark(), 1U); // in flight still
        t->request.head.rv = EFAULT;
        server->reply(*t, 0, t->request, {});
        EXPECT_EQ(rig.mount.totalpark(), 0U);
    }
    EXPECT_TRUE(server->answers.empty()) << server->answers.front().text;
    EXPECT_EQ(rig.mount.counters_of(0).goners, 5U);
}

// spec: F26
TEST(wait_interrupted, while_the_transport_has_it_the_frame_goes_on) {
    mount_rig rig;
    frame_server server(rig);
    caller c;
    c.start(rig);
    msg::delivery* handle = nullptr;
    rig.on([&] {
        const auto f = rig.mount.getout(1 << 20, true);
        ASSERT_TRUE(f);
        handle = f->handle;
    });
    c.td->post_signal(SIGTERM);
    rig.machine.settle();
    EXPECT_EQ(c.rv, EINTR);
    msg::request r;
    rig.on([&] {
        r = *handle->req;
        rig.mount.releaseout(*handle, 0);
    });
    EXPECT_EQ(rig.mount.totalpark(), 1U);
    rig.on([&] { rig.mount.dispatch(r, {}, sizeof r); });
    EXPECT_TRUE(server.answers.empty());
}

// A node that nobody heard of is given back, or the server would keep it for ever.
// spec: F26
TEST_P(wait, what_a_discarded_reply_named_is_reclaimed) {
    caller c;
    c.start(rig, 0, [](park& p) {
        p.setinfo(opclass::vn, static_cast<std::uint32_t>(vn_op::lookup), cookie::root);
    });
    auto t = server->take(0);
    ASSERT_TRUE(t);
    c.td->post_signal(SIGINT);
    rig.machine.settle();
    t->request.args.lookup.made.node = msg::make_cookie(40, 2);
    t->request.args.lookup.made.va.mode = 0100644;
    server->reply(*t, 0, t->request, {});
    const auto back = server->take(0);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->request.head.optype, static_cast<std::uint32_t>(vn_op::reclaim));
    EXPECT_EQ(back->request.head.node, msg::make_cookie(40, 2));
    EXPECT_EQ(back->request.args.reclaim.nlookup, 1U);
    EXPECT_EQ(rig.mount.live_nodes(), 0U);
    server->reply(*back, 0, back->request, {});
}

// spec: F26
TEST_P(wait, what_a_discarded_reply_opened_is_closed) {
    caller c;
    c.start(rig, 0, [](park& p) {
        p.setinfo(opclass::vn, static_cast<std::uint32_t>(vn_op::open), msg::make_cookie(40, 2));
    });
    auto t = server->take(0);
    ASSERT_TRUE(t);
    c.td->post_signal(SIGINT);
    rig.machine.settle();
    t->request.args.open = {.flags = 0x8002, .result_bits = 0, .handle = 77};
    server->reply(*t, 0, t->request, {});
    const auto back = server->take(0);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->request.head.optype, static_cast<std::uint32_t>(vn_op::close));
    EXPECT_EQ(back->request.head.node, msg::make_cookie(40, 2));
    EXPECT_EQ(back->request.args.close.handle, 77U);
    EXPECT_EQ(back->request.args.close.flags, 0x8002U);
    server->reply(*back, 0, back->request, {});
}

// spec: F27 B38
TEST_P(wait, setbacks_come_from_real_replies_only) {
    for (std::uint32_t bits = 0; bits < 16; ++bits) {
        caller c;
        c.start(rig);
        auto t = server->take(0);
        ASSERT_TRUE(t);
        t->request.head.setbacks = bits | 0x100; // and one that does not exist
        server->reply(*t, 0, t->request, {});
        EXPECT_EQ(c.setbacks, bits);
    }
    caller refused;
    refused.start(rig);
    auto t = server->take(0);
    ASSERT_TRUE(t);
    t->request.head.setbacks = msg::setback_noref_n1;
    t->request.head.rv = -5;
    server->reply(*t, 0, t->request, {});
    EXPECT_EQ(refused.rv, EPROTO);
    EXPECT_EQ(refused.setbacks, 0U);

    caller gone;
    gone.start(rig);
    t = server->take(0);
    ASSERT_TRUE(t);
    gone.td->post_signal(SIGINT);
    rig.machine.settle();
    EXPECT_EQ(gone.rv, EINTR);
    EXPECT_EQ(gone.setbacks, 0U);
    server->reply(*t, 0, t->request, {});
}

// spec: F13 F25
TEST(interrupt, takes_a_call_park_back_from_touser_and_only_from_there) {
    mount_rig rig;
    frame_server server(rig);
    call_end first;
    call_end second;
    park* sent = nullptr;
    rig.on([&] {
        park* p = rig.make();
        first.expect(rig, *p);
        rig.mount.enqueue(*p, {});
        EXPECT_TRUE(rig.mount.interrupt(*p));
        EXPECT_EQ(rig.mount.waitcount(), 0U);
        sent = rig.make();
        second.expect(rig, *sent);
        rig.mount.enqueue(*sent, {});
    });
    EXPECT_EQ(first.count, 1);
    EXPECT_EQ(first.rv, EINTR);
    auto t = server.take(0);
    ASSERT_TRUE(t);
    rig.on([&] { EXPECT_FALSE(rig.mount.interrupt(*sent)); });
    EXPECT_EQ(second.count, 0);
    server.reply(*t, 0, t->request, {});
    EXPECT_EQ(second.count, 1);
    EXPECT_EQ(second.rv, 0);
}

} // namespace
} // namespace puffs::test
