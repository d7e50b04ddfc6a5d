// What a core of a mount says that it has served.
#include "support/msgif/mount_rig.hh"

#include <csignal>

namespace puffs::test {
namespace {

using kmod::kind_of;
using kmod::operation_kind;

constexpr operation_kind kind(vn_op op) {
    return kind_of(static_cast<std::uint32_t>(opclass::vn), static_cast<std::uint32_t>(op));
}
constexpr operation_kind kind(vfs_op op) {
    return kind_of(static_cast<std::uint32_t>(opclass::vfs), static_cast<std::uint32_t>(op));
}

struct counted {
    std::uint64_t ended, errors;
    friend bool operator==(const counted&, const counted&) = default;
};
void PrintTo(const counted& c, std::ostream* out) {
    *out << c.ended << " ended, " << c.errors << " errors";
}

class statistics : public testing::TestWithParam<transport_kind> {
  protected:
    statistics() : server(make_server(GetParam(), rig)) {}

    [[nodiscard]] counted count(operation_kind k, core_id core = 0) const {
        const auto& c = rig.mount.statistics_of(core).counts_of(k);
        return {c.ended.load(std::memory_order_relaxed), c.errors.load(std::memory_order_relaxed)};
    }
    [[nodiscard]] std::uint64_t all_ended() const {
        std::uint64_t n = 0;
        for (operation_kind k = 0; k < kmod::kinds_count; ++k) {
            n += count(k).ended;
        }
        return n;
    }
    // The server answers the oldest request by `rv`.
    void answer(int rv, core_id core = 0) {
        auto t = server->take(core);
        ASSERT_TRUE(t);
        t->request.head.rv = rv;
        server->reply(*t, core, t->request, {});
    }

    mount_rig rig{2};
    std::unique_ptr<test_server> server;
};
INSTANTIATE_TEST_SUITE_P(T16, statistics,
                         testing::Values(transport_kind::frames, transport_kind::inproc),
                         kind_name);

void ask(park& p, vn_op op) {
    p.setinfo(opclass::vn, static_cast<std::uint32_t>(op), cookie::root);
}

TEST(operation_kinds, have_names_of_their_own) {
    EXPECT_STREQ(kmod::name_of_kind(kind(vn_op::lookup)), "lookup");
    EXPECT_STREQ(kmod::name_of_kind(kind(vn_op::tmpfile)), "tmpfile");
    EXPECT_STREQ(kmod::name_of_kind(kind(vfs_op::statvfs)), "statvfs");
    EXPECT_STREQ(kmod::name_of_kind(kind(vfs_op::suspend)), "suspend");
    EXPECT_EQ(kind(vn_op::count_), 0);
    EXPECT_EQ(kind(static_cast<vfs_op>(7)), 0);
    EXPECT_EQ(kind(static_cast<vn_op>(~0U)), 0);
    EXPECT_STREQ(kmod::name_of_kind(0), "other");
}

// spec: T15
TEST_P(statistics, count_operations_and_errors_on_the_core_that_they_came_from) {
    caller good;
    caller bad;
    caller elsewhere;
    good.start(rig, 0, [](park& p) { ask(p, vn_op::fsync); });
    answer(0);
    bad.start(rig, 0, [](park& p) { ask(p, vn_op::fsync); });
    EXPECT_EQ(count(kind(vn_op::fsync)), (counted{1, 0})) << "the second one has not ended yet";
    answer(EROFS);
    elsewhere.start(rig, 1, [](park& p) {
        p.setinfo(opclass::vfs, static_cast<std::uint32_t>(vfs_op::sync), cookie::none);
    });
    answer(0, 1);
    EXPECT_TRUE(good.over && bad.over && elsewhere.over);
    EXPECT_EQ(count(kind(vn_op::fsync)), (counted{2, 1}));
    EXPECT_EQ(all_ended(), 2U);
    EXPECT_EQ(count(kind(vfs_op::sync), 1), (counted{1, 0}));
    EXPECT_EQ(count(kind(vfs_op::sync)), (counted{0, 0}));
    EXPECT_EQ(count(kind(vn_op::fsync), 1), (counted{0, 0}));
}

// spec: F25 U13
TEST_P(statistics, count_what_ends_without_an_answer_as_errors) {
    if (GetParam() == transport_kind::frames) { // inproc takes it from touser at once
        caller interrupted;
        interrupted.start(rig, 0, [](park& p) { ask(p, vn_op::access); });
        rig.on([&] { interrupted.td->post_signal(SIGINT); });
        ASSERT_TRUE(interrupted.over);
        EXPECT_EQ(count(kind(vn_op::access)), (counted{1, 1}));
    }
    caller died;
    died.start(rig, 0, [](park& p) { ask(p, vn_op::fsync); });
    auto t = server->take(0);
    ASSERT_TRUE(t);
    rig.on([&] { rig.mount.userdead(); });
    ASSERT_TRUE(died.over);
    EXPECT_EQ(count(kind(vn_op::fsync)), (counted{1, 1}));
    if (auto* inproc = dynamic_cast<inproc_server*>(server.get())) {
        inproc->let_go(*t);
    }
    EXPECT_EQ(count(kind(vn_op::fsync)), (counted{1, 1})) << "the late answer is none of its own";
}

// spec: F10
TEST_P(statistics, count_what_is_fired_and_forgotten) {
    rig.mount.keep_times();
    rig.on([&] {
        park* p = rig.make(vn_op::reclaim);
        p->setfaf();
        rig.mount.enqueue(*p, {});
        rig.mount.msgmem_release(p);
    });
    auto t = server->take(0);
    ASSERT_TRUE(t);
    if (auto* inproc = dynamic_cast<inproc_server*>(server.get())) {
        EXPECT_EQ(count(kind(vn_op::reclaim)), (counted{0, 0}));
        t->handle->req->head.rv = ESTALE;
        inproc->let_go(*t);
        EXPECT_EQ(count(kind(vn_op::reclaim)), (counted{1, 1}));
        const auto* times = rig.mount.statistics_of(0).times_of(kind(vn_op::reclaim));
        ASSERT_NE(times, nullptr);
        histogram_sum run;
        histogram_sum reply;
        run.add(times->run);
        reply.add(times->reply);
        EXPECT_EQ(run.count(), 1U);
        EXPECT_EQ(reply.count(), 0U) << "nobody waits for a reply";
    } else {
        EXPECT_EQ(count(kind(vn_op::reclaim)), (counted{1, 0}))
            << "a frame is forgotten when it is out";
    }
}

TEST_P(statistics, have_no_times_until_they_are_asked_for) {
    caller c;
    c.start(rig, 0, [](park& p) { ask(p, vn_op::fsync); });
    answer(0);
    EXPECT_EQ(rig.mount.statistics_of(0).times_of(kind(vn_op::fsync)), nullptr);
    EXPECT_EQ(count(kind(vn_op::fsync)), (counted{1, 0}));
}

// Spins: sleeping would not move the counter that is read by less than it promises.
void let_pass(std::chrono::microseconds d) {
    const monotonic_clock clock;
    const instant until = clock.now().after(d);
    while (clock.now().before(until)) {
    }
}

TEST_P(statistics, tell_the_wait_in_the_server_from_the_way_back) {
    rig.mount.keep_times();
    park* p = nullptr;
    rig.on([&] {
        p = rig.make();
        p->setcall(
            [](park& done, int, void* mount) {
                let_pass(std::chrono::microseconds(4000));
                static_cast<puffs_mount*>(mount)->msgmem_release(&done);
            },
            &rig.mount);
        rig.mount.enqueue(*p, {});
    });
    auto t = server->take(0);
    ASSERT_TRUE(t);
    let_pass(std::chrono::microseconds(2000));
    server->reply(*t, 0, t->request, {});
    const auto* times = rig.mount.statistics_of(0).times_of(kind(vn_op::fsync));
    ASSERT_NE(times, nullptr);
    histogram_sum queued;
    histogram_sum run;
    histogram_sum reply;
    queued.add(times->queued);
    run.add(times->run);
    reply.add(times->reply);
    EXPECT_EQ(queued.count(), 1U);
    EXPECT_EQ(run.count(), 1U);
    EXPECT_EQ(reply.count(), 1U);
    const double ns = rig.mount.ns_per_tick();
    // The counter and the clock that is spun on may differ a little.
    EXPECT_GE(static_cast<double>(run.max()) * ns, 1.9e6);
    EXPECT_GE(static_cast<double>(reply.max()) * ns, 3.9e6);
}

} // namespace
} // namespace puffs::test
