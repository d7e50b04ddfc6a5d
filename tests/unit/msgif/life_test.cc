// The life of a mount: its states, the death of its server, unmounting.
#include "support/msgif/mount_rig.hh"

#include <csignal>
#include <string_view>
#include <utility>

namespace puffs::test {
namespace {

// spec: U9
TEST(status, goes_forward_only) {
    mount_rig rig(1, mount_status::before_init);
    EXPECT_EQ(rig.mount.status(), mount_status::before_init);
    EXPECT_DEATH(rig.mount.set_running(), "not mounting");
    rig.mount.set_mounting();
    EXPECT_EQ(rig.mount.status(), mount_status::mounting);
    EXPECT_DEATH(rig.mount.set_mounting(), "mounted twice");
    rig.mount.set_running();
    EXPECT_EQ(rig.mount.status(), mount_status::running);
    rig.on([&] { rig.mount.userdead(); });
    EXPECT_EQ(rig.mount.status(), mount_status::dying);
    rig.mount.set_running(); // too late, and not an error: INIT may come after the server's death
    EXPECT_EQ(rig.mount.status(), mount_status::dying);
}

// spec: U13 V17 H7 B29
TEST(userdead, ends_every_kind_on_every_queue_of_every_core) {
    mount_rig rig(3);
    frame_server server(rig);
    struct core_load {
        caller q1, q2, gone, faf;
        call_end call1, call2;
        int getter = -1;
        msg::delivery* frame = nullptr;
    };
    std::vector<std::unique_ptr<core_load>> loads;
    for (core_id core = 0; core < 3; ++core) {
        auto& l = *loads.emplace_back(std::make_unique<core_load>());
        l.q2.start(rig, core, [](park&) {});
        l.gone.start(rig, core, [](park&) {});
        rig.on(core, [&] {
            park* p = rig.make();
            l.call2.expect(rig, *p);
            rig.mount.enqueue(*p, {});
        });
        for (int i = 0; i < 3; ++i)
            ASSERT_TRUE(server.take(core));
        l.gone.td->post_signal(SIGINT);
        rig.machine.settle();
        rig.on(core, [&] {
            const auto f = rig.mount.getout(1 << 20, false);
            l.getter = errno_of(f);
            l.frame = f ? f->handle : nullptr;
        });
    }
    for (core_id core = 0; core < 3; ++core) {
        auto& l = *loads[core];
        EXPECT_EQ(l.getter, -1);
        l.q1.start(rig, core, [&](park&) {});
        EXPECT_EQ(l.getter, 0); // it took that one, and keeps it: state T
        rig.on(core, [&] {
            park* p = rig.make();
            l.call1.expect(rig, *p);
            rig.mount.enqueue(*p, {});
        });
        l.faf.start(rig, core, [](park& p) { p.setfaf(); });
    }
    rig.on(1, [&] {
        rig.mount.userdead();
        for (core_id core = 0; core < 3; ++core)
            EXPECT_EQ(rig.mount.counters_of(core).died, 5U);
        rig.mount.userdead(); // again: nothing more
    });
    for (core_id core = 0; core < 3; ++core) {
        auto& l = *loads[core];
        EXPECT_EQ(l.q2.rv, ENXIO);
        EXPECT_EQ(l.gone.rv, EINTR);
        EXPECT_EQ(l.call1.rv, ENXIO);
        EXPECT_EQ(l.call2.rv, ENXIO);
        EXPECT_EQ(l.call1.count, 1);
        EXPECT_EQ(l.call2.count, 1);
        EXPECT_FALSE(l.q1.over); // the transport has it
        rig.on(core, [&] {
            EXPECT_EQ(rig.mount.waitcount(), 0U);
            EXPECT_EQ(rig.mount.counters_of(core).died, 5U);
        });
        rig.on(core, [&] { rig.mount.releaseout(*l.frame, 0); });
        EXPECT_EQ(l.q1.rv, ENXIO);
    }
}

// spec: U13
TEST(userdead, wakes_the_getters_of_every_core) {
    mount_rig rig(2);
    frame_server server(rig);
    std::array<int, 2> error{-1, -1};
    for (core_id core = 0; core < 2; ++core) {
        rig.on(core, [&, core] { error[core] = errno_of(rig.mount.getout(1 << 20, false)); });
    }
    rig.on(0, [&] { rig.mount.userdead(); });
    EXPECT_EQ(error[0], ENXIO);
    EXPECT_EQ(error[1], ENXIO);
}

// spec: U11 U10
TEST(unmount, asks_the_server_and_goes_when_it_agrees) {
    mount_rig rig(2);
    frame_server server(rig);
    std::optional<result<void>> r;
    rig.on([&] { r = rig.mount.unmount(false); });
    auto t = server.take(0);
    ASSERT_TRUE(t);
    EXPECT_EQ(t->request.head.opclass, static_cast<std::uint32_t>(opclass::vfs));
    EXPECT_EQ(t->request.head.optype, static_cast<std::uint32_t>(vfs_op::unmount));
    EXPECT_EQ(t->request.args.unmount.force, 0U);
    EXPECT_FALSE(r);
    EXPECT_EQ(rig.mount.status(), mount_status::running);
    server.reply(*t, 0, t->request, {});
    ASSERT_TRUE(r);
    EXPECT_TRUE(r->has_value());
    EXPECT_EQ(rig.mount.status(), mount_status::dying);
}

// spec: U11
TEST(unmount, refused_leaves_the_mount_running_unless_forced) {
    mount_rig rig;
    frame_server server(rig);
    for (const bool force : {false, true}) {
        std::optional<result<void>> r;
        rig.on([&] { r = rig.mount.unmount(force); });
        auto t = server.take(0);
        ASSERT_TRUE(t);
        EXPECT_EQ(t->request.args.unmount.force, force ? 1U : 0U);
        rig.on([&] { EXPECT_EQ(errno_of(rig.mount.unmount(force)), EBUSY); }); // one at a time
        t->request.head.rv = ENOTEMPTY;
        server.reply(*t, 0, t->request, {});
        ASSERT_TRUE(r);
        EXPECT_EQ(errno_of(*r), force ? 0 : ENOTEMPTY);
        EXPECT_EQ(rig.mount.status(), force ? mount_status::dying : mount_status::running);
    }
}

// spec: U11
TEST(unmount, an_answer_that_is_no_errno_refuses_with_eproto) {
    mount_rig rig;
    frame_server server(rig);
    std::optional<result<void>> r;
    rig.on([&] { r = rig.mount.unmount(false); });
    auto t = server.take(0);
    ASSERT_TRUE(t);
    t->request.head.rv = -3;
    server.reply(*t, 0, t->request, {});
    ASSERT_TRUE(r);
    EXPECT_EQ(errno_of(*r), EPROTO);
    EXPECT_EQ(rig.mount.status(), mount_status::running);
}

// spec: U11 B42
TEST(unmount, of_a_dead_server_asks_nobody) {
    mount_rig rig;
    frame_server server(rig);
    std::optional<result<void>> r;
    rig.on([&] {
        rig.mount.userdead();
        r = rig.mount.unmount(false);
    });
    ASSERT_TRUE(r);
    EXPECT_TRUE(r->has_value());
    EXPECT_FALSE(server.take(0));
}

// spec: U10
TEST(unmount, waits_until_nobody_sleeps_in_the_mount) {
    mount_rig rig(2);
    frame_server server(rig);
    caller stays;
    stays.start(rig, 1, [](park&) {});
    msg::delivery* handle = nullptr;
    rig.on(1, [&] {
        handle = rig.mount.getout(1 << 20, true)->handle;
    }); // state T: not ended by userdead
    bool gone = false;
    rig.on(0, [&] { gone = rig.mount.unmount(true).has_value(); });
    auto t = server.take(0);
    ASSERT_TRUE(t);
    server.reply(*t, 0, t->request, {});
    EXPECT_EQ(rig.mount.status(), mount_status::dying);
    EXPECT_FALSE(stays.over);
    EXPECT_FALSE(gone);
    rig.on(1, [&] { rig.mount.releaseout(*handle, 0); });
    EXPECT_EQ(stays.rv, ENXIO);
    EXPECT_TRUE(gone);
}

#ifdef PUFFS_RACE_POINTS

// The unmounter outranks the sleeper, and comes while that is in its critical section: it runs as the section ends.
class unmount_race : public testing::TestWithParam<bool> {
  protected:
    unmount_race() { self() = this; }
    ~unmount_race() override { current_race_hook() = nullptr; }
    static unmount_race*& self() {
        static unmount_race* current = nullptr;
        return current;
    }
    static void at(const char* point) {
        unmount_race& r = *self();
        if (point == std::string_view("msgif: slept")) r.slept = true;
        if (point != std::string_view("msgif: about to sleep") || std::exchange(r.met, true))
            return;
        lwkt::create_options high;
        high.priority = lwkt::priority::interrupt_high;
        r.rig.machine.spawn(
            0,
            [&r] {
                r.rig.mount.userdead();
                EXPECT_FALSE(r.slept);
                r.gone = r.rig.mount.unmount(true).has_value();
                EXPECT_TRUE(r.slept) << "unmounted under one who sleeps in the mount";
                for (park* p : r.parks)
                    r.rig.mount.msgmem_release(p);
                r.parks.clear();
            },
            high);
    }
    mount_rig rig{1};
    frame_server server{rig};
    std::vector<park*> parks;
    bool met = false, slept = false, gone = false;
};
INSTANTIATE_TEST_SUITE_P(U10, unmount_race, testing::Bool());

// spec: U10 T3
TEST_P(unmount_race, waits_for_one_who_is_about_to_sleep) {
    const bool for_a_park = GetParam();
    rig.on([&] {
        while (park* p = for_a_park ? rig.mount.msgmem_alloc(false) : nullptr)
            parks.push_back(p);
    });
    current_race_hook() = at;
    rig.on([&] {
        if (for_a_park) {
            rig.mount.msgmem_release(rig.mount.msgmem_alloc(true));
        } else {
            EXPECT_EQ(errno_of(rig.mount.getout(1 << 20, false)), ENXIO);
        }
    });
    EXPECT_TRUE(met);
    if (for_a_park) { // nobody but who has a park can end that wait
        EXPECT_FALSE(gone);
        rig.on([&] { rig.mount.msgmem_release(std::exchange(parks.back(), nullptr)); });
    }
    EXPECT_TRUE(gone);
}

#endif

// spec: U12
TEST(close, ends_an_unmounter_in_flight_and_waits_for_it) {
    mount_rig rig(2);
    frame_server server(rig);
    caller stays;
    stays.start(rig, 0, [](park&) {});
    msg::delivery* handle = nullptr;
    // State T: not ended by userdead, so that the unmounter has to wait for its caller.
    rig.on(0, [&] { handle = rig.mount.getout(1 << 20, true)->handle; });
    std::string order;
    rig.on(1, [&] {
        static_cast<void>(rig.mount.unmount(false));
        order += "unmounted ";
    });
    ASSERT_TRUE(server.take(1));
    rig.on(0, [&] {
        rig.mount.close();
        order += "closed";
        rig.mount.close(); // again: nothing
    });
    EXPECT_EQ(rig.mount.status(), mount_status::dying);
    EXPECT_EQ(order, "");
    rig.on(0, [&] { rig.mount.releaseout(*handle, 0); });
    EXPECT_EQ(order, "unmounted closed");
    EXPECT_TRUE(stays.over);
    EXPECT_EQ(rig.mount.status(), mount_status::dying);
}

// spec: V18 U10
TEST(mount_death, is_not_destroyed_under_its_users) {
    rig machine(1);
    auto mount = std::make_unique<puffs_mount>(machine.domain);
    park* p = nullptr;
    machine.spawn(0, [&] { p = mount->msgmem_alloc(true); });
    machine.settle();
    EXPECT_DEATH(mount.reset(), "parks are out");
    machine.spawn(0, [&] { mount->msgmem_release(p); });
    machine.settle();
    struct deaf final : kmod::transport {
        void notify(core_id) override {}
        void respond(const msg::request&, std::string_view) override {}
    } t;
    mount->attach(t);
    EXPECT_DEATH(mount.reset(), "transport attached");
    mount->detach();
    mount.reset();
}

} // namespace
} // namespace puffs::test
