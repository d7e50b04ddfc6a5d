// Cases that end in each way, for ends_with.
#include <gtest/gtest.h>

TEST(ends, passed) {}
TEST(ends, skipped) {
    GTEST_SKIP() << "to be seen";
}
TEST(ends, failed) {
    FAIL() << "to be seen";
}
