#include "memfs/blocks.hh"

#include <cstdint>
#include <gtest/gtest.h>
#include <set>
#include <vector>

namespace memfs {
namespace {

constexpr std::size_t region_blocks = pool::region_bytes / pool::block_bytes;

class blocks_test : public testing::Test {
  public:
    void take(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            blocks.emplace_back(p, pool::block_bytes);
        }
    }
    pool p;
    std::vector<block> blocks;
};

TEST_F(blocks_test, a_region_is_made_only_where_none_has_a_free_block) {
    take(region_blocks);
    EXPECT_EQ(p.regions(), 1U);
    take(1);
    EXPECT_EQ(p.regions(), 2U);
    blocks.erase(blocks.begin() + 3);
    blocks.erase(blocks.begin() + 7);
    take(region_blocks - 1 + 2);
    EXPECT_EQ(p.regions(), 2U);
    std::set<const std::byte*> different;
    for (const block& b : blocks) {
        different.insert(b.get());
    }
    EXPECT_EQ(different.size(), 2 * region_blocks);
}

TEST_F(blocks_test, blocks_of_a_region_fill_a_huge_page) {
    take(region_blocks);
    const auto first = reinterpret_cast<std::uintptr_t>(blocks.front().get());
    EXPECT_EQ(first % pool::region_bytes, 0U);
    for (std::size_t i = 0; i < region_blocks; ++i) {
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(blocks[i].get()), first + i * pool::block_bytes);
    }
}

TEST_F(blocks_test, no_more_unused_regions_than_named_stay) {
    take((pool::regions_kept + 4) * region_blocks);
    EXPECT_EQ(p.regions(), pool::regions_kept + 4);
    blocks.clear();
    EXPECT_EQ(p.regions(), pool::regions_kept);
    take(pool::regions_kept * region_blocks);
    EXPECT_EQ(p.regions(), pool::regions_kept);
    take(1);
    EXPECT_EQ(p.regions(), pool::regions_kept + 1);
}

TEST_F(blocks_test, only_a_new_block_says_that_it_is_zeros) {
    {
        block b(p, pool::block_bytes);
        ASSERT_TRUE(b.made_zeroed());
        for (std::size_t i = 0; i < pool::block_bytes; ++i) {
            ASSERT_EQ(b.get()[i], std::byte{0}) << i;
        }
        b.get()[100] = std::byte{1};
    }
    EXPECT_FALSE(block(p, pool::block_bytes).made_zeroed());
    EXPECT_FALSE(block(p, 1024).made_zeroed());
}

TEST_F(blocks_test, a_block_moves_with_its_bytes) {
    block a(p, pool::block_bytes);
    block b(p, 1024);
    const std::byte* const bytes = a.get();
    b = std::move(a);
    EXPECT_EQ(b.get(), bytes);
    block c(std::move(b));
    EXPECT_EQ(c.get(), bytes);
    EXPECT_EQ(p.regions(), 1U);
}

} // namespace
} // namespace memfs
