// msg/request.hh - one puffs message: a fixed part and two runs of bytes.
//
//   request   header + arguments of the operation; the reply's values are written into the same
//             arguments
//   in        bytes that go to the server: names (without NUL), data of a write, value of an
//             extended attribute, target of a symbolic link; in the order of the *_bytes fields of
//             the arguments
//   out       room for bytes that come back: data of a read, directory entries, target, value, list
//
// In-process the runs are views into the transport's own buffers, so that no byte is copied between
// the kernel's copy and the server's data. Between processes a frame is request + in one way,
// request + out the other.
//
// Units:      lengths in bytes. maxlen = sizeof(request) + the larger of in and out room; copylen =
//             sizeof(request) + in.
// Ownership:  borrowed by the server until it replies.
// Threading:  the owner of the message that carries it.
// Source:     NetBSD struct puffs_req (idea).
#pragma once

#include "puffs/msg/types.hh"

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

namespace puffs::msg {

struct header {
    std::uint64_t buflen = 0;   // maxlen of the park when sent; length of the frame in a reply
    std::uint64_t id = 0;       // 0: none (fire and forget)
    std::uint32_t opclass = 0;  // class, with opclass_faf and opclass_isresponse
    std::uint32_t optype = 0;   // vn_op, vfs_op, by class
    std::int32_t rv = 0;        // 0 or a positive errno, in a reply
    std::uint32_t setbacks = 0; // reserved: setback_bits, in a reply (F27)
    cookie node = cookie::none; // the node (vn), or none (vfs)
    caller who;
    std::uint32_t lid = 0; // light thread that asked, for listings
};

// The operation's.
[[nodiscard]] const char* name_of(const header& h);

struct lookup_args {
    std::uint32_t name_bytes;
    newinfo made;
};
// create, mknod, mkdir, symlink: in = name, then target (symlink).
struct make_args {
    std::uint32_t name_bytes, target_bytes, mode, umask;
    std::uint32_t rdev, open_flags;
    newinfo made;
};
struct link_args {
    cookie target;
    std::uint32_t name_bytes;
    newinfo made;
};
struct remove_args {
    std::uint32_t name_bytes;
};
// in = old name, new name. flags: RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT of linux/fs.h.
struct rename_args {
    cookie target_dir;
    std::uint32_t name_bytes, target_name_bytes, flags;
};
struct getattr_args {
    std::uint64_t handle;
    attr va;
    ttl attr_ttl;
};
struct setattr_args {
    std::uint64_t handle;
    std::uint32_t valid;
    attr va; // asked, then the result
    ttl attr_ttl;
};
struct access_args {
    std::uint32_t mode;
};
struct open_args {
    std::uint32_t flags;
    std::uint32_t result_bits;
    std::uint64_t handle;
};
struct close_args {
    std::uint64_t handle;
    std::uint32_t flags;
};
// read, write, readdir. size: asked of a read, or bytes in `in`; done: bytes produced or consumed.
// plus (readdir): entries carry a newinfo each, and each one that does gained a lookup reference.
// kill_set_id (write): the caller may not keep the file's set-id bits.
struct io_args {
    std::uint64_t handle, offset;
    std::uint32_t size, done, flags;
    std::uint8_t plus, write_cache, kill_set_id;
};
struct fsync_args {
    std::uint64_t handle;
    std::uint32_t datasync;
};
struct seek_args {
    std::uint64_t handle, offset;
    std::uint32_t whence;
};
struct readlink_args {
    std::uint32_t done;
};
// get: in = name. set: in = name, value. list: none. size 0 asks for the length only (done).
struct extattr_args {
    std::uint32_t name_bytes, value_bytes, flags, size, done;
};
struct fallocate_args {
    std::uint64_t handle, offset, length;
    std::uint32_t mode;
};
struct reclaim_args {
    std::uint64_t nlookup;
};
struct statvfs_args {
    fs_stats sb;
};
struct unmount_args {
    std::uint32_t force;
};

union arguments {
    lookup_args lookup;
    make_args make;
    link_args link;
    remove_args remove;
    rename_args rename;
    getattr_args getattr;
    setattr_args setattr;
    access_args access;
    open_args open;
    close_args close;
    io_args io;
    fsync_args fsync;
    seek_args seek;
    readlink_args readlink;
    extattr_args extattr;
    fallocate_args fallocate;
    reclaim_args reclaim;
    statvfs_args statvfs;
    unmount_args unmount;
    arguments() : reclaim{} {}
};
static_assert(std::is_trivially_copyable_v<arguments>);

struct request {
    header head;
    arguments args;
};
static_assert(std::is_trivially_copyable_v<request>);
static_assert(sizeof(request) <= 256);

struct payload {
    std::span<const std::byte> in;
    std::span<std::byte> out;
};

} // namespace puffs::msg
