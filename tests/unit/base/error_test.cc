#include "puffs/base/error.hh"

#include <algorithm>
#include <cstring>
#include <gtest/gtest.h>
#include <string>

namespace {

using puffs::error;
using puffs::result;

TEST(error, knows_every_name_that_the_c_library_knows) {
    for (int n = 1; n < 200; ++n) {
        const char* constant = ::strerrorname_np(n);
        if (constant == nullptr) {
            EXPECT_EQ(error(n).name(), "errno") << n;
            continue;
        }
        std::string lower(constant);
        std::ranges::transform(lower, lower.begin(),
                               [](char c) { return static_cast<char>(c | 0x20); });
        if (n == EOPNOTSUPP) {
            lower = "eopnotsupp"; // the C library says ENOTSUP
        }
        EXPECT_EQ(error(n).name(), lower) << n;
    }
}

TEST(error, numbers_of_a_peer_are_refused_not_asserted) {
    EXPECT_EQ(error::from_peer(0), std::nullopt);
    EXPECT_EQ(error::from_peer(-ENOENT), std::nullopt);
    EXPECT_EQ(error::from_peer(4096), std::nullopt);
    EXPECT_EQ(error::from_peer(4095)->number(), 4095);
    EXPECT_EQ(error::from_peer(ENOENT), error(ENOENT));
}

TEST(error_death, our_own_numbers_out_of_range_panic) {
    EXPECT_DEATH((void)error(0), "errno out of range");
    EXPECT_DEATH((void)error(-1), "errno out of range");
    EXPECT_DEATH((void)error(4096), "errno out of range");
}

TEST(error, results_carry_the_number_or_zero) {
    const result<int> bad = puffs::fail(EIO);
    const result<int> good = 0;
    EXPECT_EQ(puffs::errno_of(bad), EIO);
    EXPECT_EQ(puffs::errno_of(good), 0);
}

TEST(error, fail_errno_takes_the_number_of_the_last_call) {
    errno = EMFILE;
    const result<void> r = puffs::fail_errno();
    EXPECT_EQ(r.error(), error(EMFILE));
}

} // namespace
