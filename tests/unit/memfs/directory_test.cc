#include "memfs/directory.hh"

#include "memfs/inode.hh"

#include <gtest/gtest.h>
#include <set>
#include <string>

namespace memfs {
namespace {

TEST(directory, keys_lie_between_the_first_and_two_to_the_63) {
    directory d;
    inode i;
    for (int n = 0; n < 1000; ++n) {
        ASSERT_TRUE(d.add(std::to_string(n), i));
    }
    std::uint64_t previous = directory::first_key - 1;
    for (auto it = d.after(0); it != d.end(); ++it) {
        EXPECT_GT(it->first, previous);
        EXPECT_LT(it->first, std::uint64_t{1} << 63);
        previous = it->first;
    }
}

TEST(directory, a_reader_that_pauses_sees_what_stays_exactly_once) {
    directory d;
    inode i;
    for (int n = 0; n < 500; ++n) {
        ASSERT_TRUE(d.add("stays" + std::to_string(n), i));
        ASSERT_TRUE(d.add("goes" + std::to_string(n), i));
    }
    std::multiset<std::string> seen;
    std::uint64_t at = 0;
    int step = 0;
    for (auto it = d.after(at); it != d.end(); it = d.after(at)) {
        seen.insert(it->second.name);
        at = it->first;
        if (step < 500) {
            d.remove("goes" + std::to_string(step));
            ASSERT_TRUE(d.add("comes" + std::to_string(step), i));
        }
        ++step;
    }
    for (int n = 0; n < 500; ++n) {
        EXPECT_EQ(seen.count("stays" + std::to_string(n)), 1U);
    }
}

TEST(directory, move_takes_the_name_to_another_directory_or_the_same) {
    directory a;
    directory b;
    inode i;
    const std::string longest(255, 'x');
    ASSERT_TRUE(a.add("one", i));
    ASSERT_TRUE(a.move("one", b, longest));
    EXPECT_TRUE(a.empty());
    EXPECT_EQ(b.find(longest), &i);
    ASSERT_TRUE(b.move(longest, b, "two"));
    EXPECT_EQ(b.find(longest), nullptr);
    EXPECT_EQ(b.find("two"), &i);
    EXPECT_EQ(b.after(0)->second.name, "two");
}

} // namespace
} // namespace memfs
