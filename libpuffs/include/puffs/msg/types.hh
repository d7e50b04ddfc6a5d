// msg/types.hh - the words that both halves share: cookies, classes and types of operations,
// attributes, callers.
//
// These values travel in frames to servers in other processes: DO NOT CHANGE the number of an
// enumerator.
//
// Units:      sizes in bytes, times in seconds plus nanoseconds since the epoch, time-outs as
//             std::chrono in APIs and seconds plus nanoseconds here.
// Ownership:  plain values, trivially copyable.
// Source:     NetBSD sys/fs/puffs/puffs_msgif.h (vocabulary).
#pragma once

#include <cstdint>
#include <type_traits>

namespace puffs::msg {

// Names a live node of a mount: slot in the server library's table (low 32 bits) and generation of
// that slot (high 32).
enum class cookie : std::uint64_t { none = 0, root = 1 };
[[nodiscard]] constexpr std::uint32_t slot_of(cookie c) {
    return static_cast<std::uint32_t>(static_cast<std::uint64_t>(c));
}
[[nodiscard]] constexpr std::uint32_t generation_of(cookie c) {
    return static_cast<std::uint32_t>(static_cast<std::uint64_t>(c) >> 32);
}
[[nodiscard]] constexpr cookie make_cookie(std::uint32_t slot, std::uint32_t generation) {
    return static_cast<cookie>(std::uint64_t{generation} << 32 | slot);
}

enum class opclass : std::uint8_t {
    vfs = 1,
    vn = 2,
    cache = 3,
    error = 4,
    flush = 5,
    suspend = 6,
    unmount = 7
};
inline constexpr std::uint32_t opclass_mask = 0x0f;
inline constexpr std::uint32_t opclass_faf = 0x10;        // fire and forget: no reply
inline constexpr std::uint32_t opclass_isresponse = 0x20; // an answer to something the server sent

enum class vfs_op : std::uint32_t { unmount = 1, statvfs, sync, fhtonode, nodetofh, suspend };

enum class vn_op : std::uint32_t {
    lookup = 1,
    create,
    mknod,
    open,
    close,
    access,
    getattr,
    setattr,
    read,
    write,
    fsync,
    seek,
    remove,
    link,
    rename,
    mkdir,
    rmdir,
    symlink,
    readdir,
    readlink,
    reclaim,
    inactive,
    pathconf,
    advlock,
    poll,
    mmap,
    abortop,
    getextattr,
    setextattr,
    listextattr,
    deleteextattr,
    fallocate,
    fdiscard,
    copy_range,
    ioctl,
    tmpfile,
    count_
};
[[nodiscard]] const char* name_of(vn_op op);
[[nodiscard]] const char* name_of(vfs_op op);

// Types of nodes, as the S_IFMT bits shifted down say them, so that conversion is a shift.
enum class vtype : std::uint8_t {
    none = 0,
    fifo = 1,
    chr = 2,
    dir = 4,
    blk = 6,
    reg = 8,
    lnk = 10,
    sock = 12
};
[[nodiscard]] constexpr std::uint32_t mode_of(vtype t) {
    return static_cast<std::uint32_t>(t) << 12;
}
[[nodiscard]] constexpr vtype vtype_of(std::uint32_t mode) {
    return static_cast<vtype>((mode >> 12) & 0xf);
}

// True for the S_IFMT bits of a node that can exist.
[[nodiscard]] constexpr bool is_node_type(vtype t) {
    switch (t) {
    case vtype::fifo:
    case vtype::chr:
    case vtype::dir:
    case vtype::blk:
    case vtype::reg:
    case vtype::lnk:
    case vtype::sock:
        return true;
    case vtype::none:
        return false;
    }
    return false; // a number that a peer sent
}

struct time_point {
    std::int64_t sec = 0;
    std::uint32_t nsec = 0;
    friend constexpr bool operator==(const time_point&, const time_point&) = default;
};

// Attributes of a node (struct vattr). mode holds type and permission bits.
struct attr {
    std::uint64_t ino = 0;
    std::uint64_t size = 0;   // bytes
    std::uint64_t blocks = 0; // of 512 bytes
    time_point atime, mtime, ctime;
    std::uint32_t mode = 0;
    std::uint32_t nlink = 1;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint32_t rdev = 0;
    std::uint32_t blksize = 4096;
};

// Which fields of a setattr are valid.
enum set_bits : std::uint32_t {
    set_mode = 1,
    set_uid = 2,
    set_gid = 4,
    set_size = 8,
    set_atime = 16,
    set_mtime = 32,
    set_ctime = 64,
    set_atime_now = 128,
    set_mtime_now = 256,
    set_kill_suidgid = 512
};

// How long the kernel may believe something without asking.
struct ttl {
    std::uint64_t sec = 0;
    std::uint32_t nsec = 0;
};

// A node as the server tells it to the kernel half: the answer to lookup, create, mknod, mkdir,
// symlink, link. The node's cookie gains one lookup reference, given back by reclaim. cookie::none
// in the answer to a lookup: the name does not exist, and the kernel may believe so for entry_ttl.
struct newinfo {
    cookie node = cookie::none;
    ttl entry_ttl;
    ttl attr_ttl;
    attr va;
};

// Who asks. pid is the thread id that the kernel gives; a server finds the process in /proc.
struct caller {
    std::uint32_t pid = 0;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
};

struct fs_stats {
    std::uint64_t blocks = 0, bfree = 0, bavail = 0; // of frsize
    std::uint64_t files = 0, ffree = 0;
    std::uint32_t bsize = 4096, frsize = 4096, namemax = 255;
};

// The largest errno that a caller can be told: larger ones mean something to Linux's VFS only, and FUSE refuses them
// (fs/fuse/dev.c, fuse_dev_do_write). Whoever gets another from a server turns it into eproto.
inline constexpr int errno_max = 511;

// What open answers.
enum open_bits : std::uint32_t {
    open_direct_io = 1,
    open_keep_cache = 2,
    open_nonseekable = 4,
    open_cache_dir = 8,
    open_stream = 16,
    open_noflush = 32,
    open_parallel_direct_writes = 64,
    open_bits_all = 127
};

// What a reply asks the kernel half to do about its nodes: bits of header::setbacks (F27). n1 is the request's node, n2
// the second one (the target of a lookup, remove, rmdir or link). Reserved: wait2 hands them to a front end, but FUSE
// has nothing to do with them, and the server library sets none.
enum setback_bits : std::uint32_t {
    setback_inact_n1 = 1, // tell the server when it becomes inactive
    setback_inact_n2 = 2,
    setback_noref_n1 = 4, // no reference is left in the server: reclaim it at its last use
    setback_noref_n2 = 8,
    setback_all = 15
};

} // namespace puffs::msg
