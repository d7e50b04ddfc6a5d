#include "puffs/msg/types.hh"

#include "puffs/msg/request.hh"

#include <gtest/gtest.h>
#include <set>
#include <string_view>
#include <sys/stat.h>

namespace puffs::msg {
namespace {

TEST(op_names, each_operation_has_one_of_its_own) {
    std::set<std::string_view> seen;
    for (std::uint32_t i = 1; i < static_cast<std::uint32_t>(vn_op::count_); ++i) {
        const std::string_view name = name_of(static_cast<vn_op>(i));
        EXPECT_NE(name, "unknown") << i;
        EXPECT_TRUE(seen.insert(name).second) << name;
    }
    seen.clear();
    for (std::uint32_t i = 1; i <= static_cast<std::uint32_t>(vfs_op::suspend); ++i) {
        const std::string_view name = name_of(static_cast<vfs_op>(i));
        EXPECT_NE(name, "unknown") << i;
        EXPECT_TRUE(seen.insert(name).second) << name;
    }
}

TEST(op_names, stand_at_their_numbers) {
    EXPECT_STREQ(name_of(vn_op::lookup), "lookup");
    EXPECT_STREQ(name_of(vn_op::rename), "rename");
    EXPECT_STREQ(name_of(vn_op::reclaim), "reclaim");
    EXPECT_STREQ(name_of(vn_op::poll), "poll");
    EXPECT_STREQ(name_of(vn_op::getextattr), "getextattr");
    EXPECT_STREQ(name_of(vn_op::tmpfile), "tmpfile");
    EXPECT_STREQ(name_of(vfs_op::unmount), "unmount");
    EXPECT_STREQ(name_of(vfs_op::suspend), "suspend");
}

TEST(op_names, numbers_of_a_peer_that_are_no_operation_are_unknown) {
    for (const std::uint32_t n : {0U, static_cast<std::uint32_t>(vn_op::count_), 0xffffffffU}) {
        EXPECT_STREQ(name_of(static_cast<vn_op>(n)), "unknown") << n;
    }
    EXPECT_STREQ(name_of(static_cast<vfs_op>(0)), "unknown");
    EXPECT_STREQ(name_of(static_cast<vfs_op>(7)), "unknown");
}

TEST(cookie, is_slot_and_generation) {
    const cookie c = make_cookie(0xfffffffe, 0x80000001);
    EXPECT_EQ(slot_of(c), 0xfffffffeU);
    EXPECT_EQ(generation_of(c), 0x80000001U);
    EXPECT_EQ(make_cookie(1, 0), cookie::root);
    EXPECT_EQ(make_cookie(0, 0), cookie::none);
}

TEST(vtype, is_the_type_bits_of_a_mode) {
    for (const int type : {S_IFIFO, S_IFCHR, S_IFDIR, S_IFBLK, S_IFREG, S_IFLNK, S_IFSOCK}) {
        const auto m = static_cast<std::uint32_t>(type);
        const vtype t = vtype_of(m | 07777);
        EXPECT_EQ(mode_of(t), m);
        EXPECT_TRUE(is_node_type(t)) << m;
    }
    for (const std::uint32_t bits : {0U, 3U, 5U, 7U, 9U, 11U, 13U, 14U, 15U}) {
        EXPECT_FALSE(is_node_type(vtype_of(bits << 12))) << bits;
    }
}

} // namespace
} // namespace puffs::msg
