#include "memfs/data.hh"

#include <gtest/gtest.h>
#include <limits>
#include <string>
#include <string_view>

namespace memfs {
namespace {

using puffs::error;

constexpr std::uint64_t chunk = 65536;

class data_test : public testing::Test {
  public:
    std::string text(std::uint64_t offset, std::size_t count) {
        std::string got(count, '?');
        got.resize(d.read(std::as_writable_bytes(std::span(got)), offset));
        return got;
    }
    void put(std::string_view bytes, std::uint64_t offset) {
        const auto done = d.write(std::as_bytes(std::span(bytes)), offset);
        ASSERT_TRUE(done);
        ASSERT_EQ(*done, bytes.size());
    }

    space s{1024 * 1024};
    pool p;
    data d{s, p};
};

TEST_F(data_test, allocation_past_the_limit_changes_nothing) {
    put("text", 0);
    const auto used = s.used();
    const auto allocated = d.allocated();
    for (const std::uint64_t length :
         {std::uint64_t{2} << 20, std::uint64_t{1} << 40, std::uint64_t{1} << 62}) {
        EXPECT_EQ(d.allocate(0, length).error(), error(ENOSPC));
        EXPECT_EQ(d.allocate(chunk + 1, length).error(), error(ENOSPC));
        EXPECT_EQ(s.used(), used);
        EXPECT_EQ(d.allocated(), allocated);
    }
    EXPECT_EQ(d.allocate(1, std::numeric_limits<std::uint64_t>::max()).error(), error(EFBIG));
    EXPECT_EQ(text(0, 100), "text");
}

TEST_F(data_test, allocation_charges_what_it_adds_and_keeps_what_is_there) {
    put("first", 10);
    put("third", 2 * chunk + 5000);
    const auto allocated = d.allocated();
    const auto charged = s.used();
    ASSERT_TRUE(d.allocate(0, 3 * chunk + 1));
    EXPECT_EQ(d.allocated(), 3 * chunk + 1024);
    // Two chunks are new, and cost their place in the tree too.
    EXPECT_EQ(s.used() - charged, d.allocated() - allocated + 2 * 80);
    EXPECT_EQ(d.size(), 2 * chunk + 5005);
    EXPECT_EQ(text(10, 5), "first");
    EXPECT_EQ(text(2 * chunk + 5000, 100), "third");
    EXPECT_EQ(text(0, 10), std::string(10, '\0'));
    const auto after = s.used();
    ASSERT_TRUE(d.allocate(chunk, chunk)); // all there
    EXPECT_EQ(s.used(), after);
    d.truncate(0);
    EXPECT_EQ(s.used(), 0U);
    EXPECT_EQ(d.allocated(), 0U);
}

TEST_F(data_test, exactly_the_limit_can_be_allocated) {
    space exact(4 * (chunk + 80));
    data all(exact, p);
    EXPECT_EQ(all.allocate(0, 4 * chunk + 1).error(), error(ENOSPC));
    EXPECT_TRUE(all.allocate(0, 4 * chunk));
    EXPECT_EQ(exact.used(), exact.limit());
}

TEST_F(data_test, zeroing_keeps_the_memory_and_punching_gives_it_back) {
    put(std::string(3 * chunk, 'x'), 0);
    const auto allocated = d.allocated();
    d.zero(chunk - 1, chunk + 2);
    EXPECT_EQ(d.allocated(), allocated);
    EXPECT_EQ(text(chunk - 2, 3), std::string_view("x\0\0", 3));
    EXPECT_EQ(text(2 * chunk, 2), std::string_view("\0x", 2));
    d.punch(chunk - 1, chunk + 2);
    EXPECT_EQ(d.allocated(), allocated - chunk);
    d.punch(0, std::numeric_limits<std::uint64_t>::max());
    EXPECT_EQ(d.allocated(), 0U);
    EXPECT_EQ(s.used(), 0U);
    EXPECT_EQ(text(0, 3 * chunk), std::string(3 * chunk, '\0'));
}

TEST_F(data_test, a_write_that_meets_the_limit_reports_its_part) {
    const std::string much(2 << 20, 'x');
    const auto done = d.write(std::as_bytes(std::span(much)), 0);
    ASSERT_TRUE(done);
    EXPECT_EQ(*done % chunk, 0U);
    EXPECT_EQ(d.size(), *done);
    EXPECT_EQ(d.allocated(), *done);
    EXPECT_EQ(d.write(std::as_bytes(std::span(much)), 4 * much.size()).error(), error(ENOSPC));
    EXPECT_EQ(d.size(), *done);
}

// A range whose cost in chunks is 2^64 and a little: no more than the limit, if it is reckoned in 64 bits.
TEST_F(data_test, a_range_whose_cost_passes_64_bits_is_refused) {
    put("text", 0);
    const auto used = s.used();
    const std::uint64_t chunks = std::numeric_limits<std::uint64_t>::max() / (chunk + 80) + 1;
    static bool began;
    began = false;
    const auto notice = [] { began = true; };
    EXPECT_EQ(d.allocate(0, chunks * chunk + 1, notice).error(), error(ENOSPC));
    EXPECT_EQ(d.allocate(chunk, chunks * chunk + 1, notice).error(), error(ENOSPC));
    EXPECT_FALSE(began);
    EXPECT_EQ(s.used(), used);
}

TEST_F(data_test, memory_that_is_used_again_reads_as_zeros_where_nothing_was_written) {
    for (int round = 0; round < 2; ++round) { // the first one's memory is new
        put("a", 5000);                       // in a chunk of 8 KiB
        put("b", 40000);                      // and of 64
        put("c", chunk + 65535);
        ASSERT_TRUE(d.allocate(2 * chunk, chunk));
        d.set_size_at_least(3 * chunk);
        std::string wanted(3 * chunk, '\0');
        wanted[5000] = 'a';
        wanted[40000] = 'b';
        wanted[chunk + 65535] = 'c';
        EXPECT_EQ(text(0, 3 * chunk), wanted) << "round " << round;
        put(std::string(3 * chunk, 'x'), 0);
        d.truncate(0);
    }
}

TEST_F(data_test, filling_with_zeros_pauses_after_each_chunk) {
    static int pauses;
    pauses = 0;
    const auto count = [] { ++pauses; };
    ASSERT_TRUE(d.allocate(0, 5 * chunk, count));
    EXPECT_EQ(pauses, 5);
    d.zero(10, 3 * chunk, count);
    EXPECT_EQ(pauses, 5 + 4);
}

} // namespace
} // namespace memfs
