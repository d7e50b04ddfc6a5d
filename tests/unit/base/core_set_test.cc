#include "puffs/base/core_set.hh"

#include <gtest/gtest.h>
#include <vector>

namespace {

using puffs::core_id;
using puffs::core_set;

std::vector<core_id> members(const core_set& s) {
    std::vector<core_id> v;
    s.for_each([&](core_id c) { v.push_back(c); });
    return v;
}

TEST(core_set, visits_members_lowest_first_across_words) {
    const core_set s{200, 3, 64, 255, 63};
    EXPECT_EQ(members(s), (std::vector<core_id>{3, 63, 64, 200, 255}));
    EXPECT_EQ(s.count(), 5U);
}

TEST(core_set, first_holds_exactly_the_first_cores) {
    EXPECT_EQ(core_set::first(70).count(), 70U);
    EXPECT_TRUE(core_set::first(70).contains(69));
    EXPECT_FALSE(core_set::first(70).contains(70));
    EXPECT_TRUE(core_set::first(0).empty());
}

TEST(core_set, a_removed_member_is_gone_and_absent_ones_may_be_removed) {
    core_set s{1, 2};
    s.remove(1);
    s.remove(9);
    EXPECT_EQ(s, core_set{2});
}

TEST(core_set_death, numbers_beyond_the_limit_panic) {
    core_set s;
    EXPECT_DEATH(s.add(256), "core number out of range");
    EXPECT_DEATH(s.remove(256), "core number out of range");
    EXPECT_DEATH((void)s.contains(puffs::no_core), "core number out of range");
}

} // namespace
