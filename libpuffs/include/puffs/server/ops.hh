// server/ops.hh - the operations of a file server, found by name.
//
// A file server is any class with some of the member functions below; there is no base class.
// make_operations<Server>() looks for each by its name and exact arguments; one that has the name
// but not the arguments does not compile. A missing operation gets the answer in its line. Each may
// block its light thread, may return fail(errno), and may throw: what escapes becomes eio and a log
// line.
//
//   name, arguments after cc&                             | result     | when missing
//   lookup(node& dir, string_view name)                   | new_node   | enoent
//   create(node& dir, string_view name,                   | new_node   | mknod + open; else enosys,
//          const make_request&)                           |            | kernel uses mknod
//   mknod(node& dir, string_view name,                    | new_node   | enosys
//         const make_request&)                            |            |
//   mkdir(node& dir, string_view name,                    | new_node   | enosys
//         const make_request&)                            |            |
//   symlink(node& dir, string_view name,                  | new_node   | enosys
//           string_view target, const make_request&)      |            |
//   open(node&, int flags)                                | open_reply | success, no handle; see below
//   close(node&, int flags)                               | void       | nothing
//   access(node&, int mode)                               | void       | enosys: kernel allows,
//                                                         |            | stops asking
//   getattr(node&)                                        | attr       | enosys: a server without
//                                                         |            | it cannot be mounted
//   setattr(node&, const setattr_request&)                | void       | enosys
//   read(node&, span<byte> into, uint64_t offset)         | size_t     | enosys
//   write(node&, span<const byte> from, uint64_t offset)  | size_t     | enosys
//   fsync(node&, bool datasync)                           | void       | success
//   seek(node&, uint64_t offset, int whence)              | uint64_t   | enosys: kernel falls back
//   remove(node& dir, node& target, string_view name)     | void       | enosys
//   rmdir(node& dir, node& target, string_view name)      | void       | enosys
//   link(node& dir, node& target, string_view name)       | void       | enosys
//   rename(const rename_request&)                         | void       | enosys
//   readdir(node& dir, dirents& out, uint64_t cookie)     | void       | enosys
//   readlink(node&, span<char> into)                      | size_t     | enosys
//   getextattr(node&, string_view name, span<byte> into)  | size_t     | enosys: kernel answers
//     an empty `into` asks for the length only;           |            | enotsup from then on
//     too small: erange                                   |            |
//   setextattr(node&, string_view name,                   | void       | enosys
//              span<const byte> value, int flags)         |            |
//   listextattr(node&, span<char> into)                   | size_t     | enosys
//     NUL-terminated names                                |            |
//   deleteextattr(node&, string_view name)                | void       | enosys
//   fallocate(node&, int mode, uint64_t offset,           | void       | enosys
//             uint64_t length)                            |            |
//   reclaim(node&)                                        | void       | nothing: the node is
//                                                         |            | forgotten, its id is free
//   inactive(node&)                                       | void       | nothing: last close of the
//                                                         |            | node
//   statvfs()                                             | fs_stats   | zeros with namemax 255
//   sync()                                                | void       | success
//   start(usermount&)                                     | void       | nothing: before the first
//                                                         |            | request
//   unmount(bool force)                                   | void       | nothing: after the last
//                                                         |            | request; see below
//
// open is called for directories too. With usermount_options::sole_owner its answer for a file implies
// open_keep_cache, for a directory open_keep_cache and open_cache_dir, unless it says open_direct_io; and a
// server without open, close and inactive is not asked to open at all, nor, without create, to create: then the
// kernel uses mknod. With usermount_options::writeback_cache a file that is opened for writing is opened for
// reading too, because the kernel completes pages, and never with O_APPEND, because it knows the end.
//
// At the end the kernel gives nothing back: every live node is reclaimed, one after the other, by the thread
// that ends the mount, and then comes unmount. A node may be reclaimed then whose files were not closed, and
// which was not inactive, because nobody says so any more. `force`: the mount did not end in order, and requests
// may have been cut off.
//
// What is held while an operation runs (policies per_node and home): every node& it is given, one operation at
// a time on each. For remove, rmdir and rename the framework finds the targets by calling the
// server's own lookup under the same locks. start and unmount run alone.
//
// Source:     NetBSD puffs_ops(3) (names and meaning).
#pragma once

#include "puffs/base/error.hh"
#include "puffs/server/cc.hh"
#include "puffs/server/dirents.hh"

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace puffs {

using msg::fs_stats;

// The answer that names a node: an id the framework knows already (same type), or a new one.
struct new_node {
    std::uint64_t id = 0;
    std::optional<attr> va;                                // absent: the framework calls getattr
    vtype type = vtype::none;                              // none: from va's mode
    std::optional<std::chrono::nanoseconds> entry_timeout; // absent: the mount's
    std::optional<std::chrono::nanoseconds> attr_timeout;
};

// What a new object shall be. The kernel has applied the caller's umask unless the server asked it
// not to.
struct make_request {
    std::uint32_t mode = 0; // with type bits
    std::uint32_t rdev = 0;
    std::uint32_t uid = 0; // the caller's
    std::uint32_t gid = 0;
    std::uint32_t umask = 0;
};

struct setattr_request {
    std::uint32_t valid = 0; // msg::set_bits
    attr va;
};

struct rename_request {
    node& from_dir;
    node& from;
    std::string_view from_name;
    node& to_dir;
    node* to; // what stands at to_name now, or null
    std::string_view to_name;
    // RENAME_NOREPLACE, which the framework has seen to, and those of linux/fs.h that the class names
    // in `static constexpr std::uint32_t rename_flags`; others are refused before
    std::uint32_t flags;
};

struct open_reply {
    std::uint64_t handle = 0;
    std::uint32_t bits = 0; // msg::open_bits
};

// The table that the library calls through; null where the server has no such operation.
struct operations {
    result<new_node> (*lookup)(void*, cc&, node&, std::string_view) = nullptr;
    result<new_node> (*create)(void*, cc&, node&, std::string_view, const make_request&) = nullptr;
    result<new_node> (*mknod)(void*, cc&, node&, std::string_view, const make_request&) = nullptr;
    result<new_node> (*mkdir)(void*, cc&, node&, std::string_view, const make_request&) = nullptr;
    result<new_node> (*symlink)(void*, cc&, node&, std::string_view, std::string_view,
                                const make_request&) = nullptr;
    result<open_reply> (*open)(void*, cc&, node&, int) = nullptr;
    result<void> (*close)(void*, cc&, node&, int) = nullptr;
    result<void> (*access)(void*, cc&, node&, int) = nullptr;
    result<attr> (*getattr)(void*, cc&, node&) = nullptr;
    result<void> (*setattr)(void*, cc&, node&, const setattr_request&) = nullptr;
    result<std::size_t> (*read)(void*, cc&, node&, std::span<std::byte>, std::uint64_t) = nullptr;
    result<std::size_t> (*write)(void*, cc&, node&, std::span<const std::byte>,
                                 std::uint64_t) = nullptr;
    result<void> (*fsync)(void*, cc&, node&, bool) = nullptr;
    result<std::uint64_t> (*seek)(void*, cc&, node&, std::uint64_t, int) = nullptr;
    result<void> (*remove)(void*, cc&, node&, node&, std::string_view) = nullptr;
    result<void> (*rmdir)(void*, cc&, node&, node&, std::string_view) = nullptr;
    result<void> (*link)(void*, cc&, node&, node&, std::string_view) = nullptr;
    result<void> (*rename)(void*, cc&, const rename_request&) = nullptr;
    result<void> (*readdir)(void*, cc&, node&, dirents&, std::uint64_t) = nullptr;
    result<std::size_t> (*readlink)(void*, cc&, node&, std::span<char>) = nullptr;
    result<std::size_t> (*getextattr)(void*, cc&, node&, std::string_view,
                                      std::span<std::byte>) = nullptr;
    result<void> (*setextattr)(void*, cc&, node&, std::string_view, std::span<const std::byte>,
                               int) = nullptr;
    result<std::size_t> (*listextattr)(void*, cc&, node&, std::span<char>) = nullptr;
    result<void> (*deleteextattr)(void*, cc&, node&, std::string_view) = nullptr;
    result<void> (*fallocate)(void*, cc&, node&, int, std::uint64_t, std::uint64_t) = nullptr;
    void (*reclaim)(void*, cc&, node&) = nullptr;
    void (*inactive)(void*, cc&, node&) = nullptr;
    result<fs_stats> (*statvfs)(void*, cc&) = nullptr;
    result<void> (*sync)(void*, cc&) = nullptr;
    result<void> (*start)(void*, usermount&) = nullptr;
    void (*unmount)(void*, bool) = nullptr;
    std::uint32_t rename_flags = 0; // see rename_request
};

} // namespace puffs
