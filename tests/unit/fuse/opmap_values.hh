// unit/fuse/opmap_values.hh - a node as a server tells it, and what the kernel must hear of it.
#pragma once

#include "fuse/convert.hh"
#include "opmap_rig.hh"

namespace puffs::fuse::test {

inline constexpr msg::cookie node = cookie_of(sample_nodeid);
inline constexpr msg::cookie made = msg::make_cookie(9, 2);

inline msg::newinfo newinfo_of(msg::cookie n, std::uint32_t mode) {
    msg::newinfo i;
    i.node = n;
    i.entry_ttl = {3, 4};
    i.attr_ttl = {5, 6};
    i.va.ino = 77;
    i.va.size = 1234;
    i.va.blocks = 8;
    i.va.atime = {10, 11};
    i.va.mtime = {-20, 21};
    i.va.ctime = {30, 31};
    i.va.mode = mode;
    i.va.nlink = 2;
    i.va.uid = 1000;
    i.va.gid = 100;
    i.va.rdev = 0x501;
    i.va.blksize = 512;
    return i;
}

inline void expect_attr(const wire::attr& a, std::uint32_t mode) {
    EXPECT_EQ(a.ino, 77U);
    EXPECT_EQ(a.size, 1234U);
    EXPECT_EQ(a.blocks, 8U);
    EXPECT_EQ(a.atime, 10U);
    EXPECT_EQ(a.atimensec, 11U);
    EXPECT_EQ(static_cast<std::int64_t>(a.mtime), -20);
    EXPECT_EQ(a.mtimensec, 21U);
    EXPECT_EQ(a.ctime, 30U);
    EXPECT_EQ(a.ctimensec, 31U);
    EXPECT_EQ(a.mode, mode);
    EXPECT_EQ(a.nlink, 2U);
    EXPECT_EQ(a.uid, 1000U);
    EXPECT_EQ(a.gid, 100U);
    EXPECT_EQ(a.rdev, 0x501U);
    EXPECT_EQ(a.blksize, 512U);
}

inline void expect_entry(const told& t, std::uint32_t mode) {
    ASSERT_EQ(t.error, 0);
    const auto e = t.as<wire::entry_out>();
    EXPECT_EQ(e.nodeid, nodeid_of(made));
    EXPECT_EQ(e.generation, 2U);
    EXPECT_EQ(e.entry_valid, 3U);
    EXPECT_EQ(e.entry_valid_nsec, 4U);
    EXPECT_EQ(e.attr_valid, 5U);
    EXPECT_EQ(e.attr_valid_nsec, 6U);
    expect_attr(e.attr, mode);
}

} // namespace puffs::fuse::test
