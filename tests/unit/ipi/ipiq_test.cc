#include "puffs/ipi/ipiq.hh"

#include <gtest/gtest.h>
#include <memory>

namespace {

using puffs::ipi::ipiq;

void nothing(void*, std::intptr_t) {}

std::intptr_t take_value(ipiq& q) {
    ipiq::entry e{};
    EXPECT_TRUE(q.take(e));
    return e.value;
}

class ipiq_test : public ::testing::Test {
  protected:
    std::unique_ptr<ipiq> q = std::make_unique<ipiq>();
};

// spec: V24
TEST_F(ipiq_test, keeps_order_across_the_wrap_of_its_slots) {
    std::intptr_t in = 0;
    std::intptr_t out = 0;
    for (unsigned round = 0; round < 10; ++round) {
        for (unsigned i = 0; i < 100; ++i) {
            ASSERT_TRUE(q->push(nothing, nullptr, in++));
        }
        for (unsigned i = 0; i < 100; ++i) {
            ASSERT_EQ(take_value(*q), out++);
            q->finish();
        }
    }
    EXPECT_TRUE(q->empty());
    EXPECT_EQ(q->windex(), 1000U);
}

// spec: Q3 V24
TEST_F(ipiq_test, is_never_exactly_full) {
    for (std::uint64_t i = 0; i < ipiq::slots - 1; ++i) {
        ASSERT_TRUE(q->push(nothing, nullptr, static_cast<std::intptr_t>(i)));
    }
    EXPECT_FALSE(q->push(nothing, nullptr, -1));
    EXPECT_EQ(q->windex(), ipiq::slots - 1);
    EXPECT_EQ(q->used(), ipiq::slots - 1);
    EXPECT_EQ(take_value(*q), 0); // a refused push changed nothing
    EXPECT_TRUE(q->push(nothing, nullptr, 255));
}

// spec: Q2
TEST_F(ipiq_test, is_finished_only_when_the_function_has_returned) {
    EXPECT_TRUE(q->finished(0));
    ASSERT_TRUE(q->push(nothing, nullptr, 0));
    EXPECT_FALSE(q->finished(1));
    take_value(*q);
    EXPECT_FALSE(q->finished(1)) << "taken, but still running";
    q->finish();
    EXPECT_TRUE(q->finished(1));
}

// spec: Q2
TEST_F(ipiq_test, nested_entries_are_finished_with_the_outermost) {
    ASSERT_TRUE(q->push(nothing, nullptr, 0));
    ASSERT_TRUE(q->push(nothing, nullptr, 1));
    take_value(*q);
    take_value(*q); // inside the first one's function
    q->finish();
    EXPECT_FALSE(q->finished(1));
    q->finish();
    EXPECT_TRUE(q->finished(2));
    EXPECT_FALSE(q->finished(3));
}

TEST_F(ipiq_test, finish_without_take_panics) {
    EXPECT_DEATH(q->finish(), "finish without take");
}

} // namespace
