#include "fuse/fill.hh"

#include "fuse/convert.hh"
#include "fuse/mapping.hh"
#include "fuse/wire_file.hh"
#include "fuse/wire_node.hh"
#include "puffs/base/log.hh"

#include <algorithm>
#include <cstring>
#include <linux/fs.h>
#include <sys/stat.h>

namespace puffs::fuse {

namespace {

constexpr std::uint32_t no_bytes = 0;

std::uint32_t size_of(std::string_view text) {
    return static_cast<std::uint32_t>(text.size());
}

bytes bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

// One run of the name and what stands behind its NUL: the name moves up over the NUL, in the frame's own memory.
bytes join(frame& f, const void* second, std::size_t second_bytes) {
    std::string_view& name = f.op.name;
    const auto at = static_cast<std::size_t>(bytes_of(name).data() - f.request.data());
    std::byte* const start = f.request.data() + at + 1;
    PUFFS_ASSERT(second == start + name.size(), "the second string does not follow the first");
    std::memmove(start, start - 1, name.size());
    name = {reinterpret_cast<const char*>(start), name.size()};
    return {start, name.size() + second_bytes};
}

std::span<std::byte> payload_room(frame& f, std::size_t wanted_bytes) {
    return f.payload.first(std::min(wanted_bytes, f.payload.size()));
}

std::uint32_t with_type(std::uint32_t mode, std::uint32_t type) {
    return (mode & ~std::uint32_t{S_IFMT}) | type;
}

// One name and what the new object shall be.
int fill_make(frame& f, kmod::park& p, std::uint32_t mode, std::uint32_t umask,
              std::uint32_t rdev = 0, std::uint32_t open_flags = 0) {
    auto& a = p.req().args.make;
    a = {.name_bytes = size_of(f.op.name),
         .target_bytes = no_bytes,
         .mode = mode,
         .umask = umask,
         .rdev = rdev,
         .open_flags = open_flags,
         .made = {}};
    p.set_runs(bytes_of(f.op.name), {});
    return 0;
}

} // namespace

namespace fill {

int nothing(frame&, kmod::park&) {
    return 0;
}

int unmount(frame&, kmod::park& p) {
    p.req().args.unmount = {.force = 1}; // the kernel is not asking: the mount is gone already
    return 0;
}

int lookup(frame& f, kmod::park& p) {
    p.req().args.lookup = {.name_bytes = size_of(f.op.name), .made = {}};
    p.set_runs(bytes_of(f.op.name), {});
    return 0;
}

int symlink(frame& f, kmod::park& p) {
    const std::uint32_t name_bytes = size_of(f.op.name);
    const bytes both = join(f, f.op.name2.data(), f.op.name2.size());
    fill_make(f, p, S_IFLNK | 0777, 0);
    p.req().args.make.name_bytes = name_bytes;
    p.req().args.make.target_bytes = size_of(f.op.name2);
    p.set_runs(both, {});
    return 0;
}

int mknod(frame& f, kmod::park& p) {
    const auto in = f.op.in<wire::mknod_in>();
    return fill_make(f, p, in.mode, in.umask, in.rdev);
}

int mkdir(frame& f, kmod::park& p) {
    const auto in = f.op.in<wire::mkdir_in>();
    return fill_make(f, p, with_type(in.mode, S_IFDIR), in.umask);
}

int create(frame& f, kmod::park& p) {
    const auto in = f.op.in<wire::create_in>();
    return fill_make(f, p, with_type(in.mode, S_IFREG), in.umask, 0, in.flags);
}

int remove(frame& f, kmod::park& p) {
    p.req().args.remove = {.name_bytes = size_of(f.op.name)};
    p.set_runs(bytes_of(f.op.name), {});
    return 0;
}

int rename(frame& f, kmod::park& p) {
    wire::rename2_in in{};
    if (f.op.op() == wire::opcode::rename2) {
        in = f.op.in<wire::rename2_in>();
    } else {
        in.newdir = f.op.in<wire::rename_in>().newdir;
    }
    if ((in.flags & ~std::uint32_t{RENAME_NOREPLACE | RENAME_EXCHANGE}) != 0) return EINVAL;
    p.req().args.rename = {.target_dir = cookie_of(in.newdir),
                           .name_bytes = size_of(f.op.name),
                           .target_name_bytes = size_of(f.op.name2),
                           .flags = in.flags};
    p.set_runs(join(f, f.op.name2.data(), f.op.name2.size()), {});
    return 0;
}

int link(frame& f, kmod::park& p) {
    p.req().args.link = {.target = cookie_of(f.op.in<wire::link_in>().oldnodeid),
                         .name_bytes = size_of(f.op.name),
                         .made = {}};
    p.set_runs(bytes_of(f.op.name), {});
    return 0;
}

int getattr(frame& f, kmod::park& p) {
    const auto in = f.op.in<wire::getattr_in>();
    const bool has_handle = (in.getattr_flags & wire::getattr_flag::fh) != 0;
    p.req().args.getattr = {.handle = has_handle ? in.fh : 0, .va = {}, .attr_ttl = {}};
    return 0;
}

int setattr(frame& f, kmod::park& p) {
    const auto in = f.op.in<wire::setattr_in>();
    p.req().args.setattr = {.handle = (in.valid & wire::fattr::fh) != 0 ? in.fh : 0,
                            .valid = set_bits_of(in.valid),
                            .va = attr_of(in),
                            .attr_ttl = {}};
    return 0;
}

int access(frame& f, kmod::park& p) {
    p.req().args.access = {.mode = f.op.in<wire::access_in>().mask};
    return 0;
}

int readlink(frame& f, kmod::park& p) {
    p.req().args.readlink = {.done = 0};
    p.set_runs({}, payload_room(f, limits::symlink_bytes));
    return 0;
}

int setextattr(frame& f, kmod::park& p) {
    const auto in = f.op.in<wire::setxattr_in>();
    p.req().args.extattr = {.name_bytes = size_of(f.op.name),
                            .value_bytes = in.size,
                            .flags = in.flags,
                            .size = 0,
                            .done = 0};
    p.set_runs(join(f, f.op.data.data(), f.op.data.size()), {});
    return 0;
}

int getextattr(frame& f, kmod::park& p) {
    const std::span<std::byte> out = payload_room(f, f.op.in<wire::getxattr_in>().size);
    p.req().args.extattr = {.name_bytes = size_of(f.op.name),
                            .value_bytes = 0,
                            .flags = 0,
                            .size = static_cast<std::uint32_t>(out.size()),
                            .done = 0};
    p.set_runs(bytes_of(f.op.name), out);
    return 0;
}

int listextattr(frame& f, kmod::park& p) {
    return getextattr(f, p);
}

int deleteextattr(frame& f, kmod::park& p) {
    p.req().args.extattr = {
        .name_bytes = size_of(f.op.name), .value_bytes = 0, .flags = 0, .size = 0, .done = 0};
    p.set_runs(bytes_of(f.op.name), {});
    return 0;
}

int open(frame& f, kmod::park& p) {
    p.req().args.open = {.flags = f.op.in<wire::open_in>().flags, .result_bits = 0, .handle = 0};
    return 0;
}

int close(frame& f, kmod::park& p) {
    const auto in = f.op.in<wire::release_in>();
    p.req().args.close = {.handle = in.fh, .flags = in.flags};
    return 0;
}

int read(frame& f, kmod::park& p) {
    const auto in = f.op.in<wire::read_in>();
    if (in.size > f.payload.size()) {
        // A shorter read would look like the end of the file to the caller.
        PUFFS_LOG(err, "read of {} bytes, but the channel has room for {}", in.size,
                  f.payload.size());
        return EIO;
    }
    p.req().args.io = {.handle = in.fh,
                       .offset = in.offset,
                       .size = in.size,
                       .done = 0,
                       .flags = in.flags,
                       .plus = 0,
                       .write_cache = 0,
                       .kill_set_id = 0};
    p.set_runs({}, payload_room(f, in.size));
    return 0;
}

int write(frame& f, kmod::park& p) {
    const auto in = f.op.in<wire::write_in>();
    const bool from_cache = (in.write_flags & wire::write_flag::cache) != 0;
    const bool kill = (in.write_flags & wire::write_flag::kill_suidgid) != 0;
    p.req().args.io = {.handle = in.fh,
                       .offset = in.offset,
                       .size = in.size,
                       .done = 0,
                       .flags = in.flags,
                       .plus = 0,
                       .write_cache = static_cast<std::uint8_t>(from_cache ? 1 : 0),
                       .kill_set_id = static_cast<std::uint8_t>(kill ? 1 : 0)};
    p.set_runs(f.op.data, {});
    return 0;
}

int readdir(frame& f, kmod::park& p) {
    const auto in = f.op.in<wire::read_in>();
    const std::span<std::byte> out = payload_room(f, in.size);
    const bool plus = f.op.op() == wire::opcode::readdirplus;
    p.req().args.io = {.handle = in.fh,
                       .offset = in.offset,
                       .size = static_cast<std::uint32_t>(out.size()),
                       .done = 0,
                       .flags = in.flags,
                       .plus = static_cast<std::uint8_t>(plus ? 1 : 0),
                       .write_cache = 0,
                       .kill_set_id = 0};
    p.set_runs({}, out);
    return 0;
}

int fsync(frame& f, kmod::park& p) {
    const auto in = f.op.in<wire::fsync_in>();
    p.req().args.fsync = {.handle = in.fh,
                          .datasync = in.fsync_flags & wire::fsync_flag::fdatasync};
    return 0;
}

int fallocate(frame& f, kmod::park& p) {
    const auto in = f.op.in<wire::fallocate_in>();
    p.req().args.fallocate = {
        .handle = in.fh, .offset = in.offset, .length = in.length, .mode = in.mode};
    return 0;
}

int seek(frame& f, kmod::park& p) {
    const auto in = f.op.in<wire::lseek_in>();
    p.req().args.seek = {.handle = in.fh, .offset = in.offset, .whence = in.whence};
    return 0;
}

} // namespace fill

void fill_open_created(frame& f, kmod::park& p, msg::cookie made) {
    p.setinfo(msg::opclass::vn, static_cast<std::uint32_t>(msg::vn_op::open), made);
    p.req().args.open = {.flags = f.op.in<wire::create_in>().flags, .result_bits = 0, .handle = 0};
}

void fill_remove_created(frame& f, kmod::park& p) {
    p.setinfo(msg::opclass::vn, static_cast<std::uint32_t>(msg::vn_op::remove),
              cookie_of(f.op.nodeid()));
    fill::remove(f, p);
}

} // namespace puffs::fuse
