#include "puffs/msg/dirent.hh"

#include "puffs/base/limits.hh"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace puffs::msg {
namespace {

std::vector<std::byte> record(std::string_view name, bool plus, cookie node = cookie::none) {
    std::vector<std::byte> bytes(dirent_bytes(name.size(), plus));
    std::byte* at = bytes.data();
    if (plus) {
        const newinfo made{node, {}, {}, {}};
        std::memcpy(at, &made, sizeof made);
        at += dirent_plus_bytes;
    }
    const dirent_head head{7, 8, static_cast<std::uint32_t>(name.size()), 4};
    std::memcpy(at, &head, sizeof head);
    std::memcpy(at + sizeof head, name.data(), name.size());
    return bytes;
}

TEST(read_dirent, gives_back_what_was_packed) {
    for (const bool plus : {false, true}) {
        for (const std::size_t length : {1U, 7U, 8U, 9U, 255U}) {
            const std::string name(length, 'n');
            const auto bytes = record(name, plus, make_cookie(5, 6));
            const auto v = read_dirent(bytes, plus);
            ASSERT_TRUE(v) << length;
            EXPECT_EQ(v->name, name);
            EXPECT_EQ(v->head.ino, 7U);
            EXPECT_EQ(v->head.next, 8U);
            EXPECT_EQ(v->head.type, 4U);
            EXPECT_EQ(v->bytes, bytes.size());
            EXPECT_EQ(v->made.node, plus ? make_cookie(5, 6) : cookie::none);
        }
    }
}

TEST(read_dirent, refuses_every_truncation) {
    for (const bool plus : {false, true}) {
        const auto bytes = record("some-name", plus);
        for (std::size_t n = 0; n < bytes.size(); ++n) {
            // A copy of its own, so that the address sanitizer sees a read past the end.
            const std::vector<std::byte> cut(bytes.begin(), bytes.begin() + static_cast<long>(n));
            EXPECT_FALSE(read_dirent(cut, plus)) << n;
        }
    }
}

TEST(read_dirent, refuses_names_that_cannot_be) {
    using namespace std::string_view_literals;
    for (const auto name : {"a/b"sv, "/"sv, "a\0b"sv, "\0"sv}) {
        EXPECT_FALSE(read_dirent(record(name, false), false)) << name;
    }
    EXPECT_FALSE(read_dirent(record("", false), false));
    EXPECT_FALSE(read_dirent(record(std::string(limits::name_bytes + 1, 'n'), false), false));
    auto bytes = record("name", false);
    const std::uint32_t huge = 0xffffffff;
    std::memcpy(bytes.data() + offsetof(dirent_head, name_bytes), &huge, sizeof huge);
    EXPECT_FALSE(read_dirent(bytes, false));
}

TEST(dirent_bytes, keeps_records_aligned) {
    for (std::size_t n = 1; n <= limits::name_bytes; ++n) {
        EXPECT_EQ(dirent_bytes(n, false) % 8, 0U);
        EXPECT_EQ(dirent_bytes(n, true) - dirent_bytes(n, false), sizeof(newinfo));
        EXPECT_GE(dirent_bytes(n, false), sizeof(dirent_head) + n);
        EXPECT_LT(dirent_bytes(n, false), sizeof(dirent_head) + n + 8);
    }
}

} // namespace
} // namespace puffs::msg
