// What each operation answers when the server does not have it.
#include "client.hh"

#include <gtest/gtest.h>

namespace puffs {
namespace {

using namespace testing;
using msg::cookie;
using msg::vfs_op;
using msg::vn_op;

constexpr cookie root = cookie::root;

struct bare {
    result<attr> getattr(cc&, node& n) {
        attr va;
        va.mode = n.is_dir() ? 040755 : 0100644;
        return va;
    }
};

// Has a lookup besides, so that there is a node that is no directory.
struct with_files : bare {
    result<new_node> lookup(cc&, node&, std::string_view name) {
        new_node n;
        n.id = 2;
        n.type = name == "link" ? vtype::lnk : vtype::reg;
        return name == "none" ? result<new_node>(fail(ENOENT)) : n;
    }
};

struct defaults : ::testing::Test {
    mounted<with_files> m;
    client c{m.um};
    cookie file = c.lookup(root, "f")->node;
};

TEST_F(defaults, start_is_nothing_and_unmount_is_nothing) { // spec: X8
    EXPECT_TRUE(m.um.start());
    m.um.finish(false);
}

TEST_F(defaults, lookup_finds_nothing) {
    mounted<bare> b;
    EXPECT_EQ(client(b.um).lookup(root, "f").error(), error(ENOENT));
}

TEST_F(defaults, what_makes_or_takes_away_names_is_enosys) { // spec: X8
    EXPECT_EQ(c.make(vn_op::create, root, "x", 0644).error(), error(ENOSYS));
    EXPECT_EQ(c.make(vn_op::mknod, root, "x", 0644).error(), error(ENOSYS));
    EXPECT_EQ(c.make(vn_op::mkdir, root, "x", 0755).error(), error(ENOSYS));
    EXPECT_EQ(c.make(vn_op::symlink, root, "x", 0, "to").error(), error(ENOSYS));
    EXPECT_EQ(c.link(root, file, "x").error(), error(ENOSYS));
    EXPECT_EQ(c.remove(root, "f"), ENOSYS);
    EXPECT_EQ(c.rmdir(root, "f"), ENOSYS);
    EXPECT_EQ(c.rename(root, "f", root, "g"), ENOSYS);
}

TEST_F(defaults, open_succeeds_without_a_handle_and_close_does_nothing) { // spec: X8
    EXPECT_EQ(c.open(file, 2), 0U);
    EXPECT_EQ(c.req.args.open.result_bits, 0U);
    EXPECT_EQ(c.close(file), 0);
    // Nobody counts opens for a server that does not care: a file that is never closed holds nothing.
    EXPECT_EQ(c.open(file, 2), 0U);
    EXPECT_EQ(c.give_back(file, 1), 0);
    EXPECT_EQ(m.um.live_nodes(), 1U);
}

TEST_F(defaults, data_operations_are_enosys) { // spec: X8
    EXPECT_EQ(c.read(file, 10).error(), error(ENOSYS));
    EXPECT_EQ(c.write(file, "x").error(), error(ENOSYS));
    EXPECT_EQ(c.readdir(root, 4096), ENOSYS);
    EXPECT_EQ(c.readlink(file).error(), error(ENOSYS));
    EXPECT_EQ(c.setattr(file, msg::set_mode, {}), ENOSYS);
    EXPECT_EQ(c.access(file, 4), ENOSYS);
    c.req.args.seek = {.handle = 0, .offset = 0, .whence = 3};
    EXPECT_EQ(c.run(vn_op::seek, file), ENOSYS);
    c.req.args.fallocate = {.handle = 0, .offset = 0, .length = 1, .mode = 0};
    EXPECT_EQ(c.run(vn_op::fallocate, file), ENOSYS);
    for (auto op :
         {vn_op::getextattr, vn_op::setextattr, vn_op::listextattr, vn_op::deleteextattr}) {
        EXPECT_EQ(c.extattr(op, file, "user.x").error(), error(ENOSYS));
    }
}

TEST_F(defaults, fsync_sync_and_inactive_succeed) { // spec: X8
    c.req.args.fsync = {.handle = 0, .datasync = 0};
    EXPECT_EQ(c.run(vn_op::fsync, file), 0);
    EXPECT_EQ(c.run(vn_op::inactive, file), 0);
    EXPECT_EQ(c.vfs(vfs_op::sync), 0);
    EXPECT_EQ(c.vfs(vfs_op::unmount), 0);
}

TEST_F(defaults, statvfs_is_zeros_with_long_names) { // spec: X8
    EXPECT_EQ(c.vfs(vfs_op::statvfs), 0);
    EXPECT_EQ(c.req.args.statvfs.sb.blocks, 0U);
    EXPECT_EQ(c.req.args.statvfs.sb.namemax, 255U);
}

TEST_F(defaults, operations_that_no_server_can_have_are_enosys) {
    for (auto op : {vn_op::pathconf, vn_op::advlock, vn_op::poll, vn_op::mmap, vn_op::abortop,
                    vn_op::fdiscard, vn_op::copy_range, vn_op::ioctl, vn_op::tmpfile}) {
        EXPECT_EQ(c.run(op, file), ENOSYS) << msg::name_of(op);
    }
    for (auto op : {vfs_op::fhtonode, vfs_op::nodetofh, vfs_op::suspend}) {
        EXPECT_EQ(c.vfs(op), EOPNOTSUPP) << msg::name_of(op);
    }
}

TEST_F(defaults, numbers_that_are_no_operation_are_eopnotsupp) {
    EXPECT_EQ(c.run(static_cast<vn_op>(0), file), EOPNOTSUPP);
    EXPECT_EQ(c.run(vn_op::count_, file), EOPNOTSUPP);
    EXPECT_EQ(c.run(static_cast<vn_op>(0xffffffff), file), EOPNOTSUPP);
    EXPECT_EQ(c.vfs(static_cast<vfs_op>(99)), EOPNOTSUPP);
    for (std::uint32_t opclass : {0U, 3U, 4U, 5U, 6U, 7U, 15U}) {
        msg::request r;
        r.head.opclass = opclass;
        r.head.optype = 1;
        m.um.execute(r, {});
        EXPECT_EQ(r.head.rv, EOPNOTSUPP) << opclass;
    }
}

TEST(server_without_getattr, cannot_be_mounted) { // spec: X8
    struct nothing {};
    mounted<nothing> m;
    EXPECT_EQ(m.um.start().error(), error(ENOSYS));
    EXPECT_EQ(client(m.um).getattr(root).error(), error(ENOSYS));
}

TEST_F(defaults, fire_and_forget_requests_run_too) {
    msg::request r;
    r.head.opclass = static_cast<std::uint32_t>(msg::opclass::vn) | msg::opclass_faf;
    r.head.optype = static_cast<std::uint32_t>(vn_op::reclaim);
    r.head.node = file;
    r.args.reclaim = {.nlookup = 1};
    m.um.execute(r, {});
    EXPECT_EQ(m.um.live_nodes(), 1U);
}

} // namespace
} // namespace puffs
