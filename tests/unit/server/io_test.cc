// Files: open, close, read, write and what else is done to one node.
#include "client.hh"
#include "tree_server.hh"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace puffs {
namespace {

using namespace testing;
using msg::cookie;
using msg::vn_op;

constexpr cookie root = cookie::root;

struct file_server : tree_server {
    std::string log; // one letter a call
    std::uint64_t handle = 0;
    std::optional<std::size_t> claim; // what read, write and readlink say they did
    std::size_t given = 0;

    result<open_reply> open(cc& c, node&, int flags) {
        log += 'o';
        last_flags = flags;
        EXPECT_EQ(c.handle(), 0U);
        return open_reply{.handle = ++handle, .bits = msg::open_keep_cache};
    }
    result<void> close(cc& c, node&, int) {
        log += 'c';
        closed = c.handle();
        return {};
    }
    void inactive(cc&, node&) { log += 'i'; }
    void reclaim(cc& c, node& n) {
        log += 'r';
        tree_server::reclaim(c, n);
    }
    result<std::size_t> read(cc& c, node& n, std::span<std::byte> into, std::uint64_t offset) {
        given = into.size();
        seen = c.handle();
        return claim ? result<std::size_t>(*claim) : tree_server::read(c, n, into, offset);
    }
    result<std::size_t> write(cc& c, node& n, std::span<const std::byte> from,
                              std::uint64_t offset) {
        given = from.size();
        return claim ? result<std::size_t>(*claim) : tree_server::write(c, n, from, offset);
    }
    result<std::size_t> readlink(cc&, node&, std::span<char> into) {
        given = into.size();
        const std::string_view to = "target";
        std::memcpy(into.data(), to.data(), std::min(to.size(), into.size()));
        return claim.value_or(to.size());
    }
    result<void> fsync(cc&, node&, bool datasync) {
        log += datasync ? 'd' : 's';
        return {};
    }
    result<std::uint64_t> seek(cc&, node&, std::uint64_t offset, int whence) {
        return whence == SEEK_DATA ? result<std::uint64_t>(offset + 100) : fail(ENXIO);
    }
    result<void> fallocate(cc&, node& n, int mode, std::uint64_t offset, std::uint64_t length) {
        at(n).va.size = offset + length + static_cast<unsigned>(mode);
        return {};
    }
    result<void> setattr(cc&, node& n, const setattr_request& r) {
        log += 'S';
        if ((r.valid & msg::set_mode) != 0) {
            at(n).va.mode = r.va.mode;
        }
        return {};
    }
    result<void> access(cc&, node&, int mode) {
        return mode == R_OK ? result<void>() : fail(EACCES);
    }
    int last_flags = 0;
    std::uint64_t closed = 0, seen = 0;
};

struct io_test : ::testing::Test {
    explicit io_test(const usermount_options& o = {}) : m(o) {}
    mounted<file_server> m;
    client c{m.um};
    std::uint64_t id = m.server.add(1, "f", vtype::reg);
    cookie f = c.lookup(root, "f")->node;
    cookie link = (m.server.add(1, "l", vtype::lnk), c.lookup(root, "l")->node);
};

TEST_F(io_test, read_gives_the_bytes_and_their_number) {
    m.server.at(id).data = "hello";
    EXPECT_EQ(c.read(f, 100, 1, 9), "ello");
    EXPECT_EQ(c.out_bytes, 4U);
    EXPECT_EQ(c.req.head.buflen, sizeof(msg::request) + 4);
    EXPECT_EQ(m.server.seen, 9U);
    EXPECT_EQ(c.read(f, 100, 5), "");
    EXPECT_EQ(c.out[0], std::byte{0xee}); // nothing was touched
}

TEST_F(io_test, read_offers_what_was_asked_for_and_there_is_room_for) {
    c.req.args.io = {};
    c.req.args.io.size = 10;
    EXPECT_EQ(c.run(vn_op::read, f, {}, 100), 0);
    EXPECT_EQ(m.server.given, 10U);
    c.req.args.io.size = 1000;
    EXPECT_EQ(c.run(vn_op::read, f, {}, 100), 0);
    EXPECT_EQ(m.server.given, 100U);
}

TEST_F(io_test, nothing_is_read_or_written_without_asking_the_server) {
    m.server.claim = 1;
    EXPECT_EQ(c.read(f, 0), "");
    EXPECT_EQ(c.write(f, ""), 0U);
}

TEST_F(io_test, a_server_that_claims_more_than_it_was_given_is_refused) { // spec: F41
    m.server.claim = 11;
    EXPECT_EQ(c.read(f, 10).error(), error(EPROTO));
    EXPECT_EQ(c.out_bytes, 0U);
    EXPECT_EQ(c.write(f, "0123456789").error(), error(EPROTO));
    EXPECT_EQ(c.readlink(link, 10).error(), error(EPROTO));
    m.server.claim = 10;
    EXPECT_TRUE(c.read(f, 10));
    EXPECT_EQ(c.write(f, "0123456789"), 10U);
    EXPECT_TRUE(c.readlink(link, 10));
}

TEST_F(io_test, write_gives_the_server_the_bytes) {
    EXPECT_EQ(c.write(f, "abc", 2), 3U);
    EXPECT_EQ(m.server.at(id).data, std::string("\0\0abc", 5));
    c.req.args.io = {};
    c.req.args.io.size = 5;
    EXPECT_EQ(c.run(vn_op::write, f, "abc"), EINVAL); // fewer bytes than it says
}

TEST_F(io_test, directories_are_not_files) {
    EXPECT_EQ(c.read(root, 10).error(), error(EISDIR));
    EXPECT_EQ(c.write(root, "x").error(), error(EISDIR));
    EXPECT_EQ(c.open(root, O_RDWR).error(), error(EISDIR));
    EXPECT_TRUE(c.open(root, O_RDONLY | O_DIRECTORY));
    c.req.args.fallocate = {.handle = 0, .offset = 0, .length = 1, .mode = 0};
    EXPECT_EQ(c.run(vn_op::fallocate, root), EISDIR);
    EXPECT_EQ(c.setattr(root, msg::set_size, {}), EISDIR);
}

TEST_F(io_test, readlink_is_for_links) {
    EXPECT_EQ(c.readlink(link), "target");
    EXPECT_EQ(c.out_bytes, 6U);
    EXPECT_EQ(c.readlink(f).error(), error(EINVAL));
}

TEST_F(io_test, open_gives_the_servers_handle_and_close_brings_it_back) {
    EXPECT_EQ(c.open(f, O_RDWR | O_APPEND), 1U);
    EXPECT_EQ(m.server.last_flags, O_RDWR | O_APPEND);
    EXPECT_EQ(c.req.args.open.result_bits, std::uint32_t{msg::open_keep_cache});
    EXPECT_EQ(c.close(f, 1), 0);
    EXPECT_EQ(m.server.closed, 1U);
}

TEST_F(io_test, inactive_comes_with_the_last_close) {
    ASSERT_TRUE(c.open(f, 0));
    ASSERT_TRUE(c.open(f, 0));
    c.close(f, 1);
    EXPECT_EQ(m.server.log, "ooc");
    c.close(f, 2);
    EXPECT_EQ(m.server.log, "oocci");
}

TEST_F(io_test, an_open_file_is_closed_before_its_node_is_reclaimed) { // spec: X6
    ASSERT_TRUE(c.open(f, 0));
    EXPECT_EQ(c.remove(root, "f"), 0);
    EXPECT_EQ(c.give_back(f, 1), 0); // the kernel's last lookup; the close is still under way
    EXPECT_EQ(m.server.log, "o");
    EXPECT_EQ(c.close(f, 1), 0);
    EXPECT_EQ(m.server.log, "ocir");
    EXPECT_EQ(c.getattr(f).error(), error(ESTALE));
    EXPECT_FALSE(m.server.objects.contains(id));
}

TEST_F(io_test, a_refused_open_holds_nothing) {
    struct refuser : tree_server {
        result<open_reply> open(cc&, node&, int) { return fail(EMFILE); }
    };
    mounted<refuser> r;
    client k(r.um);
    r.server.add(1, "f", vtype::reg);
    const cookie n = k.lookup(root, "f")->node;
    EXPECT_EQ(k.open(n, 0).error(), error(EMFILE));
    EXPECT_EQ(k.give_back(n, 1), 0);
    EXPECT_EQ(r.um.live_nodes(), 1U);
}

TEST_F(io_test, fsync_seek_and_fallocate_pass_their_arguments) {
    c.req.args.fsync = {.handle = 0, .datasync = 1};
    EXPECT_EQ(c.run(vn_op::fsync, f), 0);
    c.req.args.fsync = {.handle = 0, .datasync = 0};
    EXPECT_EQ(c.run(vn_op::fsync, f), 0);
    EXPECT_EQ(m.server.log, "ds");
    c.req.args.seek = {.handle = 0, .offset = 5, .whence = SEEK_DATA};
    EXPECT_EQ(c.run(vn_op::seek, f), 0);
    EXPECT_EQ(c.req.args.seek.offset, 105U);
    c.req.args.seek = {.handle = 0, .offset = 5, .whence = SEEK_HOLE};
    EXPECT_EQ(c.run(vn_op::seek, f), ENXIO);
    c.req.args.seek = {.handle = 0, .offset = 5, .whence = 5};
    EXPECT_EQ(c.run(vn_op::seek, f), EINVAL);
    c.req.args.fallocate = {.handle = 0, .offset = 10, .length = 5, .mode = 1};
    EXPECT_EQ(c.run(vn_op::fallocate, f), 0);
    EXPECT_EQ(m.server.at(id).va.size, 16U);
    c.req.args.fallocate = {.handle = 0, .offset = 10, .length = 0, .mode = 1};
    EXPECT_EQ(c.run(vn_op::fallocate, f), EINVAL);
}

TEST_F(io_test, setattr_answers_the_attributes_that_it_made) {
    attr va;
    va.mode = 0100600;
    EXPECT_EQ(c.setattr(f, msg::set_mode, va), 0);
    EXPECT_EQ(c.req.args.setattr.va.mode, 0100600U);
    EXPECT_EQ(c.req.args.setattr.va.ino, id);
    EXPECT_EQ(c.req.args.setattr.attr_ttl.sec, 1U);
    EXPECT_EQ(m.server.log, "S");
    EXPECT_EQ(c.setattr(f, 0, va), 0);
    EXPECT_EQ(m.server.log, "S"); // nothing to set
}

TEST_F(io_test, access_asks_the_server) {
    EXPECT_EQ(c.access(f, R_OK), 0);
    EXPECT_EQ(c.access(f, W_OK), EACCES);
    EXPECT_EQ(c.access(f, 8), EINVAL);
}

struct read_only_test : io_test {
    read_only_test()
        : io_test([] {
              usermount_options o;
              o.read_only = true;
              return o;
          }()) {}
};

TEST_F(read_only_test, refuses_what_would_change_something) {
    EXPECT_EQ(c.make(vn_op::create, root, "x", 0644).error(), error(EROFS));
    EXPECT_EQ(c.make(vn_op::mknod, root, "x", 0644).error(), error(EROFS));
    EXPECT_EQ(c.make(vn_op::mkdir, root, "x", 0644).error(), error(EROFS));
    EXPECT_EQ(c.make(vn_op::symlink, root, "x", 0, "to").error(), error(EROFS));
    EXPECT_EQ(c.link(root, f, "x").error(), error(EROFS));
    EXPECT_EQ(c.remove(root, "f"), EROFS);
    EXPECT_EQ(c.rmdir(root, "f"), EROFS);
    EXPECT_EQ(c.rename(root, "f", root, "g"), EROFS);
    EXPECT_EQ(c.write(f, "x").error(), error(EROFS));
    EXPECT_EQ(c.setattr(f, msg::set_mode, {}), EROFS);
    EXPECT_EQ(c.open(f, O_WRONLY).error(), error(EROFS));
    EXPECT_EQ(c.open(f, O_RDONLY | O_TRUNC).error(), error(EROFS));
    EXPECT_EQ(c.access(f, W_OK), EROFS);
    EXPECT_EQ(c.run(vn_op::fallocate, f), EROFS);
    EXPECT_EQ(c.extattr(vn_op::setextattr, f, "user.x", "v").error(), error(EROFS));
    EXPECT_EQ(c.extattr(vn_op::deleteextattr, f, "user.x").error(), error(EROFS));
    EXPECT_TRUE(c.open(f, O_RDONLY));
    EXPECT_TRUE(c.read(f, 10));
    EXPECT_EQ(c.access(f, R_OK), 0);
}

} // namespace
} // namespace puffs
