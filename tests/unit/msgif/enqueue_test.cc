// What enqueue does to a park (section 4.3).
#include "support/msgif/mount_rig.hh"

#include <csignal>
#include <set>

namespace puffs::test {
namespace {

// spec: F17
TEST(enqueue, fills_the_header) {
    mount_rig rig;
    frame_server server(rig);
    caller c;
    std::array<std::byte, 50> in{};
    c.start(rig, 0, [&](park& p) { p.set_runs(in, {}); });
    rig.on([&] {
        park* p = rig.make();
        p->setfaf();
        rig.mount.enqueue(*p, {.pid = 5, .uid = 6, .gid = 7});
        rig.mount.msgmem_release(p);
    });
    const auto wants = server.take(0);
    const auto faf = server.take(0);
    ASSERT_TRUE(wants && faf);
    EXPECT_EQ(wants->request.head.buflen, sizeof(msg::request) + 50);
    EXPECT_EQ(wants->length, sizeof(msg::request) + 50);
    EXPECT_NE(wants->request.head.id, 0U);
    EXPECT_EQ(wants->request.head.opclass, static_cast<std::uint32_t>(opclass::vn));
    EXPECT_NE(wants->request.head.lid, 0U);
    EXPECT_EQ(faf->request.head.id, 0U);
    EXPECT_EQ(faf->request.head.opclass,
              static_cast<std::uint32_t>(opclass::vn) | msg::opclass_faf);
    EXPECT_EQ(faf->request.head.who.pid, 5U);
    EXPECT_EQ(faf->request.head.who.uid, 6U);
    EXPECT_EQ(faf->request.head.who.gid, 7U);
    rig.on([&] { rig.mount.userdead(); });
}

// spec: F17
TEST(enqueue_death, refuses_a_park_that_has_an_id) {
    mount_rig rig;
    rig.on([&] {
        park* p = rig.make();
        p->req().head.id = 1;
        EXPECT_DEATH(rig.mount.enqueue(*p, {}), "with an id");
        rig.mount.msgmem_release(p);
    });
}

// spec: F14 V16 B39
TEST(enqueue, ids_are_unique_never_0_and_name_their_core) {
    mount_rig rig(2);
    frame_server server(rig);
    std::set<std::uint64_t> seen;
    for (int round = 0; round < 100; ++round) {
        for (const core_id core : {core_id{0}, core_id{1}}) {
            caller a;
            caller b;
            a.start(rig, core, [](park&) {});
            b.start(rig, core, [](park&) {});
            for (caller* c : {&a, &b}) {
                const auto t = server.take(core);
                ASSERT_TRUE(t);
                EXPECT_NE(t->request.head.id, 0U);
                EXPECT_EQ(t->request.head.id >> 56, core);
                EXPECT_TRUE(seen.insert(t->request.head.id).second);
                server.reply(*t, core, t->request, {});
                EXPECT_TRUE(c->over);
            }
        }
    }
}

// spec: F16
TEST(enqueue, a_park_can_be_sent_again_and_again) {
    mount_rig rig;
    frame_server server(rig);
    std::vector<int> ends;
    rig.on([&] {
        park* p = rig.make();
        for (int i = 0; i < 3; ++i) {
            p->req().head.id = 0;
            rig.mount.enqueue(*p, {});
            EXPECT_EQ(p->flags() & (kmod::park_done | kmod::park_haserror), 0U);
            ends.push_back(rig.mount.wait(*p));
        }
        rig.mount.msgmem_release(p);
    });
    for (const int rv : {EPERM, 0, ENOENT}) {
        auto t = server.take(0);
        ASSERT_TRUE(t);
        t->request.head.rv = rv;
        server.reply(*t, 0, t->request, {});
    }
    EXPECT_EQ(ends, (std::vector<int>{EPERM, 0, ENOENT}));
}

// spec: F16
TEST(enqueue_death, refuses_a_park_whose_waiter_left) {
    mount_rig rig;
    frame_server server(rig);
    rig.on([&] {
        park* p = rig.make();
        rig.mount.enqueue(*p, {});
        lwkt::thread::current().post_signal(SIGINT);
        EXPECT_EQ(rig.mount.wait(*p), EINTR);
        lwkt::thread::current().clear_signals();
        p->req().head.id = 0;
        EXPECT_DEATH(rig.mount.enqueue(*p, {}), "after its waiter left");
        rig.mount.msgmem_release(p);
    });
}

enum class kind : std::uint8_t { wait, faf, call, inactive, reclaim };

class enqueue_signalled : public testing::TestWithParam<std::tuple<int, kind>> {};
INSTANTIATE_TEST_SUITE_P(F18, enqueue_signalled,
                         testing::Combine(testing::Values(SIGINT, SIGTERM, SIGKILL, SIGHUP, SIGQUIT,
                                                          SIGUSR1, SIGALRM, SIGCHLD),
                                          testing::Values(kind::wait, kind::faf, kind::call,
                                                          kind::inactive, kind::reclaim)));

// spec: F18 T10
TEST_P(enqueue_signalled, only_a_waiter_and_only_an_important_signal_counts) {
    const auto [number, k] = GetParam();
    const bool important = number != SIGUSR1 && number != SIGALRM && number != SIGCHLD;
    mount_rig rig;
    frame_server server(rig);
    call_end end;
    int rv = -1;
    std::uint32_t flags = 0;
    rig.on([&] {
        park* p = rig.make(k == kind::inactive  ? vn_op::inactive
                           : k == kind::reclaim ? vn_op::reclaim
                                                : vn_op::fsync);
        if (k == kind::faf) p->setfaf();
        if (k == kind::call) end.expect(rig, *p);
        lwkt::thread::current().post_signal(number);
        rig.mount.enqueue(*p, {});
        flags = p->flags();
        if (k == kind::call) return;
        rv = rig.mount.wait(*p);
        rig.mount.msgmem_release(p);
    });
    const bool waits = k == kind::wait || k == kind::inactive || k == kind::reclaim;
    const bool converted = important && (k == kind::inactive || k == kind::reclaim);
    const auto t = server.take(0);
    if (important && k == kind::wait) {
        EXPECT_FALSE(t);
        EXPECT_EQ(flags & kmod::park_haserror, kmod::park_haserror);
    } else {
        ASSERT_TRUE(t);
        EXPECT_EQ((t->request.head.opclass & msg::opclass_faf) != 0, k == kind::faf || converted);
    }
    EXPECT_EQ(rv, important && waits ? EINTR : k == kind::faf ? 0 : -1);
    rig.on([&] { rig.mount.userdead(); });
}

class enqueue_status : public testing::TestWithParam<mount_status> {};
INSTANTIATE_TEST_SUITE_P(F19, enqueue_status,
                         testing::Values(mount_status::before_init, mount_status::mounting,
                                         mount_status::running, mount_status::dying));

// spec: F19 U9 F13 B31
TEST_P(enqueue_status, nothing_is_queued_unless_the_mount_runs) {
    const bool runs = GetParam() == mount_status::running;
    mount_rig rig(1, GetParam() == mount_status::dying ? mount_status::running : GetParam());
    frame_server server(rig);
    if (GetParam() == mount_status::dying) rig.on([&] { rig.mount.userdead(); });
    caller waits;
    waits.start(rig);
    caller faf;
    faf.start(rig, 0, [](park& p) { p.setfaf(); });
    call_end end;
    rig.on([&] {
        park* p = rig.make();
        end.expect(rig, *p);
        rig.mount.enqueue(*p, {});
    });
    EXPECT_EQ(waits.rv, runs ? -1 : ENXIO);
    EXPECT_EQ(faf.rv, runs ? 0 : ENXIO);
    EXPECT_EQ(end.count, runs ? 0 : 1);
    EXPECT_EQ(end.rv, runs ? -1 : ENXIO);
    if (!runs) {
        EXPECT_EQ(waits.flags & kmod::park_haserror, kmod::park_haserror);
        EXPECT_EQ(server.notices, 0U);
    }
    rig.on([&] {
        EXPECT_EQ(rig.mount.waitcount(), runs ? 3U : 0U);
        rig.mount.userdead();
    });
}

// spec: F20 F32 V13
TEST(enqueue, queues_in_order_counts_and_tells_the_transport) {
    mount_rig rig;
    frame_server server(rig);
    rig.on([&] {
        for (std::uint32_t i = 1; i <= 3; ++i) {
            park* p = rig.make(vn_op::fsync, msg::make_cookie(i, 0));
            p->setfaf();
            rig.mount.enqueue(*p, {});
            EXPECT_EQ(rig.mount.waitcount(), i);
            EXPECT_EQ(server.notices, i);
            EXPECT_EQ(p->references(), 2U);
            rig.mount.msgmem_release(p);
        }
    });
    for (std::uint32_t i = 1; i <= 3; ++i) {
        const auto t = server.take(0);
        ASSERT_TRUE(t);
        EXPECT_EQ(t->request.head.node, msg::make_cookie(i, 0));
        rig.on([&] { EXPECT_EQ(rig.mount.waitcount(), 3 - i); });
    }
}

// spec: F20 F30
TEST(enqueue, wakes_every_getter) {
    mount_rig rig;
    frame_server server(rig);
    std::vector<std::uint32_t> got;
    for (int getter = 0; getter < 2; ++getter) {
        rig.on([&] {
            const auto f = rig.mount.getout(1 << 20, false);
            ASSERT_TRUE(f);
            got.push_back(msg::slot_of(f->handle->req->head.node));
            rig.mount.releaseout(*f->handle, 0);
        });
    }
    EXPECT_TRUE(got.empty());
    rig.on([&] {
        for (std::uint32_t i = 1; i <= 2; ++i) {
            park* p = rig.make(vn_op::fsync, msg::make_cookie(i, 0));
            p->setfaf();
            rig.mount.enqueue(*p, {});
            rig.mount.msgmem_release(p);
        }
    });
    EXPECT_EQ(got, (std::vector<std::uint32_t>{1, 2}));
}

// spec: F20
TEST(enqueue, a_getter_for_whom_it_is_too_long_does_not_keep_it_from_another) {
    mount_rig rig;
    frame_server server(rig);
    int short_error = 0;
    bool long_got = false;
    rig.on([&] { short_error = errno_of(rig.mount.getout(1, false)); });
    rig.on([&] {
        const auto f = rig.mount.getout(1 << 20, false);
        long_got = f.has_value();
        if (f) rig.mount.releaseout(*f->handle, 0);
    });
    caller c;
    c.start(rig, 0, [](park& p) { p.setfaf(); });
    EXPECT_EQ(short_error, E2BIG);
    EXPECT_TRUE(long_got);
}

} // namespace
} // namespace puffs::test
