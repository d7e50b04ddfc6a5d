// A park before it is sent: what it holds, how it is counted.
#include "puffs/base/limits.hh"
#include "support/msgif/mount_rig.hh"

#include <algorithm>
#include <array>
#include <span>

namespace puffs::test {
namespace {

// spec: F5 F8 F7
TEST(park, starts_with_one_reference_wanting_a_reply_and_zeroed) {
    mount_rig rig;
    rig.on([&] {
        EXPECT_EQ(rig.mount.totalpark(), 0U);
        park* p = rig.mount.msgmem_alloc(true);
        EXPECT_EQ(rig.mount.totalpark(), 1U);
        EXPECT_EQ(p->references(), 1U);
        EXPECT_EQ(p->flags(), kmod::park_wantreply);
        EXPECT_EQ(p->home(), 0);
        EXPECT_EQ(p->maxlen(), sizeof(msg::request));
        EXPECT_EQ(p->copylen(), p->maxlen());
        std::memset(static_cast<void*>(&p->req().args), 0xff, sizeof p->req().args);
        p->setfaf();
        rig.mount.msgmem_release(p);
        EXPECT_EQ(rig.mount.totalpark(), 0U);

        park* again = rig.mount.msgmem_alloc(true); // the same memory, anew
        ASSERT_EQ(again, p);
        EXPECT_EQ(again->flags(), kmod::park_wantreply);
        const msg::arguments& a = again->req().args;
        EXPECT_TRUE(std::ranges::all_of(std::as_bytes(std::span(&a, 1)),
                                        [](std::byte b) { return b == std::byte{}; }));
        rig.mount.msgmem_release(again);
    });
}

// spec: F9
TEST(park, release_of_nothing_is_nothing) {
    mount_rig rig;
    rig.on([&] { rig.mount.msgmem_release(nullptr); });
}

// spec: F5 F8
TEST(park, a_core_gives_out_as_many_as_the_limit_says_then_none) {
    mount_rig rig;
    rig.on([&] {
        std::vector<park*> all;
        while (park* p = rig.mount.msgmem_alloc(false))
            all.push_back(p);
        EXPECT_EQ(all.size(), limits::parks_per_core);
        EXPECT_EQ(rig.mount.totalpark(), limits::parks_per_core);
        EXPECT_EQ(rig.mount.msgmem_alloc(false), nullptr);
        for (park* p : all)
            rig.mount.msgmem_release(p);
    });
}

// spec: F8
TEST(park, who_can_sleep_waits_for_one_that_is_released) {
    mount_rig rig;
    std::vector<park*> all;
    rig.on([&] {
        while (park* p = rig.mount.msgmem_alloc(false))
            all.push_back(p);
    });
    park* late = nullptr;
    rig.on([&] { late = rig.mount.msgmem_alloc(true); });
    EXPECT_EQ(late, nullptr);
    rig.on([&] {
        rig.mount.msgmem_release(all.back());
        all.pop_back();
    });
    EXPECT_NE(late, nullptr);
    rig.on([&] {
        rig.mount.msgmem_release(late);
        for (park* p : all)
            rig.mount.msgmem_release(p);
    });
}

// spec: F8
TEST(park_death, waiting_for_one_where_sleeping_is_forbidden_panics) {
    mount_rig rig;
    rig.on([&] {
        const ipi::crit_section crit;
        EXPECT_DEATH(ipi::send(
                         0,
                         [](void* m, std::intptr_t) {
                             static_cast<void>(static_cast<puffs_mount*>(m)->msgmem_alloc(true));
                         },
                         &rig.mount),
                     "sleeping is forbidden");
    });
}

// spec: F6
TEST(park_death, one_reference_too_many_dropped_panics) {
    mount_rig rig;
    rig.on([&] {
        park* p = rig.make();
        rig.mount.msgmem_release(p);
        EXPECT_DEATH(rig.mount.msgmem_release(p), "fewer references|after it was freed");
    });
}

// spec: F6
TEST(park, its_release_hook_runs_with_the_last_reference) {
    mount_rig rig;
    static int released;
    released = 0;
    frame_server server(rig);
    rig.on([&] {
        park* p = rig.make();
        p->set_release_hook([](park&) { ++released; });
        p->setfaf();
        rig.mount.enqueue(*p, {});
        rig.mount.msgmem_release(p);
        EXPECT_EQ(released, 0);
    });
    EXPECT_TRUE(server.take(0));
    EXPECT_EQ(released, 1);
    rig.on([&] { rig.mount.msgmem_release(rig.make()); }); // not inherited by the next user
    EXPECT_EQ(released, 1);
}

// spec: F1 F11
TEST(park, its_lengths_follow_its_runs_and_delta) {
    mount_rig rig;
    rig.on([&] {
        std::array<std::byte, 100> in{};
        std::array<std::byte, 4000> out{};
        constexpr std::size_t fixed = sizeof(msg::request);
        park* p = rig.make();
        p->set_runs(in, {});
        EXPECT_EQ(p->maxlen(), fixed + 100);
        EXPECT_EQ(p->copylen(), fixed + 100);
        p->set_runs(in, out);
        EXPECT_EQ(p->maxlen(), fixed + 4000);
        EXPECT_EQ(p->copylen(), fixed + 100);
        p->setdelta(0);
        EXPECT_EQ(p->copylen(), p->maxlen());
        p->setdelta(4000);
        EXPECT_EQ(p->copylen(), fixed);
        p->setdelta(p->maxlen() - 1);
        EXPECT_EQ(p->copylen(), 1U);
        EXPECT_DEATH(p->setdelta(p->maxlen()), "delta");
        rig.mount.msgmem_release(p);
    });
}

// spec: F10 F13
TEST(park_death, fire_and_forget_excludes_calling_back) {
    mount_rig rig;
    rig.on([&] {
        const auto nothing = [](park&, int, void*) {};
        park* p = rig.make();
        p->setcall(nothing, nullptr);
        EXPECT_DEATH(p->setfaf(), "wants a reply");
        rig.mount.msgmem_release(p);
        p = rig.make();
        p->setfaf();
        EXPECT_EQ(p->flags() & kmod::park_wantreply, 0U);
        EXPECT_DEATH(p->setcall(nothing, nullptr), "no end to tell");
        rig.mount.msgmem_release(p);
    });
}

#ifdef PUFFS_RACE_POINTS // a costly assertion
// spec: F3 H7
TEST(park_death, one_that_is_touched_on_another_core_panics) {
    mount_rig rig(2);
    park* p = nullptr;
    rig.on(0, [&] { p = rig.make(); });
    rig.on(1, [&] {
        EXPECT_DEATH(rig.mount.enqueue(*p, {}), "not its home");
        EXPECT_DEATH(rig.mount.msgmem_release(p), "not its home");
    });
    rig.on(0, [&] { rig.mount.msgmem_release(p); });
}
#endif

// spec: F12
TEST(park, setinfo_keeps_only_the_bits_of_the_class) {
    mount_rig rig;
    rig.on([&] {
        park* p = rig.make();
        const auto dressed = static_cast<opclass>(static_cast<std::uint32_t>(opclass::vfs) |
                                                  msg::opclass_faf | msg::opclass_isresponse);
        p->setinfo(dressed, 77, msg::make_cookie(3, 4));
        EXPECT_EQ(p->req().head.opclass, static_cast<std::uint32_t>(opclass::vfs));
        EXPECT_EQ(p->req().head.optype, 77U);
        EXPECT_EQ(p->req().head.node, msg::make_cookie(3, 4));
        rig.mount.msgmem_release(p);
    });
}

// spec: F7
TEST(park, the_listing_says_where_each_one_is) {
    mount_rig rig;
    frame_server server(rig);
    caller waits;
    waits.start(rig, 0, [](park& p) {
        p.setinfo(opclass::vn, static_cast<std::uint32_t>(vn_op::rename), msg::make_cookie(2, 0));
    });
    ASSERT_TRUE(server.take(0));
    park* fresh = nullptr;
    std::string text;
    caller queued;
    queued.start(rig);
    const monotonic_clock clock;
    const instant later = clock.now().after(std::chrono::milliseconds(3));
    while (clock.now().before(later)) { // ages are real, whatever the cores' clock says
    }
    rig.on([&] {
        fresh = rig.make();
        rig.mount.dump(text);
    });
    EXPECT_NE(text.find("replywait"), std::string::npos) << text;
    EXPECT_NE(text.find("rename node 0x2"), std::string::npos) << text;
    EXPECT_NE(text.find("touser"), std::string::npos) << text;
    const std::size_t age = text.find("age ", text.find("touser"));
    ASSERT_NE(age, std::string::npos) << text;
    EXPECT_GE(std::stoul(text.substr(age + 4)), 3000U) << text;
    EXPECT_LT(std::stoul(text.substr(age + 4)), 10'000'000U) << text;
    EXPECT_NE(text.find(" new "), std::string::npos) << text;
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
    rig.on([&] {
        rig.mount.msgmem_release(fresh);
        rig.mount.userdead();
    });
}

} // namespace
} // namespace puffs::test
