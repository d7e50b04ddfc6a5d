#include "mount/cpus.hh"

#include "puffs/base/limits.hh"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

namespace puffs::kmod {
namespace {

using testing::HasSubstr;

// Only the CPUs that this process may use at the start are there to choose from.
class cpus_of_cores_test : public testing::Test {
  protected:
    cpus_of_cores_test() {
        EXPECT_EQ(::sched_getaffinity(0, sizeof before_, &before_), 0);
        while (!CPU_ISSET(first_, &before_)) {
            ++first_;
        }
    }
    ~cpus_of_cores_test() override { ::sched_setaffinity(0, sizeof before_, &before_); }

    cpu_set_t before_{};
    int first_ = 0;
};

TEST_F(cpus_of_cores_test, keeps_the_order_of_those_that_were_asked_for) {
    if (CPU_COUNT(&before_) < 2) {
        GTEST_SKIP() << "one CPU has one order";
    }
    int second = first_ + 1;
    while (!CPU_ISSET(second, &before_)) {
        ++second;
    }
    EXPECT_EQ(cpus_of_cores({second, first_}, true), (std::vector{second, first_}));
}

TEST_F(cpus_of_cores_test, takes_all_usable_ones_but_few_on_dev) {
    const auto usable = static_cast<std::size_t>(CPU_COUNT(&before_));
    EXPECT_EQ(cpus_of_cores({}, true).value().size(), std::min(usable, std::size_t{limits::cores}));
    EXPECT_EQ(cpus_of_cores({}, false).value().size(), std::min(usable, std::size_t{4}));
}

TEST_F(cpus_of_cores_test, leaves_out_what_this_process_may_not_use) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(first_, &one);
    ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
    EXPECT_EQ(cpus_of_cores({}, true), std::vector{first_});
    const auto refused = cpus_of_cores({first_, first_ + 1}, true);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error(), HasSubstr("option '--cores': CPU " + std::to_string(first_ + 1)));
}

} // namespace
} // namespace puffs::kmod
