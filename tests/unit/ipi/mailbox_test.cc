#include "puffs/ipi/mailbox.hh"

#include <gtest/gtest.h>

namespace {

using puffs::ipi::mailbox;
using puffs::ipi::sync_message;

// spec: I2 I14
static_assert(mailbox::slots == 64 / sizeof(void*));
static_assert(alignof(mailbox) == 64 && sizeof(mailbox) == 64);

// spec: I1 I8
TEST(mailbox, starts_empty_and_refuses_the_ninth_message) {
    mailbox box;
    EXPECT_TRUE(box.empty());
    EXPECT_EQ(box.take(), nullptr);
    sync_message m[mailbox::slots + 1];
    for (std::size_t i = 0; i < mailbox::slots; ++i) {
        EXPECT_TRUE(box.try_put(m[i]));
    }
    EXPECT_FALSE(box.try_put(m[mailbox::slots]));
    EXPECT_NE(box.take(), nullptr);
    EXPECT_TRUE(box.try_put(m[mailbox::slots]));
}

TEST(mailbox, gives_each_message_once) {
    mailbox box;
    sync_message m[3];
    for (sync_message& one : m) {
        ASSERT_TRUE(box.try_put(one));
    }
    unsigned seen[3] = {};
    while (sync_message* one = box.take()) {
        ++seen[one - m];
    }
    EXPECT_EQ(seen[0] + seen[1] + seen[2], 3U);
    EXPECT_EQ(seen[0], 1U);
    EXPECT_EQ(seen[1], 1U);
    EXPECT_TRUE(box.empty());
}

} // namespace
