// fuse/wire_init.hh - the FUSE protocol as bytes: INIT, with which kernel and server agree on
// everything else.
//
// Units:      flags are one 64-bit word here; on the wire bits 32 to 63 travel in `flags2`, which
//             counts only with init_flag::init_ext.
// Layout:     as wire.hh.
// Threading:  none; values only.
// Source:     Linux include/uapi/linux/fuse.h, protocol 7.45 (facts: numbers and layouts).
#pragma once

#include "fuse/wire.hh"

namespace puffs::fuse::wire {

namespace init_flag {
inline constexpr std::uint64_t bit(unsigned n) {
    return std::uint64_t{1} << n;
}
inline constexpr std::uint64_t async_read = bit(0);
inline constexpr std::uint64_t posix_locks = bit(1);
inline constexpr std::uint64_t file_ops = bit(2);
inline constexpr std::uint64_t atomic_o_trunc = bit(3);
inline constexpr std::uint64_t export_support = bit(4);
inline constexpr std::uint64_t big_writes = bit(5);
inline constexpr std::uint64_t dont_mask = bit(6);
inline constexpr std::uint64_t splice_write = bit(7);
inline constexpr std::uint64_t splice_move = bit(8);
inline constexpr std::uint64_t splice_read = bit(9);
inline constexpr std::uint64_t flock_locks = bit(10);
inline constexpr std::uint64_t has_ioctl_dir = bit(11);
inline constexpr std::uint64_t auto_inval_data = bit(12);
inline constexpr std::uint64_t do_readdirplus = bit(13);
inline constexpr std::uint64_t readdirplus_auto = bit(14);
inline constexpr std::uint64_t async_dio = bit(15);
inline constexpr std::uint64_t writeback_cache = bit(16);
inline constexpr std::uint64_t no_open_support = bit(17);
inline constexpr std::uint64_t parallel_dirops = bit(18);
inline constexpr std::uint64_t handle_killpriv = bit(19);
inline constexpr std::uint64_t posix_acl = bit(20);
inline constexpr std::uint64_t abort_error = bit(21);
inline constexpr std::uint64_t max_pages = bit(22);
inline constexpr std::uint64_t cache_symlinks = bit(23);
inline constexpr std::uint64_t no_opendir_support = bit(24);
inline constexpr std::uint64_t explicit_inval_data = bit(25);
inline constexpr std::uint64_t map_alignment = bit(26);
inline constexpr std::uint64_t submounts = bit(27);
inline constexpr std::uint64_t handle_killpriv_v2 = bit(28);
inline constexpr std::uint64_t setxattr_ext = bit(29);
inline constexpr std::uint64_t init_ext = bit(30);
inline constexpr std::uint64_t init_reserved = bit(31);
inline constexpr std::uint64_t security_ctx = bit(32);
inline constexpr std::uint64_t has_inode_dax = bit(33);
inline constexpr std::uint64_t create_supp_group = bit(34);
inline constexpr std::uint64_t has_expire_only = bit(35);
inline constexpr std::uint64_t direct_io_allow_mmap = bit(36);
inline constexpr std::uint64_t passthrough = bit(37);
inline constexpr std::uint64_t no_export_support = bit(38);
inline constexpr std::uint64_t has_resend = bit(39);
inline constexpr std::uint64_t allow_idmap = bit(40);
inline constexpr std::uint64_t over_io_uring = bit(41);
inline constexpr std::uint64_t request_timeout = bit(42);
} // namespace init_flag

// Before 7.36 only the first init_in_compat_bytes are sent.
struct init_in {
    std::uint32_t major;
    std::uint32_t minor;
    std::uint32_t max_readahead;
    std::uint32_t flags;
    std::uint32_t flags2; // with init_flag::init_ext
    std::uint32_t unused[11];
};
static_assert(sizeof(init_in) == 64 && offsetof(init_in, flags2) == 16);
inline constexpr std::size_t init_in_compat_bytes = 16;

struct init_out {
    std::uint32_t major;
    std::uint32_t minor;
    std::uint32_t max_readahead;
    std::uint32_t flags;
    std::uint16_t max_background;
    std::uint16_t congestion_threshold;
    std::uint32_t max_write;
    std::uint32_t time_gran; // in ns
    std::uint16_t max_pages;
    std::uint16_t map_alignment;
    std::uint32_t flags2;
    std::uint32_t max_stack_depth; // 7.40
    std::uint16_t request_timeout; // in seconds; 7.43
    std::uint16_t unused[11];
};
static_assert(sizeof(init_out) == 64 && offsetof(init_out, max_write) == 20);
static_assert(offsetof(init_out, max_pages) == 28 && offsetof(init_out, flags2) == 32);
static_assert(offsetof(init_out, request_timeout) == 40);

} // namespace puffs::fuse::wire
