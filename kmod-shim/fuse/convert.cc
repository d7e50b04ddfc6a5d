#include "fuse/convert.hh"

#include "fuse/wire_file.hh"
#include "puffs/base/assert.hh"

#include <array>
#include <cerrno>

namespace puffs::fuse {

static_assert(wire::fopen::direct_io == msg::open_direct_io &&
              wire::fopen::keep_cache == msg::open_keep_cache &&
              wire::fopen::nonseekable == msg::open_nonseekable &&
              wire::fopen::cache_dir == msg::open_cache_dir &&
              wire::fopen::stream == msg::open_stream &&
              wire::fopen::noflush == msg::open_noflush &&
              wire::fopen::parallel_direct_writes == msg::open_parallel_direct_writes);

static_assert(wire::errno_max == msg::errno_max);

wire::attr to_wire(const msg::attr& va) {
    wire::attr out{};
    out.ino = va.ino;
    out.size = va.size;
    out.blocks = va.blocks;
    out.atime = static_cast<std::uint64_t>(va.atime.sec);
    out.mtime = static_cast<std::uint64_t>(va.mtime.sec);
    out.ctime = static_cast<std::uint64_t>(va.ctime.sec);
    out.atimensec = va.atime.nsec;
    out.mtimensec = va.mtime.nsec;
    out.ctimensec = va.ctime.nsec;
    out.mode = va.mode;
    out.nlink = va.nlink;
    out.uid = va.uid;
    out.gid = va.gid;
    out.rdev = va.rdev;
    out.blksize = va.blksize;
    return out;
}

wire::attr_out to_wire(const msg::attr& va, const msg::ttl& valid) {
    wire::attr_out out{};
    out.attr_valid = valid.sec;
    out.attr_valid_nsec = valid.nsec;
    out.attr = to_wire(va);
    return out;
}

wire::entry_out to_wire(const msg::newinfo& made) {
    wire::entry_out out{};
    out.nodeid = nodeid_of(made.node);
    out.generation = msg::generation_of(made.node);
    out.entry_valid = made.entry_ttl.sec;
    out.entry_valid_nsec = made.entry_ttl.nsec;
    out.attr_valid = made.attr_ttl.sec;
    out.attr_valid_nsec = made.attr_ttl.nsec;
    if (made.node != msg::cookie::none) {
        out.attr = to_wire(made.va);
    }
    return out;
}

wire::kstatfs to_wire(const msg::fs_stats& sb) {
    wire::kstatfs out{};
    out.blocks = sb.blocks;
    out.bfree = sb.bfree;
    out.bavail = sb.bavail;
    out.files = sb.files;
    out.ffree = sb.ffree;
    out.bsize = sb.bsize;
    out.frsize = sb.frsize;
    out.namelen = sb.namemax;
    return out;
}

msg::attr attr_of(const wire::setattr_in& in) {
    msg::attr va;
    va.size = in.size;
    va.atime = {static_cast<std::int64_t>(in.atime), in.atimensec};
    va.mtime = {static_cast<std::int64_t>(in.mtime), in.mtimensec};
    va.ctime = {static_cast<std::int64_t>(in.ctime), in.ctimensec};
    va.mode = in.mode;
    va.uid = in.uid;
    va.gid = in.gid;
    return va;
}

std::uint32_t set_bits_of(std::uint32_t fattr_bits) {
    struct pair {
        std::uint32_t theirs;
        msg::set_bits ours;
    };
    static constexpr std::array<pair, 10> pairs{{
        {wire::fattr::mode, msg::set_mode},
        {wire::fattr::uid, msg::set_uid},
        {wire::fattr::gid, msg::set_gid},
        {wire::fattr::size, msg::set_size},
        {wire::fattr::atime, msg::set_atime},
        {wire::fattr::mtime, msg::set_mtime},
        {wire::fattr::ctime, msg::set_ctime},
        {wire::fattr::atime_now, msg::set_atime_now},
        {wire::fattr::mtime_now, msg::set_mtime_now},
        {wire::fattr::kill_suidgid, msg::set_kill_suidgid},
    }};
    std::uint32_t bits = 0;
    for (const pair& p : pairs) {
        bits |= (fattr_bits & p.theirs) != 0 ? p.ours : 0U;
    }
    return bits;
}

int wire_errno(int rv, bool mount_running) {
    if (rv == ENXIO && !mount_running) return ENOTCONN;
    PUFFS_ASSERT(rv >= 0 && rv <= wire::errno_max, "a request ended with no errno");
    return rv;
}

} // namespace puffs::fuse
