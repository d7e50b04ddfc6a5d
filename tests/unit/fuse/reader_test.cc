#include "fuse/reader.hh"

#include <array>
#include <gtest/gtest.h>
#include <string>

namespace puffs::fuse {
namespace {

bytes of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

using namespace std::string_view_literals;

TEST(reader, takes_values_from_any_alignment) {
    std::array<std::byte, 13> raw{};
    const std::uint64_t value = 0x0102030405060708;
    std::memcpy(raw.data() + 3, &value, sizeof(value));
    reader r(raw);
    ASSERT_TRUE(r.take_bytes(3));
    EXPECT_EQ(r.take<std::uint64_t>(), value);
    EXPECT_EQ(r.remaining(), 2U);
}

TEST(reader, a_failed_take_changes_nothing) {
    reader r(of("abc"sv));
    EXPECT_EQ(r.take<std::uint32_t>().error(), error(EPROTO));
    EXPECT_EQ(r.take_bytes(4).error(), error(EPROTO));
    EXPECT_EQ(r.take_string(10).error(), error(EPROTO)); // no NUL
    EXPECT_EQ(r.remaining(), 3U);
    reader slashed(of("a/b\0"sv));
    EXPECT_EQ(slashed.take_name(10).error(), error(EPROTO));
    EXPECT_EQ(slashed.remaining(), 4U);
    EXPECT_EQ(slashed.take_string(2).error(), error(ENAMETOOLONG));
    EXPECT_EQ(slashed.remaining(), 4U);
}

TEST(reader, strings_end_before_their_nul) {
    reader r(of("one\0\0two\0"sv));
    EXPECT_EQ(r.take_string(3), "one"sv);
    EXPECT_EQ(r.take_string(3), ""sv);
    EXPECT_EQ(r.take_name(3), "two"sv);
    EXPECT_TRUE(r.empty());
    EXPECT_EQ(r.take_string(3).error(), error(EPROTO));
}

TEST(reader, names_are_components) {
    EXPECT_EQ(reader(of("\0"sv)).take_name(255).error(), error(EPROTO));
    EXPECT_EQ(reader(of("/\0"sv)).take_name(255).error(), error(EPROTO));
    EXPECT_EQ(reader(of("..\0"sv)).take_name(255), ".."sv);
    const std::string longest(255, 'n');
    const std::string terminated = longest + '\0';
    EXPECT_EQ(reader(of(terminated)).take_name(255), longest);
    const std::string longer = std::string(256, 'n') + '\0';
    EXPECT_EQ(reader(of(longer)).take_name(255).error(), error(ENAMETOOLONG));
}

} // namespace
} // namespace puffs::fuse
