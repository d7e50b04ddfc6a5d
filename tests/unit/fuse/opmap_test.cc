// Every operation through the map: what the server is asked, and what the kernel is told.
#include "fuse/convert.hh"
#include "opmap_values.hh"
#include "puffs/msg/dirent.hh"

#include <linux/fs.h>
#include <set>
#include <sys/stat.h>

namespace puffs::fuse {
namespace {

using namespace std::string_view_literals;
using msg::vn_op;
using puffs::test::taken;
using test::expect_attr;
using test::expect_entry;
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

// spec: X1 X4
TEST(opmap, each_request_is_mapped_or_answered_enosys) {
    const std::set<opcode> unmapped{
        opcode::flush,        opcode::getlk,         opcode::setlk, opcode::setlkw,
        opcode::bmap,         opcode::ioctl,         opcode::poll,  opcode::copy_file_range,
        opcode::setupmapping, opcode::removemapping, opcode::statx, opcode::copy_file_range_64,
        opcode::tmpfile,
    };
    const std::set<opcode> silent{opcode::forget, opcode::batch_forget, opcode::interrupt,
                                  opcode::notify_reply};
    for (const test::sample& s : test::samples()) {
        opmap_rig rig;
        const std::uint32_t number = header_of(s.frame)->opcode;
        const auto op = static_cast<opcode>(number);
        rig.handle(s.frame);
        if (op == opcode::init) {
            EXPECT_EQ(rig.only().error, EIO) << "a second INIT";
        } else if (row_of(number).tail == tail::opaque || unmapped.contains(op)) {
            EXPECT_EQ(rig.only().error, ENOSYS) << s.label;
            EXPECT_TRUE(rig.server_is_idle()) << s.label;
        } else if (silent.contains(op)) {
            EXPECT_TRUE(rig.only().dropped) << s.label;
            while (!rig.server_is_idle()) {
            }
        } else if (op == opcode::release || op == opcode::releasedir) {
            EXPECT_EQ(rig.only().error, 0) << s.label;
            EXPECT_TRUE(is_faf(rig.take())) << s.label;
        } else {
            EXPECT_TRUE(rig.channel.all.empty()) << s.label;
            const taken t = rig.take();
            EXPECT_FALSE(is_faf(t)) << s.label;
            EXPECT_EQ(t.request.head.who.uid, 1000U) << s.label;
            EXPECT_EQ(t.request.head.who.gid, 100U) << s.label;
            EXPECT_EQ(t.request.head.who.pid, 4242U) << s.label;
            rig.fail(t, EDQUOT);
            const told r = rig.only();
            EXPECT_EQ(r.error, EDQUOT) << s.label;
            EXPECT_EQ(r.unique, test::sample_unique) << s.label;
            EXPECT_TRUE(rig.server_is_idle()) << s.label;
        }
    }
}

// spec: X1
TEST(opmap, lookup_answers_an_entry) {
    opmap_rig rig;
    rig.handle(frame_builder(opcode::lookup).add_string("passwd"));
    taken t = rig.take();
    EXPECT_EQ(op_of(t), vn_op::lookup);
    EXPECT_EQ(t.request.head.node, node);
    EXPECT_EQ(in_of(t), "passwd"sv);
    EXPECT_EQ(t.request.args.lookup.name_bytes, 6U);
    t.request.args.lookup.made = newinfo_of(made, 0100644);
    rig.reply(t);
    const told r = rig.only();
    EXPECT_EQ(r.body.size(), sizeof(wire::entry_out));
    expect_entry(r, 0100644);
}

// spec: X1
TEST(opmap, a_missing_name_is_remembered_only_for_a_time_out) {
    opmap_rig rig;
    rig.handle(frame_builder(opcode::lookup).add_string("none"));
    taken t = rig.take();
    t.request.args.lookup.made = {};
    rig.reply(t);
    EXPECT_EQ(rig.only().error, ENOENT);

    rig.handle(frame_builder(opcode::lookup).add_string("none"));
    t = rig.take();
    t.request.args.lookup.made.entry_ttl = {7, 8};
    rig.reply(t);
    const told r = rig.only();
    ASSERT_EQ(r.error, 0);
    EXPECT_EQ(r.as<wire::entry_out>().nodeid, 0U);
    EXPECT_EQ(r.as<wire::entry_out>().entry_valid, 7U);
    EXPECT_EQ(r.as<wire::entry_out>().entry_valid_nsec, 8U);
}

// spec: X1
TEST(opmap, new_objects_are_asked_for_with_their_type) {
    opmap_rig rig;
    rig.handle(frame_builder(opcode::mkdir)
                   .add(wire::mkdir_in{.mode = 0751, .umask = 027})
                   .add_string("d"));
    taken t = rig.take();
    EXPECT_EQ(op_of(t), vn_op::mkdir);
    EXPECT_EQ(t.request.args.make.mode, std::uint32_t{S_IFDIR | 0751});
    EXPECT_EQ(t.request.args.make.umask, 027U);
    EXPECT_EQ(in_of(t), "d"sv);
    t.request.args.make.made = newinfo_of(made, S_IFDIR | 0751);
    rig.reply(t);
    expect_entry(rig.only(), S_IFDIR | 0751);

    const wire::mknod_in in{.mode = S_IFCHR | 0600, .rdev = 0x103, .umask = 022, .padding = 0};
    rig.handle(frame_builder(opcode::mknod).add(in).add_string("tty"));
    t = rig.take();
    EXPECT_EQ(op_of(t), vn_op::mknod);
    EXPECT_EQ(t.request.args.make.mode, std::uint32_t{S_IFCHR | 0600});
    EXPECT_EQ(t.request.args.make.rdev, 0x103U);
    rig.fail(t, ENOSPC);
    EXPECT_EQ(rig.only().error, ENOSPC);
}

// spec: X1
TEST(opmap, two_strings_stand_together_without_their_nuls) {
    opmap_rig rig;
    rig.handle(frame_builder(opcode::symlink).add_string("link").add_string("../target"));
    taken t = rig.take();
    EXPECT_EQ(op_of(t), vn_op::symlink);
    EXPECT_EQ(in_of(t), "link../target"sv);
    EXPECT_EQ(t.request.args.make.name_bytes, 4U);
    EXPECT_EQ(t.request.args.make.target_bytes, 9U);
    t.request.args.make.made = newinfo_of(made, S_IFLNK | 0777);
    rig.reply(t);
    expect_entry(rig.only(), S_IFLNK | 0777);

    const wire::rename2_in in{.newdir = 12, .flags = RENAME_EXCHANGE, .padding = 0};
    rig.handle(frame_builder(opcode::rename2).add(in).add_string("from").add_string("onto2"));
    t = rig.take();
    EXPECT_EQ(op_of(t), vn_op::rename);
    EXPECT_EQ(in_of(t), "fromonto2"sv);
    EXPECT_EQ(t.request.args.rename.target_dir, cookie_of(12));
    EXPECT_EQ(t.request.args.rename.name_bytes, 4U);
    EXPECT_EQ(t.request.args.rename.target_name_bytes, 5U);
    EXPECT_EQ(t.request.args.rename.flags, std::uint32_t{RENAME_EXCHANGE});
    rig.reply(t);
    const told r = rig.only();
    EXPECT_EQ(r.error, 0);
    EXPECT_TRUE(r.body.empty());

    rig.handle(frame_builder(opcode::setxattr)
                   .add(std::uint32_t{3})
                   .add(std::uint32_t{1})
                   .add_string("user.k")
                   .add_text("a\0b"sv));
    t = rig.take();
    EXPECT_EQ(op_of(t), vn_op::setextattr);
    EXPECT_EQ(in_of(t), "user.ka\0b"sv);
    EXPECT_EQ(t.request.args.extattr.name_bytes, 6U);
    EXPECT_EQ(t.request.args.extattr.value_bytes, 3U);
    EXPECT_EQ(t.request.args.extattr.flags, 1U);
    rig.reply(t);
    EXPECT_EQ(rig.only().error, 0);
}

// spec: X1
TEST(opmap, rename_knows_noreplace_and_exchange_only) {
    opmap_rig rig;
    const wire::rename2_in in{.newdir = 12, .flags = RENAME_WHITEOUT, .padding = 0};
    rig.handle(frame_builder(opcode::rename2).add(in).add_string("a").add_string("b"));
    EXPECT_EQ(rig.only().error, EINVAL);
    EXPECT_TRUE(rig.server_is_idle());
}

// spec: X1
TEST(opmap, names_are_removed_and_linked) {
    opmap_rig rig;
    for (const auto& [op, expected] :
         {std::pair{opcode::unlink, vn_op::remove}, {opcode::rmdir, vn_op::rmdir}}) {
        rig.handle(frame_builder(op).add_string("gone"));
        const taken t = rig.take();
        EXPECT_EQ(op_of(t), expected);
        EXPECT_EQ(t.request.head.node, node);
        EXPECT_EQ(in_of(t), "gone"sv);
        EXPECT_EQ(t.request.args.remove.name_bytes, 4U);
        rig.reply(t);
        EXPECT_EQ(rig.only().error, 0);
    }
    rig.look_up(made);
    rig.handle(
        frame_builder(opcode::link).add(wire::link_in{nodeid_of(made)}).add_string("second"));
    taken t = rig.take();
    EXPECT_EQ(op_of(t), vn_op::link);
    EXPECT_EQ(t.request.args.link.target, made);
    EXPECT_EQ(in_of(t), "second"sv);
    t.request.args.link.made = newinfo_of(made, 0100644);
    rig.reply(t);
    expect_entry(rig.only(), 0100644);
}

// spec: X1
TEST(opmap, attributes_go_both_ways) {
    opmap_rig rig;
    rig.handle(frame_builder(opcode::getattr).add(wire::getattr_in{wire::getattr_flag::fh, 0, 55}));
    taken t = rig.take();
    EXPECT_EQ(op_of(t), vn_op::getattr);
    EXPECT_EQ(t.request.args.getattr.handle, 55U);
    t.request.args.getattr.va = newinfo_of(made, 0100640).va;
    t.request.args.getattr.attr_ttl = {5, 6};
    rig.reply(t);
    told r = rig.only();
    EXPECT_EQ(r.body.size(), sizeof(wire::attr_out));
    EXPECT_EQ(r.as<wire::attr_out>().attr_valid, 5U);
    EXPECT_EQ(r.as<wire::attr_out>().attr_valid_nsec, 6U);
    expect_attr(r.as<wire::attr_out>().attr, 0100640);

    wire::setattr_in in{};
    in.valid = 0xfff;
    in.fh = 56;
    in.size = 999;
    in.mode = 0100600;
    in.uid = 3;
    in.gid = 4;
    in.atime = 5;
    in.atimensec = 6;
    in.mtime = 7;
    in.mtimensec = 8;
    in.ctime = 9;
    in.ctimensec = 10;
    rig.handle(frame_builder(opcode::setattr).add(in));
    t = rig.take();
    EXPECT_EQ(op_of(t), vn_op::setattr);
    const msg::setattr_args a = t.request.args.setattr;
    EXPECT_EQ(a.handle, 56U);
    EXPECT_EQ(a.valid, 1023U);
    EXPECT_EQ(a.va.size, 999U);
    EXPECT_EQ(a.va.mode, 0100600U);
    EXPECT_EQ(a.va.uid, 3U);
    EXPECT_EQ(a.va.gid, 4U);
    EXPECT_EQ(a.va.atime, (msg::time_point{5, 6}));
    EXPECT_EQ(a.va.mtime, (msg::time_point{7, 8}));
    EXPECT_EQ(a.va.ctime, (msg::time_point{9, 10}));
    t.request.args.setattr.va = newinfo_of(made, 0100600).va;
    rig.reply(t);
    expect_attr(rig.only().as<wire::attr_out>().attr, 0100600);
}

TEST(opmap, each_bit_of_setattr_has_its_counterpart) {
    const std::pair<std::uint32_t, std::uint32_t> pairs[] = {
        {wire::fattr::mode, msg::set_mode},
        {wire::fattr::uid, msg::set_uid},
        {wire::fattr::gid, msg::set_gid},
        {wire::fattr::size, msg::set_size},
        {wire::fattr::atime, msg::set_atime},
        {wire::fattr::mtime, msg::set_mtime},
        {wire::fattr::fh, 0},
        {wire::fattr::atime_now, msg::set_atime_now},
        {wire::fattr::mtime_now, msg::set_mtime_now},
        {wire::fattr::lockowner, 0},
        {wire::fattr::ctime, msg::set_ctime},
        {wire::fattr::kill_suidgid, msg::set_kill_suidgid},
    };
    for (const auto& [theirs, ours] : pairs) {
        EXPECT_EQ(set_bits_of(theirs), ours);
    }
}

} // namespace
} // namespace puffs::fuse
