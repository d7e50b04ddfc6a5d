// fuse/wire_file.hh - the FUSE protocol as bytes: what operations on open files carry.
//
// `x_in` is the fixed part of a request, `x_out` that of its reply.
//
// Units:      integers in host order, offsets and sizes in bytes.
// Layout:     as wire.hh.
// Threading:  none; values only.
// Source:     Linux include/uapi/linux/fuse.h, protocol 7.45 (facts: numbers and layouts).
#pragma once

#include "fuse/wire.hh"

namespace puffs::fuse::wire {

// open_in.open_flags and create_in.open_flags
namespace open_flag {
inline constexpr std::uint32_t kill_suidgid = 1U << 0;
} // namespace open_flag

struct open_in {
    std::uint32_t flags; // O_* of the caller
    std::uint32_t open_flags;
};
static_assert(sizeof(open_in) == 8);

struct create_in {
    std::uint32_t flags;
    std::uint32_t mode;
    std::uint32_t umask;
    std::uint32_t open_flags;
};
static_assert(sizeof(create_in) == 16);

// open_out.open_flags
namespace fopen {
inline constexpr std::uint32_t direct_io = 1U << 0;
inline constexpr std::uint32_t keep_cache = 1U << 1;
inline constexpr std::uint32_t nonseekable = 1U << 2;
inline constexpr std::uint32_t cache_dir = 1U << 3;
inline constexpr std::uint32_t stream = 1U << 4;
inline constexpr std::uint32_t noflush = 1U << 5;
inline constexpr std::uint32_t parallel_direct_writes = 1U << 6;
inline constexpr std::uint32_t passthrough = 1U << 7;
} // namespace fopen

struct open_out {
    std::uint64_t fh;
    std::uint32_t open_flags;
    std::int32_t backing_id; // with fopen::passthrough; 7.40
};
static_assert(sizeof(open_out) == 16);

namespace release_flag {
inline constexpr std::uint32_t flush = 1U << 0;
inline constexpr std::uint32_t flock_unlock = 1U << 1;
} // namespace release_flag

struct release_in {
    std::uint64_t fh;
    std::uint32_t flags;
    std::uint32_t release_flags;
    std::uint64_t lock_owner;
};
static_assert(sizeof(release_in) == 24);

struct flush_in {
    std::uint64_t fh;
    std::uint32_t unused;
    std::uint32_t padding;
    std::uint64_t lock_owner;
};
static_assert(sizeof(flush_in) == 24);

namespace read_flag {
inline constexpr std::uint32_t lockowner = 1U << 1;
} // namespace read_flag

struct read_in {
    std::uint64_t fh;
    std::uint64_t offset;
    std::uint32_t size;
    std::uint32_t read_flags;
    std::uint64_t lock_owner;
    std::uint32_t flags;
    std::uint32_t padding;
};
static_assert(sizeof(read_in) == 40 && offsetof(read_in, size) == 16);

namespace write_flag {
// From the page cache: uid, gid, pid and fh are guesses.
inline constexpr std::uint32_t cache = 1U << 0;
inline constexpr std::uint32_t lockowner = 1U << 1;
inline constexpr std::uint32_t kill_suidgid = 1U << 2;
} // namespace write_flag

struct write_in {
    std::uint64_t fh;
    std::uint64_t offset;
    std::uint32_t size; // of the data that follow
    std::uint32_t write_flags;
    std::uint64_t lock_owner;
    std::uint32_t flags;
    std::uint32_t padding;
};
static_assert(sizeof(write_in) == 40 && offsetof(write_in, size) == 16);

struct write_out {
    std::uint32_t size;
    std::uint32_t padding;
};
static_assert(sizeof(write_out) == 8);

namespace fsync_flag {
inline constexpr std::uint32_t fdatasync = 1U << 0;
} // namespace fsync_flag

struct fsync_in {
    std::uint64_t fh;
    std::uint32_t fsync_flags;
    std::uint32_t padding;
};
static_assert(sizeof(fsync_in) == 16);

namespace lk_flag {
inline constexpr std::uint32_t flock = 1U << 0;
} // namespace lk_flag

struct lk_in {
    std::uint64_t fh;
    std::uint64_t owner;
    file_lock lk;
    std::uint32_t lk_flags;
    std::uint32_t padding;
};
static_assert(sizeof(lk_in) == 48);

struct lk_out {
    file_lock lk;
};
static_assert(sizeof(lk_out) == 24);

struct bmap_in {
    std::uint64_t block;
    std::uint32_t blocksize;
    std::uint32_t padding;
};
static_assert(sizeof(bmap_in) == 16);

struct bmap_out {
    std::uint64_t block;
};
static_assert(sizeof(bmap_out) == 8);

namespace ioctl_flag {
inline constexpr std::uint32_t compat = 1U << 0;
inline constexpr std::uint32_t unrestricted = 1U << 1;
inline constexpr std::uint32_t retry = 1U << 2;
inline constexpr std::uint32_t is_32bit = 1U << 3;
inline constexpr std::uint32_t dir = 1U << 4;
inline constexpr std::uint32_t compat_x32 = 1U << 5;
} // namespace ioctl_flag
inline constexpr std::uint32_t ioctl_max_iov = 256;

struct ioctl_in {
    std::uint64_t fh;
    std::uint32_t flags;
    std::uint32_t cmd;
    std::uint64_t arg;
    std::uint32_t in_size; // of the data that follow
    std::uint32_t out_size;
};
static_assert(sizeof(ioctl_in) == 32 && offsetof(ioctl_in, in_size) == 24);

struct ioctl_iovec {
    std::uint64_t base;
    std::uint64_t len;
};
static_assert(sizeof(ioctl_iovec) == 16);

struct ioctl_out {
    std::int32_t result;
    std::uint32_t flags;
    std::uint32_t in_iovs;
    std::uint32_t out_iovs;
};
static_assert(sizeof(ioctl_out) == 16);

namespace poll_flag {
inline constexpr std::uint32_t schedule_notify = 1U << 0;
} // namespace poll_flag

struct poll_in {
    std::uint64_t fh;
    std::uint64_t kh;
    std::uint32_t flags;
    std::uint32_t events;
};
static_assert(sizeof(poll_in) == 24);

struct poll_out {
    std::uint32_t revents;
    std::uint32_t padding;
};
static_assert(sizeof(poll_out) == 8);

struct fallocate_in {
    std::uint64_t fh;
    std::uint64_t offset;
    std::uint64_t length;
    std::uint32_t mode; // FALLOC_FL_* of fallocate(2)
    std::uint32_t padding;
};
static_assert(sizeof(fallocate_in) == 32);

struct lseek_in {
    std::uint64_t fh;
    std::uint64_t offset;
    std::uint32_t whence;
    std::uint32_t padding;
};
static_assert(sizeof(lseek_in) == 24);

struct lseek_out {
    std::uint64_t offset;
};
static_assert(sizeof(lseek_out) == 8);

struct copy_file_range_in {
    std::uint64_t fh_in;
    std::uint64_t off_in;
    std::uint64_t nodeid_out;
    std::uint64_t fh_out;
    std::uint64_t off_out;
    std::uint64_t len;
    std::uint64_t flags;
};
static_assert(sizeof(copy_file_range_in) == 56);

// Reply of COPY_FILE_RANGE_64; COPY_FILE_RANGE answers write_out.
struct copy_file_range_out {
    std::uint64_t bytes_copied;
};
static_assert(sizeof(copy_file_range_out) == 8);

namespace setupmapping_flag {
inline constexpr std::uint64_t write = 1U << 0;
inline constexpr std::uint64_t read = 1U << 1;
} // namespace setupmapping_flag

struct setupmapping_in {
    std::uint64_t fh;
    std::uint64_t foffset;
    std::uint64_t len;
    std::uint64_t flags;
    std::uint64_t moffset;
};
static_assert(sizeof(setupmapping_in) == 40);

struct removemapping_in {
    std::uint32_t count; // of removemapping_one that follow
};
static_assert(sizeof(removemapping_in) == 4);

struct removemapping_one {
    std::uint64_t moffset;
    std::uint64_t len;
};
static_assert(sizeof(removemapping_one) == 16);

struct syncfs_in {
    std::uint64_t padding;
};
static_assert(sizeof(syncfs_in) == 8);

} // namespace puffs::fuse::wire
