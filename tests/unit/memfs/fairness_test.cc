// memfs at long work: the other requests of its core get their turn.
#include "memfs/memfs.hh"
#include "puffs/server/make_operations.hh"
#include "support/lwkt/rig.hh"
#include "unit/server/client.hh"

#include <gtest/gtest.h>
#include <linux/falloc.h>

namespace memfs {
namespace {

using puffs::msg::cookie;
using puffs::msg::vn_op;

class fairness : public testing::TestWithParam<std::uint32_t> {};

TEST_P(fairness, requests_are_served_while_a_large_range_is_filled_with_zeros) {
    const puffs::server_arguments arguments{"memfs", "", {{"size", "64M"}}};
    memfs fs(arguments);
    const puffs::operations ops = puffs::make_operations<memfs>();
    puffs::usermount um(&fs, ops, {}, 1);
    puffs::testing::client setup(um);
    setup.who = {.pid = 1, .uid = 0, .gid = 0};
    const auto made = setup.make(vn_op::create, cookie::root, "f", 0100644);
    ASSERT_TRUE(made);

    puffs::test::rig r(1);
    bool filled = false;
    int served_meanwhile = 0;
    r.spawn(0, [&] {
        puffs::testing::client c(um);
        c.who = setup.who;
        c.req.args.fallocate = {.handle = 0, .offset = 0, .length = 16U << 20, .mode = GetParam()};
        EXPECT_EQ(c.run(vn_op::fallocate, made->node), 0);
        filled = true;
    });
    r.spawn(0, [&] {
        while (!filled) {
            EXPECT_TRUE(puffs::testing::client(um).getattr(cookie::root));
            served_meanwhile += filled ? 0 : 1;
            puffs::lwkt::yield();
        }
    });
    r.settle();
    EXPECT_TRUE(filled);
    EXPECT_GT(served_meanwhile, 100); // of 256 chunks
}

INSTANTIATE_TEST_SUITE_P(modes, fairness, testing::Values(0, FALLOC_FL_ZERO_RANGE));

} // namespace
} // namespace memfs
