#include "fuse/mapping.hh"

#include "fuse/answer.hh"
#include "fuse/convert.hh"
#include "fuse/fill.hh"

#include <array>

namespace puffs::fuse {

namespace {

using msg::opclass;
using msg::vfs_op;
using msg::vn_op;
using wire::opcode;

using fill_function = int (*)(frame&, kmod::park&);

constexpr auto rows = [] {
    std::array<mapping, wire::opcode_last + 1> m{};
    const auto vn = [&m](opcode op, vn_op to, fill_function f, fill_function a = nullptr) {
        m[static_cast<std::size_t>(op)] = {opclass::vn, static_cast<std::uint32_t>(to), f, a,
                                           false};
    };
    const auto vfs = [&m](opcode op, vfs_op to, fill_function f, fill_function a = nullptr) {
        m[static_cast<std::size_t>(op)] = {opclass::vfs, static_cast<std::uint32_t>(to), f, a,
                                           false};
    };
    const auto faf = [&m](opcode op, vn_op to, fill_function f) {
        m[static_cast<std::size_t>(op)] = {opclass::vn, static_cast<std::uint32_t>(to), f, nullptr,
                                           true};
    };
    vn(opcode::lookup, vn_op::lookup, fill::lookup, answer::lookup);
    vn(opcode::getattr, vn_op::getattr, fill::getattr, answer::getattr);
    vn(opcode::setattr, vn_op::setattr, fill::setattr, answer::setattr);
    vn(opcode::readlink, vn_op::readlink, fill::readlink, answer::readlink);
    vn(opcode::symlink, vn_op::symlink, fill::symlink, answer::make);
    vn(opcode::mknod, vn_op::mknod, fill::mknod, answer::make);
    vn(opcode::mkdir, vn_op::mkdir, fill::mkdir, answer::make);
    vn(opcode::create, vn_op::create, fill::create, answer::make);
    vn(opcode::unlink, vn_op::remove, fill::remove);
    vn(opcode::rmdir, vn_op::rmdir, fill::remove);
    vn(opcode::rename, vn_op::rename, fill::rename);
    vn(opcode::rename2, vn_op::rename, fill::rename);
    vn(opcode::link, vn_op::link, fill::link, answer::link);
    vn(opcode::open, vn_op::open, fill::open, answer::open);
    vn(opcode::opendir, vn_op::open, fill::open, answer::open);
    vn(opcode::read, vn_op::read, fill::read, answer::read);
    vn(opcode::write, vn_op::write, fill::write, answer::write);
    vn(opcode::readdir, vn_op::readdir, fill::readdir, answer::readdir);
    vn(opcode::readdirplus, vn_op::readdir, fill::readdir, answer::readdirplus);
    faf(opcode::release, vn_op::close, fill::close);
    faf(opcode::releasedir, vn_op::close, fill::close);
    vn(opcode::fsync, vn_op::fsync, fill::fsync);
    vn(opcode::fsyncdir, vn_op::fsync, fill::fsync);
    vn(opcode::access, vn_op::access, fill::access);
    vn(opcode::setxattr, vn_op::setextattr, fill::setextattr);
    vn(opcode::getxattr, vn_op::getextattr, fill::getextattr, answer::extattr);
    vn(opcode::listxattr, vn_op::listextattr, fill::listextattr, answer::extattr);
    vn(opcode::removexattr, vn_op::deleteextattr, fill::deleteextattr);
    vn(opcode::fallocate, vn_op::fallocate, fill::fallocate);
    vn(opcode::lseek, vn_op::seek, fill::seek, answer::seek);
    vfs(opcode::statfs, vfs_op::statvfs, fill::nothing, answer::statvfs);
    vfs(opcode::syncfs, vfs_op::sync, fill::nothing);
    vfs(opcode::destroy, vfs_op::unmount, fill::unmount);
    return m;
}();

} // namespace

const mapping& mapping_of(opcode op) {
    return rows[static_cast<std::size_t>(op)];
}

} // namespace puffs::fuse
