// unit/msgif/older_layout.hh - an older layout of the messages, made up: sizes, times and offsets have 32 bits, times
// are whole seconds, attributes know no block size; statvfs and readlink are longer than anything that is sent today.
#pragma once

#include "puffs/kmod/wire_translation.hh"

#include <cstring>
#include <initializer_list>
#include <limits>
#include <span>

namespace puffs::test::older {

struct attr {
    std::uint64_t ino;
    std::uint32_t size, blocks, atime, mtime, ctime, mode, nlink, uid, gid, rdev;
};
struct newinfo {
    std::uint64_t node;
    std::uint32_t entry_ttl, attr_ttl;
    attr va;
};
struct lookup_args {
    std::uint32_t name_bytes, reserved;
    newinfo made;
};
struct make_args {
    std::uint32_t name_bytes, target_bytes, mode, umask, rdev, open_flags;
    newinfo made;
};
struct link_args {
    std::uint64_t target;
    std::uint32_t name_bytes, reserved;
    newinfo made;
};
struct getattr_args {
    std::uint64_t handle;
    std::uint32_t attr_ttl, reserved;
    attr va;
};
struct setattr_args {
    std::uint64_t handle;
    std::uint32_t valid, attr_ttl;
    attr va;
};
struct read_args {
    std::uint64_t handle;
    std::uint32_t offset, size, done, flags;
};
struct readlink_args {
    std::uint64_t reserved[25];
    std::uint64_t done;
};
struct statvfs_args {
    std::uint32_t blocks, bfree, bavail, files, ffree, bsize, frsize, namemax;
    std::uint64_t reserved[30];
};

// Bytes of a whole fixed part.
template <class Args>
constexpr std::size_t bytes_of = sizeof(msg::header) + sizeof(Args);
static_assert(bytes_of<lookup_args> < sizeof(msg::request));
static_assert(bytes_of<readlink_args> > sizeof(msg::request));
static_assert(bytes_of<statvfs_args> > bytes_of<readlink_args>);

template <class Args>
Args read_from(std::span<const std::byte> bytes) {
    Args a;
    std::memcpy(static_cast<void*>(&a), bytes.data(), sizeof a);
    return a;
}
template <class Args>
result<void> write_to(std::span<std::byte> bytes, const Args& a) {
    std::memcpy(bytes.data(), &a, sizeof a);
    return {};
}

inline bool fit(std::initializer_list<std::uint64_t> values) {
    for (const std::uint64_t v : values) {
        if (v > std::numeric_limits<std::uint32_t>::max()) return false;
    }
    return true;
}
inline std::uint32_t cut(std::uint64_t v) {
    return static_cast<std::uint32_t>(v);
}

inline msg::attr to_new(const attr& o) {
    msg::attr va;
    va.ino = o.ino;
    va.size = o.size;
    va.blocks = o.blocks;
    va.atime.sec = o.atime;
    va.mtime.sec = o.mtime;
    va.ctime.sec = o.ctime;
    va.mode = o.mode;
    va.nlink = o.nlink;
    va.uid = o.uid;
    va.gid = o.gid;
    va.rdev = o.rdev;
    return va;
}
inline msg::newinfo to_new(const newinfo& o) {
    return {static_cast<msg::cookie>(o.node), {o.entry_ttl, 0}, {o.attr_ttl, 0}, to_new(o.va)};
}

using bytes_in = std::span<const std::byte>;
using bytes_out = std::span<std::byte>;

inline result<void> lookup_to_old(const msg::arguments& a, bytes_out o) noexcept {
    return write_to(o, lookup_args{a.lookup.name_bytes, 0, {}});
}
inline void lookup_to_new(bytes_in o, msg::arguments& a) noexcept {
    a.lookup.made = to_new(read_from<lookup_args>(o).made);
}
inline result<void> make_to_old(const msg::arguments& a, bytes_out o) noexcept {
    const msg::make_args& m = a.make;
    return write_to(
        o, make_args{m.name_bytes, m.target_bytes, m.mode, m.umask, m.rdev, m.open_flags, {}});
}
inline void make_to_new(bytes_in o, msg::arguments& a) noexcept {
    a.make.made = to_new(read_from<make_args>(o).made);
}
inline result<void> link_to_old(const msg::arguments& a, bytes_out o) noexcept {
    return write_to(o,
                    link_args{static_cast<std::uint64_t>(a.link.target), a.link.name_bytes, 0, {}});
}
inline void link_to_new(bytes_in o, msg::arguments& a) noexcept {
    a.link.made = to_new(read_from<link_args>(o).made);
}
inline result<void> getattr_to_old(const msg::arguments& a, bytes_out o) noexcept {
    return write_to(o, getattr_args{a.getattr.handle, 0, 0, {}});
}
inline void getattr_to_new(bytes_in o, msg::arguments& a) noexcept {
    const auto older = read_from<getattr_args>(o);
    a.getattr.va = to_new(older.va);
    a.getattr.attr_ttl = {older.attr_ttl, 0};
}
inline result<void> setattr_to_old(const msg::arguments& a, bytes_out o) noexcept {
    const msg::attr& va = a.setattr.va;
    const auto since = [](const msg::time_point& t) { return static_cast<std::uint64_t>(t.sec); };
    if (!fit({va.size, va.blocks, since(va.atime), since(va.mtime), since(va.ctime)})) {
        return fail(EOVERFLOW);
    }
    const attr asked{va.ino,
                     cut(va.size),
                     cut(va.blocks),
                     cut(since(va.atime)),
                     cut(since(va.mtime)),
                     cut(since(va.ctime)),
                     va.mode,
                     va.nlink,
                     va.uid,
                     va.gid,
                     va.rdev};
    return write_to(o, setattr_args{a.setattr.handle, a.setattr.valid, 0, asked});
}
inline void setattr_to_new(bytes_in o, msg::arguments& a) noexcept {
    const auto older = read_from<setattr_args>(o);
    a.setattr.va = to_new(older.va);
    a.setattr.attr_ttl = {older.attr_ttl, 0};
}
inline result<void> read_to_old(const msg::arguments& a, bytes_out o) noexcept {
    if (!fit({a.io.offset})) {
        return fail(EOVERFLOW);
    }
    return write_to(o, read_args{a.io.handle, cut(a.io.offset), a.io.size, 0, a.io.flags});
}
inline void read_to_new(bytes_in o, msg::arguments& a) noexcept {
    a.io.done = read_from<read_args>(o).done;
}
inline result<void> readlink_to_old(const msg::arguments&, bytes_out) noexcept {
    return {};
}
inline void readlink_to_new(bytes_in o, msg::arguments& a) noexcept {
    a.readlink.done = cut(read_from<readlink_args>(o).done);
}
inline result<void> statvfs_to_old(const msg::arguments&, bytes_out) noexcept {
    return {};
}
inline void statvfs_to_new(bytes_in o, msg::arguments& a) noexcept {
    const auto s = read_from<statvfs_args>(o);
    a.statvfs.sb = {s.blocks, s.bfree, s.bavail, s.files, s.ffree, s.bsize, s.frsize, s.namemax};
}

template <class Args>
constexpr std::ptrdiff_t delta = static_cast<std::ptrdiff_t>(bytes_of<Args>) -
                                 static_cast<std::ptrdiff_t>(sizeof(msg::request));

template <class Args>
constexpr kmod::translated_operation row(msg::vn_op op,
                                         decltype(kmod::translated_operation::to_old) to_old,
                                         decltype(kmod::translated_operation::to_new) to_new) {
    return {msg::opclass::vn, static_cast<std::uint32_t>(op), delta<Args>, to_old, to_new};
}

inline constexpr kmod::translated_operation rows[] = {
    row<lookup_args>(msg::vn_op::lookup, lookup_to_old, lookup_to_new),
    row<make_args>(msg::vn_op::create, make_to_old, make_to_new),
    row<make_args>(msg::vn_op::mknod, make_to_old, make_to_new),
    row<make_args>(msg::vn_op::mkdir, make_to_old, make_to_new),
    row<make_args>(msg::vn_op::symlink, make_to_old, make_to_new),
    row<make_args>(msg::vn_op::tmpfile, make_to_old, make_to_new),
    row<link_args>(msg::vn_op::link, link_to_old, link_to_new),
    row<getattr_args>(msg::vn_op::getattr, getattr_to_old, getattr_to_new),
    row<setattr_args>(msg::vn_op::setattr, setattr_to_old, setattr_to_new),
    row<read_args>(msg::vn_op::read, read_to_old, read_to_new),
    row<readlink_args>(msg::vn_op::readlink, readlink_to_old, readlink_to_new),
    {msg::opclass::vfs, static_cast<std::uint32_t>(msg::vfs_op::statvfs), delta<statvfs_args>,
     statvfs_to_old, statvfs_to_new},
};
inline const kmod::wire_translation layout{rows};

} // namespace puffs::test::older
