// memfs waits for the space of removed files: how often, told by the clock of the core that it sleeps on.
#include "memfs/memfs.hh"
#include "puffs/server/make_operations.hh"
#include "support/lwkt/rig.hh"
#include "unit/server/client.hh"

#include <chrono>
#include <functional>
#include <gtest/gtest.h>
#include <string>

namespace memfs {
namespace {

using puffs::msg::cookie;
using puffs::msg::vn_op;

// A file system of 1 MiB with two files of which one is removed, but not forgotten: somebody has it open.
class waiting : public testing::Test {
  protected:
    explicit waiting(puffs::policy p) : um(&fs, ops, options(p), 1) {}
    void SetUp() override {
        ASSERT_TRUE(um.start());
        setup.who = who;
        const auto removed = setup.make(vn_op::create, cookie::root, "removed", 0100644);
        const auto made = setup.make(vn_op::create, cookie::root, "other", 0100644);
        ASSERT_TRUE(removed && made);
        other = made->node;
        ASSERT_EQ(setup.write(removed->node, std::string(512 << 10, 'x')), 512U << 10);
        ASSERT_EQ(setup.remove(cookie::root, "removed"), 0);
    }
    void TearDown() override { um.finish(false); }
    static puffs::usermount_options options(puffs::policy p) {
        puffs::usermount_options o;
        o.concurrency = p;
        return o;
    }
    // Runs it on a light thread, and returns how often it sleeps.
    int waits_of(const std::function<void(puffs::testing::client&)>& what) {
        bool over = false;
        rig.spawn(0, [&] {
            puffs::testing::client c(um);
            c.who = who;
            what(c);
            over = true;
        });
        rig.settle();
        int waits = 0;
        for (; !over && waits < 10000; ++waits) {
            rig.clock.advance(std::chrono::milliseconds(1)); // for which it sleeps
            rig.settle();
        }
        EXPECT_TRUE(over);
        return waits;
    }
    static void ask(puffs::testing::client& c) { EXPECT_EQ(c.vfs(puffs::msg::vfs_op::statvfs), 0); }
    // Writes as long as there is room.
    void fill(puffs::testing::client& c) const {
        puffs::result<std::uint32_t> written = 0U;
        for (int i = 0; written && i < 1000; ++i) {
            written =
                c.write(other, std::string(1 << 20, 'x'), static_cast<std::uint64_t>(i) << 20);
        }
        ASSERT_FALSE(written);
        EXPECT_EQ(written.error(), puffs::error(ENOSPC));
    }

    const puffs::server_arguments arguments{"memfs", "", {{"size", "1M"}}};
    const puffs::msg::caller who{.pid = 1, .uid = 0, .gid = 0};
    memfs fs{arguments};
    const puffs::operations ops = puffs::make_operations<memfs>();
    puffs::usermount um;
    puffs::testing::client setup{um};
    puffs::test::rig rig{1};
    cookie other{};
};

class waiting_in_vain : public waiting {
  public:
    waiting_in_vain() : waiting(puffs::policy::per_node) {}
};

TEST_F(waiting_in_vain, happens_once_to_those_who_ask_for_the_space) {
    EXPECT_GT(waits_of(ask), 0);
    EXPECT_EQ(waits_of(ask), 0);
    EXPECT_EQ(waits_of([this](auto& c) { fill(c); }), 0);
}

TEST_F(waiting_in_vain, happens_once_to_those_who_need_the_space) {
    EXPECT_GT(waits_of([this](auto& c) { fill(c); }), 0);
    EXPECT_EQ(waits_of([this](auto& c) { fill(c); }), 0);
    EXPECT_EQ(waits_of(ask), 0);
}

// The lock of the mount, which would be kept meanwhile, is what the space needs to come back.
class waiting_with_the_whole_mount : public waiting {
  public:
    waiting_with_the_whole_mount() : waiting(puffs::policy::serial) {}
};

TEST_F(waiting_with_the_whole_mount, never_happens) {
    EXPECT_EQ(waits_of(ask), 0);
    EXPECT_EQ(waits_of([this](auto& c) { fill(c); }), 0);
}

} // namespace
} // namespace memfs
