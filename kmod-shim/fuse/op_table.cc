#include "fuse/op_table.hh"

#include "fuse/wire_dev.hh"
#include "fuse/wire_file.hh"
#include "fuse/wire_init.hh"
#include "fuse/wire_node.hh"
#include "fuse/wire_notify.hh"

#include <array>

namespace puffs::fuse {

namespace {

using wire::opcode;

constexpr op_flags plain{};
constexpr op_flags with_dots{.dots = true};
constexpr op_flags creates{.extensions = true};
constexpr op_flags nodeless{.node = false};
constexpr op_flags silent{.reply = false};
constexpr op_flags silent_nodeless{.reply = false, .node = false};
constexpr op_flags blocks{.may_block = true};

constexpr op_row bare(opcode op, std::string_view name, tail t = tail::none, op_flags f = plain) {
    return {op, name, 0, 0, nullptr, t, room::none, f};
}

template <wire::Plain T>
constexpr op_row with(opcode op, std::string_view name, tail t = tail::none, op_flags f = plain,
                      room r = room::none, std::size_t least = sizeof(T)) {
    static_assert(sizeof(T) <= wire::uring_op_in_out_bytes);
    return {op,
            name,
            static_cast<std::uint8_t>(sizeof(T)),
            static_cast<std::uint8_t>(least),
            &structure_id<T>,
            t,
            r,
            f};
}

constexpr std::array rows{
    bare(opcode::lookup, "lookup", tail::name, with_dots),
    with<wire::forget_in>(opcode::forget, "forget", tail::none, silent),
    with<wire::getattr_in>(opcode::getattr, "getattr"),
    with<wire::setattr_in>(opcode::setattr, "setattr"),
    bare(opcode::readlink, "readlink"),
    bare(opcode::symlink, "symlink", tail::name_target, creates),
    with<wire::mknod_in>(opcode::mknod, "mknod", tail::name, creates),
    with<wire::mkdir_in>(opcode::mkdir, "mkdir", tail::name, creates),
    bare(opcode::unlink, "unlink", tail::name),
    bare(opcode::rmdir, "rmdir", tail::name),
    with<wire::rename_in>(opcode::rename, "rename", tail::two_names),
    with<wire::link_in>(opcode::link, "link", tail::name),
    with<wire::open_in>(opcode::open, "open"),
    with<wire::read_in>(opcode::read, "read", tail::none, plain, room::read),
    with<wire::write_in>(opcode::write, "write", tail::write_data),
    bare(opcode::statfs, "statfs", tail::none, nodeless),
    with<wire::release_in>(opcode::release, "release"),
    with<wire::fsync_in>(opcode::fsync, "fsync"),
    with<wire::setxattr_in>(opcode::setxattr, "setxattr", tail::xattr_value, plain, room::none,
                            wire::setxattr_compat_bytes),
    with<wire::getxattr_in>(opcode::getxattr, "getxattr", tail::xattr_name, plain, room::xattr),
    with<wire::getxattr_in>(opcode::listxattr, "listxattr", tail::none, plain, room::xattr),
    bare(opcode::removexattr, "removexattr", tail::xattr_name),
    with<wire::flush_in>(opcode::flush, "flush"),
    with<wire::init_in>(opcode::init, "init", tail::none, nodeless, room::none,
                        wire::init_in_compat_bytes),
    with<wire::open_in>(opcode::opendir, "opendir"),
    with<wire::read_in>(opcode::readdir, "readdir", tail::none, plain, room::readdir),
    with<wire::release_in>(opcode::releasedir, "releasedir"),
    with<wire::fsync_in>(opcode::fsyncdir, "fsyncdir"),
    with<wire::lk_in>(opcode::getlk, "getlk"),
    with<wire::lk_in>(opcode::setlk, "setlk"),
    with<wire::lk_in>(opcode::setlkw, "setlkw", tail::none, blocks),
    with<wire::access_in>(opcode::access, "access"),
    with<wire::create_in>(opcode::create, "create", tail::name, creates),
    with<wire::interrupt_in>(opcode::interrupt, "interrupt", tail::none, silent_nodeless),
    with<wire::bmap_in>(opcode::bmap, "bmap"),
    bare(opcode::destroy, "destroy", tail::none, nodeless),
    with<wire::ioctl_in>(opcode::ioctl, "ioctl", tail::ioctl_data),
    with<wire::poll_in>(opcode::poll, "poll"),
    with<wire::notify_retrieve_in>(opcode::notify_reply, "notify_reply", tail::retrieved, silent),
    with<wire::batch_forget_in>(opcode::batch_forget, "batch_forget", tail::forgets,
                                silent_nodeless),
    with<wire::fallocate_in>(opcode::fallocate, "fallocate"),
    with<wire::read_in>(opcode::readdirplus, "readdirplus", tail::none, plain, room::readdir),
    with<wire::rename2_in>(opcode::rename2, "rename2", tail::two_names),
    with<wire::lseek_in>(opcode::lseek, "lseek"),
    with<wire::copy_file_range_in>(opcode::copy_file_range, "copy_file_range"),
    with<wire::setupmapping_in>(opcode::setupmapping, "setupmapping"),
    with<wire::removemapping_in>(opcode::removemapping, "removemapping", tail::unmappings),
    with<wire::syncfs_in>(opcode::syncfs, "syncfs"),
    with<wire::create_in>(opcode::tmpfile, "tmpfile", tail::name, creates),
    with<wire::statx_in>(opcode::statx, "statx"),
    with<wire::copy_file_range_in>(opcode::copy_file_range_64, "copy_file_range_64"),
};

constexpr op_row unknown_row{.name = "unknown", .tail = tail::opaque, .flags = nodeless};

constexpr std::uint8_t no_row = 0xff;

constexpr auto index_by_opcode = [] {
    std::array<std::uint8_t, wire::opcode_last + 1> index{};
    index.fill(no_row);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        index[static_cast<std::size_t>(rows[i].op)] = static_cast<std::uint8_t>(i);
    }
    return index;
}();

} // namespace

const op_row& row_of(std::uint32_t opcode) {
    if (opcode >= index_by_opcode.size() || index_by_opcode[opcode] == no_row) return unknown_row;
    return rows[index_by_opcode[opcode]];
}

std::span<const op_row> op_rows() {
    return rows;
}

} // namespace puffs::fuse
