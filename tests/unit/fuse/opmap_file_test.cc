// Operations on open files and on the file system through the map.
#include "opmap_values.hh"
#include "puffs/msg/dirent.hh"

#include <linux/fs.h>
#include <sys/stat.h>

namespace puffs::fuse {
namespace {

using namespace std::string_view_literals;
using msg::cookie;
using msg::vn_op;
using puffs::test::taken;
using test::expect_attr;
using test::frame_builder;
using test::in_of;
using test::is_faf;
using test::made;
using test::newinfo_of;
using test::node;
using test::op_of;
using test::opmap_rig;
using test::told;
using wire::opcode;

// spec: X1
TEST(opmap, files_and_directories_are_opened_and_closed) {
    opmap_rig rig;
    for (const opcode op : {opcode::open, opcode::opendir}) {
        rig.handle(frame_builder(op).add(wire::open_in{.flags = 0x8002, .open_flags = 0}));
        taken t = rig.take();
        EXPECT_EQ(op_of(t), vn_op::open);
        EXPECT_EQ(t.request.args.open.flags, 0x8002U);
        t.request.args.open.handle = 0xfeed;
        t.request.args.open.result_bits = msg::open_keep_cache;
        rig.reply(t);
        const told r = rig.only();
        EXPECT_EQ(r.body.size(), sizeof(wire::open_out));
        EXPECT_EQ(r.as<wire::open_out>().fh, 0xfeedU);
        EXPECT_EQ(r.as<wire::open_out>().open_flags, wire::fopen::keep_cache);
    }
    for (const opcode op : {opcode::release, opcode::releasedir}) {
        rig.handle(frame_builder(op).add(wire::release_in{0xfeed, 2, 0, 0}));
        EXPECT_EQ(rig.only().error, 0); // whatever the server thinks of it
        const taken t = rig.take();
        EXPECT_EQ(op_of(t), vn_op::close);
        EXPECT_TRUE(is_faf(t));
        EXPECT_EQ(t.request.args.close.handle, 0xfeedU);
        EXPECT_EQ(t.request.args.close.flags, 2U);
    }
}

// spec: X1
TEST(opmap, data_is_read_and_written) {
    opmap_rig rig;
    wire::read_in read{};
    read.fh = 5;
    read.offset = 8192;
    read.size = 100;
    rig.handle(frame_builder(opcode::read).add(read));
    taken t = rig.take();
    EXPECT_EQ(op_of(t), vn_op::read);
    EXPECT_EQ(t.request.args.io.handle, 5U);
    EXPECT_EQ(t.request.args.io.offset, 8192U);
    EXPECT_EQ(t.request.args.io.size, 100U);
    EXPECT_EQ(t.handle->data.out.size(), 100U);
    t.request.args.io.done = 5;
    rig.reply(t, "hello");
    EXPECT_EQ(rig.only().text(), "hello"sv);

    wire::write_in write{};
    write.fh = 5;
    write.offset = 4096;
    write.size = 11;
    write.write_flags = wire::write_flag::cache | wire::write_flag::kill_suidgid;
    rig.handle(frame_builder(opcode::write).add(write).add_text("hello world"));
    t = rig.take();
    EXPECT_EQ(op_of(t), vn_op::write);
    EXPECT_EQ(in_of(t), "hello world"sv);
    EXPECT_EQ(t.request.args.io.offset, 4096U);
    EXPECT_EQ(t.request.args.io.size, 11U);
    EXPECT_EQ(t.request.args.io.write_cache, 1U);
    EXPECT_EQ(t.request.args.io.kill_set_id, 1U);
    t.request.args.io.done = 10;
    rig.reply(t);
    const told r = rig.only();
    EXPECT_EQ(r.body.size(), sizeof(wire::write_out));
    EXPECT_EQ(r.as<wire::write_out>().size, 10U);
}

TEST(opmap, a_read_beyond_the_channels_room_is_no_short_read) {
    opmap_rig rig;
    wire::read_in read{};
    read.size = test::remembering_channel::room_bytes + 4096;
    rig.handle(frame_builder(opcode::read).add(read));
    EXPECT_EQ(rig.only().error, EIO);
    EXPECT_TRUE(rig.server_is_idle());
}

std::string dirent_text(std::string_view name, std::uint64_t ino, std::uint64_t next,
                        const msg::newinfo* plus = nullptr) {
    std::string s(msg::dirent_bytes(name.size(), plus != nullptr), '\0');
    std::size_t at = 0;
    if (plus != nullptr) {
        std::memcpy(s.data(), plus, sizeof(*plus));
        at = msg::dirent_plus_bytes;
    }
    const msg::dirent_head head{ino, next, static_cast<std::uint32_t>(name.size()), 8};
    std::memcpy(s.data() + at, &head, sizeof(head));
    std::memcpy(s.data() + at + sizeof(head), name.data(), name.size());
    return s;
}

// spec: X1
TEST(opmap, directory_entries_pass_as_they_are) {
    opmap_rig rig;
    wire::read_in read{};
    read.fh = 5;
    read.offset = 3;
    read.size = 4096;
    rig.handle(frame_builder(opcode::readdir).add(read));
    taken t = rig.take();
    EXPECT_EQ(op_of(t), vn_op::readdir);
    EXPECT_EQ(t.request.args.io.offset, 3U);
    EXPECT_EQ(t.request.args.io.plus, 0U);
    const std::string entries = dirent_text("one", 11, 4) + dirent_text("a-longer-name", 12, 5);
    t.request.args.io.done = static_cast<std::uint32_t>(entries.size());
    rig.reply(t, entries);
    const told r = rig.only();
    EXPECT_EQ(r.text(), entries);
    EXPECT_EQ(r.as<wire::dirent>().ino, 11U);
    EXPECT_EQ(r.as<wire::dirent>().namelen, 3U);
    EXPECT_EQ(r.as<wire::dirent>(32).off, 5U);
}

// spec: X1
TEST(opmap, directory_entries_with_nodes_are_rewritten) {
    opmap_rig rig;
    wire::read_in read{};
    read.size = 8192;
    rig.handle(frame_builder(opcode::readdirplus).add(read));
    taken t = rig.take();
    EXPECT_EQ(op_of(t), vn_op::readdir);
    EXPECT_EQ(t.request.args.io.plus, 1U);
    const msg::newinfo known = newinfo_of(made, 0100644);
    const msg::newinfo nothing{};
    std::string entries = dirent_text(".", 1, 1, &nothing);
    for (int i = 0; i < 20; ++i) {
        entries +=
            dirent_text("name-" + std::to_string(i * i), 100 + static_cast<unsigned>(i), 2, &known);
    }
    t.request.args.io.done = static_cast<std::uint32_t>(entries.size());
    rig.reply(t, entries);
    const told r = rig.only();
    ASSERT_EQ(r.error, 0);
    const auto dots = r.as<wire::direntplus>();
    EXPECT_EQ(dots.entry.nodeid, 0U);
    EXPECT_EQ(dots.dirent.namelen, 1U);
    std::size_t at = wire::record_align(sizeof(wire::direntplus) + 1);
    for (int i = 0; i < 20; ++i) {
        const auto e = r.as<wire::direntplus>(at);
        EXPECT_EQ(e.entry.nodeid, nodeid_of(made));
        expect_attr(e.entry.attr, 0100644);
        EXPECT_EQ(e.dirent.ino, 100U + static_cast<unsigned>(i));
        EXPECT_EQ(r.text(at + sizeof(e)).substr(0, e.dirent.namelen),
                  "name-" + std::to_string(i * i));
        at += wire::record_align(sizeof(e) + e.dirent.namelen);
    }
    EXPECT_EQ(at, r.body.size());
}

// spec: X1
TEST(opmap, extended_attributes_answer_their_length_or_their_value) {
    opmap_rig rig;
    rig.handle(frame_builder(opcode::getxattr).add(wire::getxattr_in{0, 0}).add_string("user.a"));
    taken t = rig.take();
    EXPECT_EQ(op_of(t), vn_op::getextattr);
    EXPECT_EQ(in_of(t), "user.a"sv);
    EXPECT_EQ(t.request.args.extattr.size, 0U);
    t.request.args.extattr.done = 300;
    rig.reply(t);
    told r = rig.only();
    EXPECT_EQ(r.body.size(), sizeof(wire::getxattr_out));
    EXPECT_EQ(r.as<wire::getxattr_out>().size, 300U);

    rig.handle(frame_builder(opcode::listxattr).add(wire::getxattr_in{512, 0}));
    t = rig.take();
    EXPECT_EQ(op_of(t), vn_op::listextattr);
    EXPECT_EQ(t.request.args.extattr.size, 512U);
    EXPECT_EQ(t.handle->data.out.size(), 512U);
    t.request.args.extattr.done = 7;
    rig.reply(t, "user.a\0"sv);
    EXPECT_EQ(rig.only().text(), "user.a\0"sv);

    rig.handle(frame_builder(opcode::removexattr).add_string("user.a"));
    t = rig.take();
    EXPECT_EQ(op_of(t), vn_op::deleteextattr);
    EXPECT_EQ(in_of(t), "user.a"sv);
    rig.reply(t);
    EXPECT_EQ(rig.only().error, 0);
}

// spec: X1
TEST(opmap, the_rest_of_the_operations_on_files) {
    opmap_rig rig;
    rig.handle(frame_builder(opcode::fsync).add(wire::fsync_in{5, wire::fsync_flag::fdatasync, 0}));
    taken t = rig.take();
    EXPECT_EQ(op_of(t), vn_op::fsync);
    EXPECT_EQ(t.request.args.fsync.datasync, 1U);
    rig.reply(t);
    EXPECT_EQ(rig.only().error, 0);

    rig.handle(frame_builder(opcode::fsyncdir).add(wire::fsync_in{6, 0, 0}));
    t = rig.take();
    EXPECT_EQ(op_of(t), vn_op::fsync);
    EXPECT_EQ(t.request.args.fsync.handle, 6U);
    EXPECT_EQ(t.request.args.fsync.datasync, 0U);
    rig.reply(t);
    EXPECT_EQ(rig.only().error, 0);

    rig.handle(frame_builder(opcode::access).add(wire::access_in{5, 0}));
    t = rig.take();
    EXPECT_EQ(op_of(t), vn_op::access);
    EXPECT_EQ(t.request.args.access.mode, 5U);
    rig.fail(t, EACCES);
    EXPECT_EQ(rig.only().error, EACCES);

    rig.handle(frame_builder(opcode::readlink));
    t = rig.take();
    EXPECT_EQ(op_of(t), vn_op::readlink);
    EXPECT_EQ(t.handle->data.out.size(), limits::symlink_bytes);
    t.request.args.readlink.done = 6;
    rig.reply(t, "target");
    EXPECT_EQ(rig.only().text(), "target"sv);

    rig.handle(frame_builder(opcode::fallocate).add(wire::fallocate_in{5, 10, 20, 3, 0}));
    t = rig.take();
    EXPECT_EQ(op_of(t), vn_op::fallocate);
    EXPECT_EQ(t.request.args.fallocate.offset, 10U);
    EXPECT_EQ(t.request.args.fallocate.length, 20U);
    EXPECT_EQ(t.request.args.fallocate.mode, 3U);
    rig.reply(t);
    EXPECT_EQ(rig.only().error, 0);

    rig.handle(frame_builder(opcode::lseek).add(wire::lseek_in{5, 100, SEEK_DATA, 0}));
    t = rig.take();
    EXPECT_EQ(op_of(t), vn_op::seek);
    EXPECT_EQ(t.request.args.seek.offset, 100U);
    EXPECT_EQ(t.request.args.seek.whence, std::uint32_t{SEEK_DATA});
    t.request.args.seek.offset = 4096;
    rig.reply(t);
    EXPECT_EQ(rig.only().as<wire::lseek_out>().offset, 4096U);
}

// spec: X1
TEST(opmap, operations_on_the_file_system) {
    opmap_rig rig;
    const auto vfs_op_of = [](const taken& t) {
        EXPECT_EQ(t.request.head.opclass, static_cast<std::uint32_t>(msg::opclass::vfs));
        EXPECT_EQ(t.request.head.node, cookie::none);
        return static_cast<msg::vfs_op>(t.request.head.optype);
    };
    rig.handle(frame_builder(opcode::statfs, 1));
    taken t = rig.take();
    EXPECT_EQ(vfs_op_of(t), msg::vfs_op::statvfs);
    t.request.args.statvfs.sb = {.blocks = 1,
                                 .bfree = 2,
                                 .bavail = 3,
                                 .files = 4,
                                 .ffree = 5,
                                 .bsize = 4096,
                                 .frsize = 512,
                                 .namemax = 200};
    rig.reply(t);
    const wire::kstatfs st = rig.only().as<wire::statfs_out>().st;
    EXPECT_EQ(st.blocks, 1U);
    EXPECT_EQ(st.bfree, 2U);
    EXPECT_EQ(st.bavail, 3U);
    EXPECT_EQ(st.files, 4U);
    EXPECT_EQ(st.ffree, 5U);
    EXPECT_EQ(st.bsize, 4096U);
    EXPECT_EQ(st.frsize, 512U);
    EXPECT_EQ(st.namelen, 200U);

    rig.handle(frame_builder(opcode::syncfs).add(wire::syncfs_in{}));
    t = rig.take();
    EXPECT_EQ(vfs_op_of(t), msg::vfs_op::sync);
    rig.reply(t);
    EXPECT_EQ(rig.only().error, 0);

    rig.handle(frame_builder(opcode::destroy, 0));
    t = rig.take();
    EXPECT_EQ(vfs_op_of(t), msg::vfs_op::unmount);
    EXPECT_EQ(t.request.args.unmount.force, 1U);
    rig.reply(t);
    EXPECT_EQ(rig.only().error, 0);
}

} // namespace
} // namespace puffs::fuse
