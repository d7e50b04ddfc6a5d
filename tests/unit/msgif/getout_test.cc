// The transport's side: getout, releaseout, waitcount, attach and detach.
#include "support/msgif/mount_rig.hh"

#include <csignal>

namespace puffs::test {
namespace {

// spec: F30
TEST(getout, says_why_it_gives_nothing) {
    mount_rig rig;
    {
        frame_server server(rig);
        rig.on([&] { EXPECT_EQ(errno_of(rig.mount.getout(1 << 20, true)), EWOULDBLOCK); });
        caller c;
        std::array<std::byte, 100> in{};
        c.start(rig, 0, [&](park& p) { p.set_runs(in, {}); });
        rig.on([&] {
            EXPECT_EQ(errno_of(rig.mount.getout(sizeof(msg::request) + 99, true)), E2BIG);
            EXPECT_EQ(rig.mount.waitcount(), 1U); // left where it was
            const auto f = rig.mount.getout(sizeof(msg::request) + 100, true);
            ASSERT_TRUE(f);
            EXPECT_EQ(f->length, sizeof(msg::request) + 100);
            EXPECT_EQ(f->handle->data.in.data(), in.data()); // nothing is copied
            rig.mount.releaseout(*f->handle, 0);
            rig.mount.userdead();
            EXPECT_EQ(errno_of(rig.mount.getout(1 << 20, true)), ENXIO);
            EXPECT_EQ(errno_of(rig.mount.getout(1 << 20, false)), ENXIO);
        });
    }
}

// spec: F30
TEST(getout, that_sleeps_ends_with_a_request_a_signal_or_the_death_of_the_mount) {
    mount_rig rig;
    frame_server server(rig);
    int error = -1;
    const auto sleep = [&] {
        error = -1;
        return rig.on([&] {
            auto f = rig.mount.getout(1 << 20, false);
            error = errno_of(f);
            if (f) rig.mount.releaseout(*f->handle, 0);
        });
    };
    sleep();
    EXPECT_EQ(error, -1);
    caller c;
    c.start(rig, 0, [](park& p) { p.setfaf(); });
    EXPECT_EQ(error, 0);

    lwkt::thread* td = sleep();
    td->post_signal(SIGUSR1);
    rig.machine.settle();
    EXPECT_EQ(error, -1);
    td->post_signal(SIGINT);
    rig.machine.settle();
    EXPECT_EQ(error, EINTR);

    sleep();
    EXPECT_EQ(error, -1);
    rig.on([&] { rig.mount.userdead(); });
    EXPECT_EQ(error, ENXIO);
}

// spec: F31
TEST(releaseout, with_an_error_ends_the_request) {
    mount_rig rig;
    frame_server server(rig);
    caller waits;
    waits.start(rig);
    call_end end;
    caller faf;
    rig.on([&] {
        park* p = rig.make();
        end.expect(rig, *p);
        rig.mount.enqueue(*p, {});
    });
    faf.start(rig, 0, [](park& p) { p.setfaf(); });
    for (int i = 0; i < 3; ++i) {
        rig.on([&] {
            auto f = rig.mount.getout(1 << 20, true);
            ASSERT_TRUE(f);
            rig.mount.releaseout(*f->handle, ECONNRESET);
        });
    }
    EXPECT_EQ(waits.rv, ECONNRESET);
    EXPECT_EQ(end.count, 1);
    EXPECT_EQ(end.rv, ECONNRESET);
    EXPECT_EQ(rig.mount.totalpark(), 0U);
}

// spec: F31
TEST(releaseout_death, of_what_was_not_got_out_panics) {
    mount_rig rig;
    frame_server server(rig);
    rig.on([&] {
        park* p = rig.make();
        p->setfaf();
        rig.mount.enqueue(*p, {});
        auto f = rig.mount.getout(1 << 20, true);
        rig.mount.releaseout(*f->handle, 0);
        EXPECT_DEATH(rig.mount.releaseout(*f->handle, 0), "not got out");
        rig.mount.msgmem_release(p);
    });
}

// spec: F36
TEST(transport_states, before_attach_and_after_detach_there_is_nothing) {
    mount_rig rig;
    rig.on([&] { EXPECT_EQ(errno_of(rig.mount.getout(1 << 20, true)), ENOENT); });
    {
        frame_server server(rig);
        rig.on([&] { EXPECT_EQ(errno_of(rig.mount.getout(1 << 20, true)), EWOULDBLOCK); });
    }
    rig.on([&] {
        EXPECT_EQ(errno_of(rig.mount.getout(1 << 20, true)), ENOENT);
        rig.mount.dispatch(msg::request{}, {}, sizeof(msg::request)); // from nobody: ignored
    });
    EXPECT_EQ(rig.mount.counters_of(0).unknown_ids, 0U);
}

// spec: F36
TEST(transport_states_death, attached_once_and_detached_without_frames_out) {
    mount_rig rig;
    frame_server server(rig);
    EXPECT_DEATH(rig.mount.attach(server), "second transport");
    rig.on([&] {
        park* p = rig.make();
        p->setfaf();
        rig.mount.enqueue(*p, {});
        rig.mount.msgmem_release(p);
        auto f = rig.mount.getout(1 << 20, true);
        EXPECT_DEATH(rig.mount.detach(), "frame is out");
        rig.mount.releaseout(*f->handle, 0);
    });
}

} // namespace
} // namespace puffs::test
