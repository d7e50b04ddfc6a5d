// fuse/wire_node.hh - the FUSE protocol as bytes: what operations on names, nodes and the file system
// carry.
//
// `x_in` is the fixed part of a request, `x_out` that of its reply. Operations that are not here
// carry only names or use a structure of another operation (table in op_table.cc).
//
// Units:      integers in host order, offsets and sizes in bytes.
// Layout:     as wire.hh.
// Threading:  none; values only.
// Source:     Linux include/uapi/linux/fuse.h, protocol 7.45 (facts: numbers and layouts).
#pragma once

#include "fuse/wire.hh"

namespace puffs::fuse::wire {

struct forget_in {
    std::uint64_t nlookup;
};
static_assert(sizeof(forget_in) == 8);

struct forget_one {
    std::uint64_t nodeid;
    std::uint64_t nlookup;
};
static_assert(sizeof(forget_one) == 16);

struct batch_forget_in {
    std::uint32_t count; // of forget_one that follow
    std::uint32_t dummy;
};
static_assert(sizeof(batch_forget_in) == 8);

namespace getattr_flag {
inline constexpr std::uint32_t fh = 1U << 0;
} // namespace getattr_flag

struct getattr_in {
    std::uint32_t getattr_flags;
    std::uint32_t dummy;
    std::uint64_t fh;
};
static_assert(sizeof(getattr_in) == 16);

struct statx_in {
    std::uint32_t getattr_flags;
    std::uint32_t reserved;
    std::uint64_t fh;
    std::uint32_t sx_flags;
    std::uint32_t sx_mask;
};
static_assert(sizeof(statx_in) == 24);

struct statx_out {
    std::uint64_t attr_valid;
    std::uint32_t attr_valid_nsec;
    std::uint32_t flags;
    std::uint64_t spare[2];
    wire::statx stat;
};
static_assert(sizeof(statx_out) == 288 && offsetof(statx_out, stat) == 32);

// setattr_in.valid
namespace fattr {
inline constexpr std::uint32_t mode = 1U << 0;
inline constexpr std::uint32_t uid = 1U << 1;
inline constexpr std::uint32_t gid = 1U << 2;
inline constexpr std::uint32_t size = 1U << 3;
inline constexpr std::uint32_t atime = 1U << 4;
inline constexpr std::uint32_t mtime = 1U << 5;
inline constexpr std::uint32_t fh = 1U << 6;
inline constexpr std::uint32_t atime_now = 1U << 7;
inline constexpr std::uint32_t mtime_now = 1U << 8;
inline constexpr std::uint32_t lockowner = 1U << 9;
inline constexpr std::uint32_t ctime = 1U << 10;
inline constexpr std::uint32_t kill_suidgid = 1U << 11;
} // namespace fattr

struct setattr_in {
    std::uint32_t valid;
    std::uint32_t padding;
    std::uint64_t fh;
    std::uint64_t size;
    std::uint64_t lock_owner;
    std::uint64_t atime;
    std::uint64_t mtime;
    std::uint64_t ctime;
    std::uint32_t atimensec;
    std::uint32_t mtimensec;
    std::uint32_t ctimensec;
    std::uint32_t mode;
    std::uint32_t unused4;
    std::uint32_t uid;
    std::uint32_t gid;
    std::uint32_t unused5;
};
static_assert(sizeof(setattr_in) == 88 && offsetof(setattr_in, mode) == 68);
static_assert(offsetof(setattr_in, uid) == 76);

struct mknod_in {
    std::uint32_t mode;
    std::uint32_t rdev;
    std::uint32_t umask;
    std::uint32_t padding;
};
static_assert(sizeof(mknod_in) == 16);

struct mkdir_in {
    std::uint32_t mode;
    std::uint32_t umask;
};
static_assert(sizeof(mkdir_in) == 8);

struct rename_in {
    std::uint64_t newdir;
};
static_assert(sizeof(rename_in) == 8);

struct rename2_in {
    std::uint64_t newdir;
    std::uint32_t flags; // RENAME_* of renameat2(2)
    std::uint32_t padding;
};
static_assert(sizeof(rename2_in) == 16);

struct link_in {
    std::uint64_t oldnodeid;
};
static_assert(sizeof(link_in) == 8);

struct statfs_out {
    kstatfs st;
};
static_assert(sizeof(statfs_out) == 80);

namespace setxattr_flag {
inline constexpr std::uint32_t acl_kill_sgid = 1U << 0;
} // namespace setxattr_flag

// Unless init_flag::setxattr_ext was granted only the first setxattr_compat_bytes are sent.
struct setxattr_in {
    std::uint32_t size;  // of the value that follows the name
    std::uint32_t flags; // XATTR_* of setxattr(2)
    std::uint32_t setxattr_flags;
    std::uint32_t padding;
};
static_assert(sizeof(setxattr_in) == 16);
inline constexpr std::size_t setxattr_compat_bytes = 8;

struct getxattr_in {
    std::uint32_t size; // room of the caller; 0 asks for the size
    std::uint32_t padding;
};
static_assert(sizeof(getxattr_in) == 8);

struct getxattr_out {
    std::uint32_t size;
    std::uint32_t padding;
};
static_assert(sizeof(getxattr_out) == 8);

struct access_in {
    std::uint32_t mask;
    std::uint32_t padding;
};
static_assert(sizeof(access_in) == 8);

struct interrupt_in {
    std::uint64_t unique;
};
static_assert(sizeof(interrupt_in) == 8);

} // namespace puffs::fuse::wire
