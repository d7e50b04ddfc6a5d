// fuse/wire.hh - the FUSE protocol as bytes, first room: version, opcodes, the two headers, and what
// several operations share.
//
// The other rooms: wire_node.hh and wire_file.hh (what each operation carries), wire_init.hh (INIT
// and its flags), wire_notify.hh (what a server may send unasked), wire_dev.hh (ioctls of /dev/fuse,
// FUSE over io_uring).
//
// Units:      integers in host order; times are seconds plus nanoseconds; `_valid` are durations.
// Layout:     every structure is plain data without hidden padding; sizes and the offsets that
//             matter are asserted here.
// Names:      the kernel's without the prefix FUSE_ or fuse_, unless that is a C++ word.
// Threading:  none; values only.
// Source:     Linux include/uapi/linux/fuse.h, protocol 7.45 (facts: numbers and layouts).
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace puffs::fuse::wire {

inline constexpr std::uint32_t version_major = 7;
inline constexpr std::uint32_t version_minor = 45;
// The oldest kernel that is served: 7.31 is Linux 5.4.
inline constexpr std::uint32_t version_minor_least = 31;

inline constexpr std::uint64_t root_id = 1;
inline constexpr std::size_t min_read_buffer_bytes = 8192;
// The kernel refuses replies whose error is not in -511..0 (fs/fuse/dev.c, fuse_dev_do_write).
inline constexpr int errno_max = 511;

enum class opcode : std::uint32_t {
    lookup = 1,
    forget = 2,
    getattr = 3,
    setattr = 4,
    readlink = 5,
    symlink = 6,
    mknod = 8,
    mkdir = 9,
    unlink = 10,
    rmdir = 11,
    rename = 12,
    link = 13,
    open = 14,
    read = 15,
    write = 16,
    statfs = 17,
    release = 18,
    fsync = 20,
    setxattr = 21,
    getxattr = 22,
    listxattr = 23,
    removexattr = 24,
    flush = 25,
    init = 26,
    opendir = 27,
    readdir = 28,
    releasedir = 29,
    fsyncdir = 30,
    getlk = 31,
    setlk = 32,
    setlkw = 33,
    access = 34,
    create = 35,
    interrupt = 36,
    bmap = 37,
    destroy = 38,
    ioctl = 39,
    poll = 40,
    notify_reply = 41,
    batch_forget = 42,
    fallocate = 43,
    readdirplus = 44,
    rename2 = 45,
    lseek = 46,
    copy_file_range = 47,
    setupmapping = 48,
    removemapping = 49,
    syncfs = 50,
    tmpfile = 51,
    statx = 52,
    copy_file_range_64 = 53,
};
inline constexpr std::uint32_t opcode_last = 53;

// Set in in_header.unique of a request that the kernel sends again after NOTIFY_RESEND.
inline constexpr std::uint64_t unique_resend = std::uint64_t{1} << 63;
// Set in in_header.unique of an INTERRUPT, whose unique is otherwise that of the request it is
// about.
inline constexpr std::uint64_t unique_interrupt = 1;
// in_header.uid and gid of a caller that an idmapped mount cannot express.
inline constexpr std::uint32_t invalid_id = 0xffffffff;

struct in_header {
    std::uint32_t len;
    std::uint32_t opcode;
    std::uint64_t unique;
    std::uint64_t nodeid;
    std::uint32_t uid;
    std::uint32_t gid;
    std::uint32_t pid;          // of the calling thread, not of its process
    std::uint16_t total_extlen; // in units of 8 bytes; 7.38
    std::uint16_t padding;
};
static_assert(sizeof(in_header) == 40);
static_assert(offsetof(in_header, unique) == 8 && offsetof(in_header, nodeid) == 16);
static_assert(offsetof(in_header, pid) == 32 && offsetof(in_header, total_extlen) == 36);

struct out_header {
    std::uint32_t len;
    std::int32_t error;   // 0 or a negative errno; a notification carries its code here, positive
    std::uint64_t unique; // 0 in a notification
};
static_assert(sizeof(out_header) == 16 && offsetof(out_header, unique) == 8);

struct attr {
    std::uint64_t ino;
    std::uint64_t size;
    std::uint64_t blocks;
    std::uint64_t atime;
    std::uint64_t mtime;
    std::uint64_t ctime;
    std::uint32_t atimensec;
    std::uint32_t mtimensec;
    std::uint32_t ctimensec;
    std::uint32_t mode;
    std::uint32_t nlink;
    std::uint32_t uid;
    std::uint32_t gid;
    std::uint32_t rdev;
    std::uint32_t blksize;
    std::uint32_t flags; // attr_flag; 7.32
};
static_assert(sizeof(attr) == 88 && offsetof(attr, atimensec) == 48 && offsetof(attr, mode) == 60);

namespace attr_flag {
inline constexpr std::uint32_t submount = 1U << 0;
inline constexpr std::uint32_t dax = 1U << 1;
} // namespace attr_flag

struct entry_out {
    std::uint64_t nodeid;
    std::uint64_t generation;
    std::uint64_t entry_valid;
    std::uint64_t attr_valid;
    std::uint32_t entry_valid_nsec;
    std::uint32_t attr_valid_nsec;
    wire::attr attr;
};
static_assert(sizeof(entry_out) == 128 && offsetof(entry_out, attr) == 40);

struct attr_out {
    std::uint64_t attr_valid;
    std::uint32_t attr_valid_nsec;
    std::uint32_t dummy;
    wire::attr attr;
};
static_assert(sizeof(attr_out) == 104 && offsetof(attr_out, attr) == 16);

struct kstatfs {
    std::uint64_t blocks;
    std::uint64_t bfree;
    std::uint64_t bavail;
    std::uint64_t files;
    std::uint64_t ffree;
    std::uint32_t bsize;
    std::uint32_t namelen;
    std::uint32_t frsize;
    std::uint32_t padding;
    std::uint32_t spare[6];
};
static_assert(sizeof(kstatfs) == 80 && offsetof(kstatfs, bsize) == 40);

struct file_lock {
    std::uint64_t start;
    std::uint64_t end;
    std::uint32_t type;
    std::uint32_t pid; // of the process
};
static_assert(sizeof(file_lock) == 24);

struct sx_time {
    std::int64_t tv_sec;
    std::uint32_t tv_nsec;
    std::int32_t reserved;
};
static_assert(sizeof(sx_time) == 16);

// The same bytes as struct statx of statx(2).
struct statx {
    std::uint32_t mask;
    std::uint32_t blksize;
    std::uint64_t attributes;
    std::uint32_t nlink;
    std::uint32_t uid;
    std::uint32_t gid;
    std::uint16_t mode;
    std::uint16_t spare0;
    std::uint64_t ino;
    std::uint64_t size;
    std::uint64_t blocks;
    std::uint64_t attributes_mask;
    sx_time atime;
    sx_time btime;
    sx_time ctime;
    sx_time mtime;
    std::uint32_t rdev_major;
    std::uint32_t rdev_minor;
    std::uint32_t dev_major;
    std::uint32_t dev_minor;
    std::uint64_t spare2[14];
};
static_assert(sizeof(statx) == 256 && offsetof(statx, ino) == 32 && offsetof(statx, atime) == 64);
static_assert(offsetof(statx, rdev_major) == 128);

struct dirent {
    std::uint64_t ino;
    std::uint64_t off;
    std::uint32_t namelen;
    std::uint32_t type;
    // `namelen` bytes of name follow, without a NUL, padded with zeros to 8 bytes.
};
static_assert(sizeof(dirent) == 24);

struct direntplus {
    wire::entry_out entry;
    wire::dirent dirent;
};
static_assert(sizeof(direntplus) == 152 && offsetof(direntplus, dirent) == 128);

// Records of variable length start on multiples of 8 bytes.
constexpr std::size_t record_align(std::size_t bytes) {
    return (bytes + 7U) & ~std::size_t{7};
}

// Extensions behind the arguments of CREATE, MKNOD, MKDIR, SYMLINK and TMPFILE; each starts with
// ext_header, whose size counts the header and is a multiple of 8. A type of at most
// ext_secctx_last is the count of security contexts.
struct ext_header {
    std::uint32_t size;
    std::uint32_t type;
};
static_assert(sizeof(ext_header) == 8);

inline constexpr std::uint32_t ext_secctx_last = 31;
inline constexpr std::uint32_t ext_groups = 32;

struct secctx {
    std::uint32_t size; // of the context that follows the name
    std::uint32_t padding;
};
static_assert(sizeof(secctx) == 8);

struct supp_groups {
    std::uint32_t nr_groups;
    // `nr_groups` group ids of 32 bits follow.
};
static_assert(sizeof(supp_groups) == 4);

template <class T>
concept Plain = std::is_trivially_copyable_v<T> && std::is_standard_layout_v<T>;

static_assert(Plain<in_header> && Plain<out_header> && Plain<entry_out> && Plain<wire::statx>);

} // namespace puffs::fuse::wire
