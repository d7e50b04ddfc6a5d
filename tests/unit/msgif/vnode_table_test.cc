#include "msgif/vnode_table.hh"

#include <gtest/gtest.h>

namespace puffs::kmod {
namespace {

using msg::make_cookie;
using claim = vnode_table::claim;

// spec: F41
TEST(vnode_table, counts_what_is_named_and_given_back) {
    vnode_table t;
    const auto c = make_cookie(5, 9);
    EXPECT_EQ(t.count_of(c), 0U);
    EXPECT_TRUE(t.name(c, claim::fresh));
    EXPECT_TRUE(t.name(c, claim::existing));
    EXPECT_EQ(t.count_of(c), 2U);
    EXPECT_EQ(t.live(), 1U);
    t.give_back(c, 1);
    EXPECT_EQ(t.count_of(c), 1U);
    t.give_back(c, 1);
    EXPECT_EQ(t.count_of(c), 0U);
    EXPECT_EQ(t.live(), 0U);
}

// spec: F41
TEST(vnode_table, a_live_cookie_is_not_fresh_and_its_slot_takes_no_other) {
    vnode_table t;
    const auto c = make_cookie(5, 9);
    const auto other = make_cookie(5, 10);
    EXPECT_TRUE(t.name(c, claim::existing));
    EXPECT_FALSE(t.name(c, claim::fresh));
    EXPECT_FALSE(t.name(other, claim::existing));
    EXPECT_FALSE(t.name(other, claim::fresh));
    EXPECT_EQ(t.count_of(c), 1U);
    EXPECT_EQ(t.count_of(other), 0U);
    t.give_back(other, 1); // not that one
    EXPECT_EQ(t.count_of(c), 1U);
    t.give_back(c, 1);
    EXPECT_TRUE(t.name(other, claim::fresh));
    EXPECT_EQ(t.count_of(other), 1U);
    EXPECT_EQ(t.count_of(c), 0U);
}

TEST(vnode_table, giving_back_more_than_was_named_stops_at_0) {
    vnode_table t;
    const auto c = make_cookie(700, 1);
    t.give_back(c, 3);
    EXPECT_TRUE(t.name(c, claim::fresh));
    t.give_back(c, std::uint64_t{1} << 40);
    EXPECT_EQ(t.count_of(c), 0U);
    EXPECT_TRUE(t.name(c, claim::fresh));
    EXPECT_EQ(t.count_of(c), 1U);
}

TEST(vnode_table, has_a_last_slot) {
    vnode_table t;
    EXPECT_TRUE(t.name(make_cookie(vnode_table::slots_max - 1, 0), claim::fresh));
    EXPECT_FALSE(t.name(make_cookie(vnode_table::slots_max, 0), claim::fresh));
    EXPECT_FALSE(t.name(make_cookie(0xffffffff, 0), claim::fresh));
    EXPECT_EQ(t.count_of(make_cookie(0xffffffff, 0)), 0U);
    t.give_back(make_cookie(0xffffffff, 0), 1);
    EXPECT_EQ(t.live(), 1U);
}

} // namespace
} // namespace puffs::kmod
