#include "client.hh"
#include "tree_server.hh"

#include <gtest/gtest.h>

namespace puffs {
namespace {

using namespace testing;
using msg::cookie;
using msg::vn_op;

constexpr cookie root = cookie::root;

struct entries_test : ::testing::Test {
    mounted<tree_server> m;
    client c{m.um};
    std::uint64_t lookups(cookie n) { // through the answers that are given back
        std::uint64_t count = 0;
        while (c.give_back(n, 1) == 0) {
            ++count;
        }
        return count;
    }
};

TEST_F(entries_test, lookup_names_a_node_with_its_attributes_and_timeouts) { // spec: X8
    const auto id = m.server.add(1, "f", vtype::reg);
    const auto made = c.lookup(root, "f");
    ASSERT_TRUE(made);
    EXPECT_EQ(made->va.ino, id); // the server left it 0
    EXPECT_EQ(made->va.mode, 0100644U);
    EXPECT_EQ(made->entry_ttl.sec, 1U);
    EXPECT_EQ(made->attr_ttl.sec, 1U);
    EXPECT_EQ(c.req.head.buflen, sizeof(msg::request));
    EXPECT_EQ(c.lookup(root, "f")->node, made->node);
    EXPECT_EQ(lookups(made->node), 2U);
    EXPECT_EQ(m.server.reclaims[id], 1);
    EXPECT_EQ(c.getattr(made->node).error(), error(ESTALE));
}

TEST_F(entries_test, lookup_of_what_is_not_there) {
    EXPECT_EQ(c.lookup(root, "f").error(), error(ENOENT));
    EXPECT_EQ(c.req.args.lookup.made.node, cookie::none);
}

TEST(entries, a_negative_timeout_makes_an_answer_without_a_node) {
    usermount_options o;
    o.negative_timeout = std::chrono::milliseconds(2500);
    mounted<tree_server> m(o);
    client c(m.um);
    const auto made = c.lookup(root, "f");
    ASSERT_TRUE(made);
    EXPECT_EQ(made->node, cookie::none);
    EXPECT_EQ(made->entry_ttl.sec, 2U);
    EXPECT_EQ(made->entry_ttl.nsec, 500'000'000U);
}

TEST_F(entries_test, names_that_are_none_are_refused) {
    EXPECT_EQ(c.lookup(root, "").error(), error(EINVAL));
    EXPECT_EQ(c.lookup(root, ".").error(), error(EINVAL));
    EXPECT_EQ(c.lookup(root, "..").error(), error(EINVAL));
    EXPECT_EQ(c.lookup(root, "a/b").error(), error(EINVAL));
    EXPECT_EQ(c.lookup(root, std::string_view("a\0b", 3)).error(), error(EINVAL));
    EXPECT_EQ(c.lookup(root, std::string(256, 'x')).error(), error(ENAMETOOLONG));
    EXPECT_EQ(c.lookup(root, std::string(255, 'x')).error(), error(ENOENT));
    EXPECT_EQ(c.make(vn_op::mknod, root, "a/b", 0100644).error(), error(EINVAL));
}

TEST_F(entries_test, a_request_shorter_than_it_says_is_refused) {
    c.req.args.lookup.name_bytes = 5;
    EXPECT_EQ(c.run(vn_op::lookup, root, "abc"), EINVAL);
    c.req.args.rename = {.target_dir = root, .name_bytes = 1, .target_name_bytes = 5, .flags = 0};
    EXPECT_EQ(c.run(vn_op::rename, root, "abc"), EINVAL);
}

TEST_F(entries_test, only_directories_have_entries) {
    m.server.add(1, "f", vtype::reg);
    const cookie f = c.lookup(root, "f")->node;
    EXPECT_EQ(c.lookup(f, "x").error(), error(ENOTDIR));
    EXPECT_EQ(c.make(vn_op::mknod, f, "x", 0100644).error(), error(ENOTDIR));
    EXPECT_EQ(c.remove(f, "x"), ENOTDIR);
    EXPECT_EQ(c.readdir(f, 4096), ENOTDIR);
}

TEST_F(entries_test, create_without_the_operation_is_mknod) { // spec: X8
    const auto made = c.make(vn_op::create, root, "f", 0640);
    ASSERT_TRUE(made);
    EXPECT_EQ(made->va.mode, 0100640U);
    EXPECT_EQ(m.server.at(1).names.count("f"), 1U);
    EXPECT_EQ(lookups(made->node), 1U);
}

TEST_F(entries_test, the_type_of_what_is_made_is_what_was_asked_for) {
    EXPECT_EQ(c.make(vn_op::mkdir, root, "d", 0750)->va.mode, 040750U);
    EXPECT_EQ(c.make(vn_op::mknod, root, "p", 010600)->va.mode, 010600U);
    EXPECT_EQ(c.make(vn_op::mknod, root, "r", 0600)->va.mode, 0100600U);
    EXPECT_EQ(c.make(vn_op::mknod, root, "x", 040755).error(), error(EINVAL));
    EXPECT_EQ(c.make(vn_op::mknod, root, "p", 010600).error(), error(EEXIST));
}

TEST_F(entries_test, link_counts_a_lookup_of_its_target) {
    const auto id = m.server.add(1, "f", vtype::reg);
    const cookie f = c.lookup(root, "f")->node;
    const auto made = c.link(root, f, "g");
    ASSERT_TRUE(made);
    EXPECT_EQ(made->node, f);
    EXPECT_EQ(made->va.nlink, 2U);
    EXPECT_EQ(lookups(f), 2U);
    EXPECT_EQ(m.server.reclaims[id], 1);
}

TEST_F(entries_test, link_refuses_directories_and_what_is_gone) {
    m.server.add(1, "d", vtype::dir);
    const cookie d = c.lookup(root, "d")->node;
    EXPECT_EQ(c.link(root, d, "e").error(), error(EPERM));
    EXPECT_EQ(c.link(d, d, "e").error(), error(EPERM)); // locks the node once
    EXPECT_EQ(c.give_back(d, 1), 0);
    EXPECT_EQ(c.link(root, d, "e").error(), error(ESTALE));
}

// What the server says is checked.
struct liar : tree_server {
    void reclaim(cc&, node&) {}
    new_node answer;
    result<new_node> lookup(cc&, node&, std::string_view) { return answer; }
    result<attr> getattr(cc&, node& n) {
        ++getattrs;
        return n.is_dir() ? tree_server::at(n).va : va;
    }
    attr va;
    int getattrs = 0;
};

struct liar_test : ::testing::Test {
    mounted<liar> m;
    client c{m.um};
};

TEST_F(liar_test, the_root_and_the_parent_are_no_entries) { // spec: F41
    m.server.answer.id = 1;
    EXPECT_EQ(c.lookup(root, "f").error(), error(EPROTO));
    m.server.answer.id = m.server.add(vtype::dir);
    m.server.answer.type = vtype::dir;
    const auto d = c.lookup(root, "d");
    ASSERT_TRUE(d);
    EXPECT_EQ(c.lookup(d->node, "d").error(), error(EPROTO));
}

TEST_F(liar_test, a_node_has_a_type_and_keeps_it) { // spec: F41
    m.server.answer.id = 50;
    m.server.va.mode = 0644; // no type, and the answer has none
    EXPECT_EQ(c.lookup(root, "f").error(), error(EPROTO));
    m.server.va.mode = 0170644; // no type that there is
    EXPECT_EQ(c.lookup(root, "f").error(), error(EPROTO));
    m.server.va.mode = 0100644;
    const auto f = c.lookup(root, "f");
    ASSERT_TRUE(f);
    m.server.va.mode = 0120777; // another than before
    EXPECT_EQ(c.getattr(f->node).error(), error(EPROTO));
    m.server.answer.type = vtype::dir;
    EXPECT_EQ(c.lookup(root, "f").error(), error(EPROTO));
    m.server.va.mode = 0600; // permission bits only: the type is known
    EXPECT_EQ(c.getattr(f->node)->mode, 0100600U);
}

TEST_F(liar_test, attributes_in_the_answer_save_the_question) {
    m.server.answer.id = 50;
    m.server.answer.va.emplace();
    m.server.answer.va->mode = 0100600;
    m.server.answer.va->ino = 77;
    m.server.answer.entry_timeout = std::chrono::seconds(5);
    m.server.answer.attr_timeout = std::chrono::seconds(-1);
    const auto f = c.lookup(root, "f");
    ASSERT_TRUE(f);
    EXPECT_EQ(m.server.getattrs, 0);
    EXPECT_EQ(f->va.ino, 77U);
    EXPECT_EQ(f->entry_ttl.sec, 5U);
    EXPECT_EQ(f->attr_ttl.sec, 0U);
    EXPECT_EQ(f->attr_ttl.nsec, 0U);
}

TEST_F(liar_test, a_failed_answer_counts_no_lookup) { // spec: X6
    m.server.answer.id = 50;
    m.server.answer.type = vtype::reg;
    m.server.va.mode = 0120777;
    EXPECT_EQ(c.lookup(root, "f").error(), error(EPROTO));
    EXPECT_EQ(m.um.live_nodes(), 1U);
}

} // namespace
} // namespace puffs
