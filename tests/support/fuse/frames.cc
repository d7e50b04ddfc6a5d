#include "support/fuse/frames.hh"

#include "fuse/wire_file.hh"
#include "fuse/wire_init.hh"
#include "fuse/wire_node.hh"
#include "fuse/wire_notify.hh"
#include "puffs/base/limits.hh"

#include <array>
#include <cstring>
#include <functional>

namespace puffs::fuse::test {

namespace {

using wire::opcode;

bool lies_in(bytes inner, bytes outer) {
    const std::less_equal<> not_after;
    return inner.empty() || (not_after(outer.data(), inner.data()) &&
                             not_after(inner.data() + inner.size(), outer.data() + outer.size()));
}

bytes bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

// The size that the fixed part claims for the data, by the kind of tail.
std::uint64_t claimed_bytes(const decoded& d) {
    switch (d.row->tail) {
    case tail::xattr_value:
        return d.in<wire::setxattr_in>().size;
    case tail::write_data:
        return d.in<wire::write_in>().size;
    case tail::ioctl_data:
        return d.in<wire::ioctl_in>().in_size;
    case tail::retrieved:
        return d.in<wire::notify_retrieve_in>().size;
    case tail::forgets:
        return d.in<wire::batch_forget_in>().count * std::uint64_t{sizeof(wire::forget_one)};
    case tail::unmappings:
        return d.in<wire::removemapping_in>().count *
               std::uint64_t{sizeof(wire::removemapping_one)};
    case tail::opaque:
        return d.data.size();
    case tail::none:
    case tail::name:
    case tail::two_names:
    case tail::name_target:
    case tail::xattr_name:
        return 0;
    }
    return ~std::uint64_t{0};
}

std::string broken_name(const decoded& d, std::string_view name, bytes request, std::size_t limit,
                        bool component) {
    if (name.empty()) return "a name is empty";
    if (name.size() > limit) return "a name is too long";
    if (!lies_in({bytes_of(name).data(), name.size() + 1}, request)) return "a name lies outside";
    if (name.data()[name.size()] != '\0') return "a name is not terminated";
    if (name.find('\0') != std::string_view::npos) return "a name has a NUL inside";
    if (!component) return {};
    if (name.find('/') != std::string_view::npos) return "a component has a slash";
    if (!d.row->flags.dots && (name == "." || name == "..")) return "a new name is dots";
    return {};
}

std::string broken_names(const decoded& d, bytes request) {
    std::string broken;
    switch (d.row->tail) {
    case tail::none:
    case tail::write_data:
    case tail::ioctl_data:
    case tail::forgets:
    case tail::unmappings:
    case tail::retrieved:
    case tail::opaque:
        return d.name.empty() && d.name2.empty() ? "" : "a name from nowhere";
    case tail::xattr_name:
    case tail::xattr_value:
        return broken_name(d, d.name, request, limits::xattr_name_bytes, false);
    case tail::name:
        return broken_name(d, d.name, request, limits::name_bytes, true);
    case tail::two_names:
        broken = broken_name(d, d.name, request, limits::name_bytes, true);
        return broken.empty() ? broken_name(d, d.name2, request, limits::name_bytes, true) : broken;
    case tail::name_target:
        broken = broken_name(d, d.name, request, limits::name_bytes, true);
        return broken.empty() ? broken_name(d, d.name2, request, limits::symlink_bytes, false)
                              : broken;
    }
    return "no such tail";
}

std::string broken_room(const decoded& d, const session_limits& session) {
    switch (d.row->room) {
    case room::none:
        return {};
    case room::read:
        return d.in<wire::read_in>().size <= session.max_read_bytes ? "" : "read above its limit";
    case room::readdir:
        return d.in<wire::read_in>().size <= session.max_readdir_bytes ? ""
                                                                       : "readdir above its limit";
    case room::xattr:
        return d.in<wire::getxattr_in>().size <= limits::xattr_value_bytes
                   ? ""
                   : "xattr above its limit";
    }
    return "no such room";
}

void add_name_samples(std::vector<sample>& all) {
    const auto add = [&all](std::string label, const frame_builder& b) {
        all.push_back({std::move(label), b.done()});
    };
    constexpr std::array<std::uint32_t, 2> groups{100, 200};
    add("lookup", frame_builder(opcode::lookup).add_string("passwd"));
    add("lookup_dots", frame_builder(opcode::lookup).add_string(".."));
    add("lookup_longest", frame_builder(opcode::lookup).add_string(std::string(255, 'n')));
    add("symlink", frame_builder(opcode::symlink).add_string("link").add_string("../some/where"));
    add("mknod",
        frame_builder(opcode::mknod)
            .add(wire::mknod_in{.mode = 0100644, .rdev = 0x501, .umask = 022, .padding = 0})
            .add_string("node"));
    add("mkdir", frame_builder(opcode::mkdir)
                     .add(wire::mkdir_in{.mode = 0755, .umask = 022})
                     .add_string("dir"));
    add("unlink", frame_builder(opcode::unlink).add_string("gone"));
    add("rmdir", frame_builder(opcode::rmdir).add_string("empty"));
    add("rename", frame_builder(opcode::rename)
                      .add(wire::rename_in{.newdir = 9})
                      .add_string("from")
                      .add_string("onto"));
    add("rename2", frame_builder(opcode::rename2)
                       .add(wire::rename2_in{.newdir = 9, .flags = 1, .padding = 0})
                       .add_string("from")
                       .add_string("onto"));
    add("link",
        frame_builder(opcode::link).add(wire::link_in{.oldnodeid = 12}).add_string("second"));
    const wire::create_in create{.flags = 02, .mode = 0100600, .umask = 077, .open_flags = 1};
    add("create", frame_builder(opcode::create).add(create).add_string("new"));
    add("create_extended", frame_builder(opcode::create)
                               .add(create)
                               .add_string("new")
                               .add_extensions("security.selinux", "user_u:object_r:t:s0", groups));
    add("tmpfile", frame_builder(opcode::tmpfile).add(create).add_string("#7"));
    add("setxattr", frame_builder(opcode::setxattr)
                        .add(std::uint32_t{5}) // the compatible, shorter setxattr_in
                        .add(std::uint32_t{1})
                        .add_string("user.colour")
                        .add_text("black"));
    add("getxattr", frame_builder(opcode::getxattr)
                        .add(wire::getxattr_in{.size = 4096, .padding = 0})
                        .add_string("user.colour"));
    add("listxattr",
        frame_builder(opcode::listxattr).add(wire::getxattr_in{.size = 65536, .padding = 0}));
    add("removexattr", frame_builder(opcode::removexattr).add_string("user.a/b"));
}

void add_node_samples(std::vector<sample>& all) {
    const auto add = [&all](std::string label, const frame_builder& b) {
        all.push_back({std::move(label), b.done()});
    };
    add("forget", frame_builder(opcode::forget).add(wire::forget_in{.nlookup = 3}));
    add("batch_forget", frame_builder(opcode::batch_forget, 0)
                            .add(wire::batch_forget_in{.count = 2, .dummy = 0})
                            .add(wire::forget_one{.nodeid = 5, .nlookup = 1})
                            .add(wire::forget_one{.nodeid = 6, .nlookup = 4}));
    add("getattr", frame_builder(opcode::getattr)
                       .add(wire::getattr_in{.getattr_flags = 1, .dummy = 0, .fh = 77}));
    wire::setattr_in set{};
    set.valid = wire::fattr::size | wire::fattr::mode;
    set.size = 4096;
    set.mode = 0100640;
    add("setattr", frame_builder(opcode::setattr).add(set));
    add("statx", frame_builder(opcode::statx).add(wire::statx_in{}));
    add("readlink", frame_builder(opcode::readlink));
    add("statfs", frame_builder(opcode::statfs, 1));
    add("access", frame_builder(opcode::access).add(wire::access_in{.mask = 4, .padding = 0}));
    add("init", frame_builder(opcode::init, 0)
                    .add(wire::init_in{.major = 7,
                                       .minor = 45,
                                       .max_readahead = 131072,
                                       .flags = 0x7fffffff,
                                       .flags2 = 0x7ff,
                                       .unused = {}}));
    add("interrupt",
        frame_builder(opcode::interrupt, 0).add(wire::interrupt_in{.unique = sample_unique}));
    add("destroy", frame_builder(opcode::destroy, 0));
    add("syncfs", frame_builder(opcode::syncfs).add(wire::syncfs_in{}));
    add("bmap", frame_builder(opcode::bmap).add(wire::bmap_in{}));
    add("ioctl", frame_builder(opcode::ioctl)
                     .add(wire::ioctl_in{
                         .fh = 1, .flags = 0, .cmd = 2, .arg = 3, .in_size = 4, .out_size = 4})
                     .add_text("four"));
    add("poll", frame_builder(opcode::poll).add(wire::poll_in{}));
    add("notify_reply",
        frame_builder(opcode::notify_reply)
            .add(wire::notify_retrieve_in{
                .dummy1 = 0, .offset = 0, .size = 6, .dummy2 = 0, .dummy3 = 0, .dummy4 = 0})
            .add_text("cached"));
    add("setupmapping", frame_builder(opcode::setupmapping).add(wire::setupmapping_in{}));
    add("removemapping", frame_builder(opcode::removemapping)
                             .add(wire::removemapping_in{.count = 1})
                             .add(wire::removemapping_one{.moffset = 0, .len = 4096}));
}

void add_file_samples(std::vector<sample>& all) {
    const auto add = [&all](std::string label, const frame_builder& b) {
        all.push_back({std::move(label), b.done()});
    };
    add("open", frame_builder(opcode::open).add(wire::open_in{.flags = 02, .open_flags = 0}));
    add("opendir", frame_builder(opcode::opendir).add(wire::open_in{}));
    wire::read_in read{};
    read.fh = 77;
    read.offset = 8192;
    read.size = 4096;
    add("read", frame_builder(opcode::read).add(read));
    add("readdir", frame_builder(opcode::readdir).add(read));
    add("readdirplus", frame_builder(opcode::readdirplus).add(read));
    wire::write_in write{};
    write.fh = 77;
    write.size = 11;
    add("write", frame_builder(opcode::write).add(write).add_text("hello world"));
    const wire::release_in release{.fh = 77, .flags = 2, .release_flags = 1, .lock_owner = 8};
    add("release", frame_builder(opcode::release).add(release));
    add("releasedir", frame_builder(opcode::releasedir).add(release));
    const wire::fsync_in sync{.fh = 77, .fsync_flags = 1, .padding = 0};
    add("fsync", frame_builder(opcode::fsync).add(sync));
    add("fsyncdir", frame_builder(opcode::fsyncdir).add(sync));
    add("flush", frame_builder(opcode::flush).add(wire::flush_in{}));
    add("getlk", frame_builder(opcode::getlk).add(wire::lk_in{}));
    add("setlk", frame_builder(opcode::setlk).add(wire::lk_in{}));
    add("setlkw", frame_builder(opcode::setlkw).add(wire::lk_in{}));
    add("fallocate", frame_builder(opcode::fallocate).add(wire::fallocate_in{}));
    add("lseek", frame_builder(opcode::lseek).add(wire::lseek_in{}));
    const wire::copy_file_range_in copy{};
    add("copy_file_range", frame_builder(opcode::copy_file_range).add(copy));
    add("copy_file_range_64", frame_builder(opcode::copy_file_range_64).add(copy));
    add("unknown", frame_builder(std::uint32_t{9999}).add_text("whatever"));
}

} // namespace

frame_builder::frame_builder(std::uint32_t opcode, std::uint64_t nodeid) {
    wire::in_header header{};
    header.opcode = opcode;
    header.unique = sample_unique;
    header.nodeid = nodeid;
    header.uid = 1000;
    header.gid = 100;
    header.pid = 4242;
    add(header);
}

frame_builder& frame_builder::add_bytes(bytes raw) {
    frame_.insert(frame_.end(), raw.begin(), raw.end());
    return *this;
}

frame_builder& frame_builder::add_text(std::string_view text) {
    return add_bytes(bytes_of(text));
}

frame_builder& frame_builder::add_string(std::string_view text) {
    add_text(text);
    frame_.push_back(std::byte{0});
    return *this;
}

frame_builder& frame_builder::add_extensions(std::string_view context_name,
                                             std::string_view context,
                                             std::span<const std::uint32_t> groups) {
    const std::size_t start = frame_.size();
    const auto close = [this](std::size_t from, std::uint32_t type) {
        frame_.resize(from + wire::record_align(frame_.size() - from));
        const wire::ext_header head{static_cast<std::uint32_t>(frame_.size() - from), type};
        std::memcpy(frame_.data() + from, &head, sizeof(head));
    };
    add(wire::ext_header{});
    add(wire::secctx{static_cast<std::uint32_t>(context.size()), 0});
    add_string(context_name);
    add_text(context);
    close(start, 1);
    const std::size_t second = frame_.size();
    add(wire::ext_header{});
    add(wire::supp_groups{static_cast<std::uint32_t>(groups.size())});
    add_bytes(std::as_bytes(groups));
    close(second, wire::ext_groups);
    const auto units = static_cast<std::uint16_t>((frame_.size() - start) / 8);
    std::memcpy(frame_.data() + offsetof(wire::in_header, total_extlen), &units, sizeof(units));
    return *this;
}

std::vector<std::byte> frame_builder::done() const {
    std::vector<std::byte> frame = frame_;
    fix_length(frame);
    return frame;
}

void fix_length(std::span<std::byte> frame) {
    if (frame.size() < sizeof(std::uint32_t)) return;
    const auto length = static_cast<std::uint32_t>(frame.size());
    std::memcpy(frame.data(), &length, sizeof(length));
}

std::vector<sample> samples() {
    std::vector<sample> all;
    add_name_samples(all);
    add_node_samples(all);
    add_file_samples(all);
    return all;
}

std::string broken_promise(const decoded& d, bytes request, const session_limits& session) {
    if (d.row == nullptr) return "no row";
    if (!d.unknown() && static_cast<std::uint32_t>(d.op()) != d.header.opcode) return "wrong row";
    if (d.row->flags.node && d.nodeid() == 0) return "no node";
    if (d.fixed.size() != d.row->fixed_bytes && d.fixed.size() != d.row->fixed_least_bytes) {
        return "fixed part of a wrong size";
    }
    if (!lies_in(d.fixed, request)) return "fixed part outside";
    if (!lies_in(d.data, request)) return "data outside";
    if (!lies_in(d.ext.security, request)) return "security contexts outside";
    if (!lies_in(d.ext.groups, request)) return "groups outside";
    if (d.ext.groups.size() % sizeof(std::uint32_t) != 0) return "half a group";
    if (d.data.size() != claimed_bytes(d)) return "data of another size than claimed";
    if (d.row->tail == tail::write_data && d.data.size() > session.max_write_bytes) {
        return "write above its limit";
    }
    if (std::string broken = broken_room(d, session); !broken.empty()) return broken;
    return broken_names(d, request);
}

result<decoded> decoded_of(bytes frame, const session_limits& session) {
    decoded d;
    if (const result<void> good = decode(frame, session, d); !good) return fail(good.error());
    return d;
}

result<decoded> decoded_of_parts(const wire::in_header& header, bytes fixed, bytes rest,
                                 const session_limits& session) {
    decoded d;
    if (const result<void> good = decode_parts(header, fixed, rest, session, d); !good) {
        return fail(good.error());
    }
    return d;
}

} // namespace puffs::fuse::test
