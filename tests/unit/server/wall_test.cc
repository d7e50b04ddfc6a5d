// The wall: what a server throws or answers never reaches the caller as it is.
#include "client.hh"
#include "tree_server.hh"

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <sstream>

namespace puffs {
namespace {

using namespace testing;
using msg::cookie;
using msg::vn_op;

constexpr cookie root = cookie::root;

// Catches the log lines of its life.
struct log_lines {
    std::ostringstream text;
    std::shared_ptr<spdlog::logger> before = spdlog::default_logger();
    log_lines() {
        auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(text);
        sink->set_pattern("%v");
        spdlog::set_default_logger(std::make_shared<spdlog::logger>("caught", sink));
    }
    ~log_lines() { spdlog::set_default_logger(before); }
};

struct thrower : tree_server {
    bool throwing = true;
    int odd = 0; // an errno
    void maybe() const {
        if (throwing && odd == 0) {
            throw std::runtime_error("out of luck");
        }
    }
    result<void> answer() const {
        maybe();
        return odd != 0 ? result<void>(fail(odd)) : result<void>();
    }
    result<attr> getattr(cc& c, node& n) {
        if (auto a = answer(); !a) {
            return fail(a.error());
        }
        return tree_server::getattr(c, n);
    }
    result<new_node> lookup(cc& c, node& dir, std::string_view name) {
        if (name == "thrown") {
            throw 42;
        }
        if (throwing && name.starts_with("told")) {
            throw std::runtime_error("no luck with " + std::string(name));
        }
        return tree_server::lookup(c, dir, name);
    }
    result<void> remove(cc& c, node& dir, node& t, std::string_view name) {
        maybe();
        return tree_server::remove(c, dir, t, name);
    }
    void reclaim(cc&, node& n) {
        ++reclaims[n.id()];
        maybe();
    }
    void inactive(cc&, node&) { maybe(); }
    result<void> start(usermount&) {
        maybe();
        return fail(ENODEV);
    }
    void unmount(bool) {
        ++unmounts;
        maybe();
    }
    result<fs_stats> statvfs(cc&) { throw std::bad_alloc(); }
    int unmounts = 0;
};

struct wall_test : ::testing::Test {
    mounted<thrower> m;
    client c{m.um};
    log_lines log;
};

TEST_F(wall_test, an_exception_becomes_eio_and_a_line_that_says_where) { // spec: X8
    EXPECT_EQ(c.getattr(root).error(), error(EIO));
    EXPECT_EQ(log.text.str(), "getattr on node 1 threw: out of luck\n");
    m.server.throwing = false;
    EXPECT_TRUE(c.getattr(root)); // the lock was given up
}

TEST_F(wall_test, anything_can_be_thrown) {
    EXPECT_EQ(c.lookup(root, "thrown").error(), error(EIO));
    EXPECT_EQ(c.vfs(msg::vfs_op::statvfs), EIO);
}

// A file's name may hold line ends and what terminals obey: in the log it must not.
TEST_F(wall_test, a_name_cannot_forge_a_line_of_the_log) {
    constexpr std::string_view name = "told\n1970-01-01 all is well\x1b[2J\x7f";
    EXPECT_EQ(c.lookup(root, name).error(), error(EIO));
    EXPECT_EQ(log.text.str(),
              "lookup on node 1 threw: no luck with told?1970-01-01 all is well?[2J?\n");
    log.text.str({});
    m.server.add(1, name, vtype::reg);
    EXPECT_EQ(c.readdir(root, 4096, true), 0);
    EXPECT_EQ(log.text.str(), "lookup of 'told?1970-01-01 all is well?[2J?' in node 1 threw: "
                              "no luck with told?1970-01-01 all is well?[2J?\n");
}

TEST_F(wall_test, an_exception_after_a_name_was_found_counts_no_lookup) { // spec: X6
    const auto id = m.server.add(1, "f", vtype::reg);
    EXPECT_EQ(c.lookup(root, "f").error(), error(EIO)); // its getattr
    EXPECT_EQ(c.req.args.lookup.made.node, cookie::none);
    EXPECT_EQ(m.um.live_nodes(), 1U);
    EXPECT_EQ(m.server.reclaims[id], 1);
}

TEST_F(wall_test, an_exception_lets_go_of_all_locks) {
    m.server.add(1, "f", vtype::reg);
    EXPECT_EQ(c.remove(root, "f"), EIO);
    m.server.throwing = false;
    EXPECT_EQ(c.remove(root, "f"), 0);
}

TEST_F(wall_test, an_errno_that_no_caller_can_be_told_becomes_eproto) { // spec: F41
    m.server.odd = 512;                                                 // ERESTARTSYS
    EXPECT_EQ(c.getattr(root).error(), error(EPROTO));
    EXPECT_NE(log.text.str().find("getattr on node 1 answered errno 512"), std::string::npos);
    m.server.odd = 511;
    EXPECT_EQ(c.getattr(root).error(), error(511));
}

TEST_F(wall_test, start_that_throws_or_refuses_is_an_error) {
    EXPECT_EQ(m.um.start().error(), error(EIO));
    EXPECT_NE(log.text.str().find("start threw: out of luck"), std::string::npos);
    m.server.throwing = false;
    EXPECT_EQ(m.um.start().error(), error(ENODEV));
}

TEST_F(wall_test, reclaim_and_unmount_may_throw_too) { // spec: X6
    m.server.throwing = false;
    const auto id = m.server.add(1, "f", vtype::reg);
    const auto id2 = m.server.add(1, "g", vtype::reg);
    const cookie f = c.lookup(root, "f")->node;
    ASSERT_TRUE(c.lookup(root, "g"));
    m.server.throwing = true;
    EXPECT_EQ(c.give_back(f, 1), 0);
    EXPECT_EQ(m.server.reclaims[id], 1);
    EXPECT_EQ(c.getattr(f).error(), error(ESTALE));
    m.um.finish(true);
    m.um.finish(true);
    EXPECT_EQ(m.server.reclaims[id2], 1);
    EXPECT_EQ(m.server.unmounts, 1);
}

TEST(trace, has_a_line_for_a_request_and_one_for_its_reply) {
    usermount_options o;
    o.trace = true;
    mounted<tree_server> m(o);
    client c(m.um);
    log_lines log;
    EXPECT_FALSE(c.lookup(root, "na\nme"));
    const std::string text = log.text.str();
    EXPECT_TRUE(text.starts_with(
        "-> 0x1 lookup node 1.0 'na?me' pid 7 uid 100 gid 200\n<- 0x1 lookup enoent 0 bytes "))
        << text;
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
    c.vfs(msg::vfs_op::statvfs);
    EXPECT_NE(log.text.str().find("statvfs ok"), std::string::npos);
}

} // namespace
} // namespace puffs
