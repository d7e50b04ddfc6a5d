#include "puffs/base/assert.hh"

#include <gtest/gtest.h>

namespace {

// spec: T15
TEST(assert_death, panic_prints_text_file_and_line_then_aborts) {
    EXPECT_DEATH(puffs::panic("ran out of road", "map.cc", 1234),
                 "^panic: ran out of road \\(map\\.cc:1234\\)\n$");
}

// spec: T15
TEST(assert_death, a_false_condition_names_itself) {
    const int wheels = 3;
    EXPECT_DEATH(PUFFS_ASSERT(wheels == 4, "car"),
                 "panic: car \\[wheels == 4\\] \\(.*assert_test.cc");
}

TEST(assert, a_true_condition_does_nothing_and_is_evaluated_once) {
    int n = 0;
    PUFFS_ASSERT(++n == 1, "counted");
    EXPECT_EQ(n, 1);
}

} // namespace
