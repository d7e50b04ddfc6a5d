// readdir: packing, continuing, the plus form.
#include "client.hh"
#include "puffs/msg/dirent.hh"
#include "tree_server.hh"

#include <gtest/gtest.h>

namespace puffs {
namespace {

using namespace testing;
using msg::cookie;

constexpr cookie root = cookie::root;

struct picky_server : tree_server {
    std::string throws_on, fails_on, lookup_throws_on;
    bool readdir_throws = false;
    result<new_node> lookup(cc& c, node& dir, std::string_view name) {
        if (!lookup_throws_on.empty() && name == lookup_throws_on) {
            throw std::runtime_error("lookup");
        }
        return tree_server::lookup(c, dir, name);
    }
    result<void> readdir(cc& c, node& dir, dirents& out, std::uint64_t cookie) {
        const auto done = tree_server::readdir(c, dir, out, cookie);
        if (readdir_throws) {
            throw std::runtime_error("readdir");
        }
        return done;
    }
    result<attr> getattr(cc& c, node& n) {
        if (!throws_on.empty() && n.id() == at(1).names.at(throws_on)) {
            throw std::runtime_error("getattr");
        }
        if (!fails_on.empty() && n.id() == at(1).names.at(fails_on)) {
            return fail(EACCES);
        }
        return tree_server::getattr(c, n);
    }
};

struct readdir_test : ::testing::Test {
    mounted<picky_server> m;
    client c{m.um};
    std::vector<msg::dirent_view> entries(bool plus) {
        std::vector<msg::dirent_view> all;
        std::span<const std::byte> rest(c.out.data(), c.req.args.io.done);
        while (auto v = msg::read_dirent(rest, plus)) {
            all.push_back(*v);
            rest = rest.subspan(v->bytes);
        }
        EXPECT_TRUE(rest.empty());
        return all;
    }
};

TEST_F(readdir_test, packs_name_number_type_and_where_to_go_on) {
    const auto id = m.server.add(1, "file", vtype::reg);
    EXPECT_EQ(c.readdir(root, 4096), 0);
    const auto all = entries(false);
    ASSERT_EQ(all.size(), 3U);
    EXPECT_EQ(all[0].name, ".");
    EXPECT_EQ(all[2].name, "file");
    EXPECT_EQ(all[2].head.ino, id);
    EXPECT_EQ(all[2].head.next, 3U);
    EXPECT_EQ(all[2].head.type, static_cast<std::uint32_t>(vtype::reg));
    EXPECT_EQ(c.out_bytes, c.req.args.io.done);
    EXPECT_EQ(c.readdir(root, 4096, false, 3), 0);
    EXPECT_EQ(c.req.args.io.done, 0U);
}

TEST_F(readdir_test, every_size_of_buffer_lists_every_entry_once) {
    for (int i = 0; i < 40; ++i) {
        m.server.add(1, "name" + std::string(static_cast<std::size_t>(i), 'x') + std::to_string(i),
                     vtype::reg);
    }
    for (const bool plus : {false, true}) {
        for (std::size_t room = msg::dirent_bytes(46, plus); room < 1500; ++room) {
            std::vector<std::string> names;
            std::uint64_t from = 0;
            do {
                ASSERT_EQ(c.readdir(root, room, plus, from), 0) << room;
                ASSERT_LE(c.out_bytes, room);
                for (const auto& e : entries(plus)) {
                    names.emplace_back(e.name);
                    from = e.head.next;
                    if (plus && e.made.node != cookie::none) {
                        ASSERT_EQ(client(m.um).give_back(e.made.node, 1), 0);
                    }
                }
            } while (c.out_bytes != 0);
            ASSERT_EQ(names.size(), 42U) << room << plus;
            std::sort(names.begin(), names.end());
            ASSERT_EQ(std::unique(names.begin(), names.end()), names.end());
        }
    }
    EXPECT_EQ(m.um.live_nodes(), 1U);
}

TEST_F(readdir_test, no_room_for_one_entry_is_an_error_not_the_end) {
    EXPECT_EQ(c.readdir(root, msg::dirent_bytes(1, false) - 1), EINVAL);
    EXPECT_EQ(c.readdir(root, msg::dirent_bytes(1, false)), 0);
    EXPECT_EQ(c.readdir(root, msg::dirent_bytes(1, true) - 1, true), EINVAL);
    EXPECT_EQ(c.readdir(root, 0), EINVAL);
}

TEST_F(readdir_test, plus_names_every_entry_but_the_dots) { // spec: X6
    const auto id = m.server.add(1, "file", vtype::reg);
    EXPECT_EQ(c.readdir(root, 4096, true), 0);
    const auto all = entries(true);
    ASSERT_EQ(all.size(), 3U);
    EXPECT_EQ(all[0].made.node, cookie::none);
    EXPECT_EQ(all[1].made.node, cookie::none);
    EXPECT_EQ(all[2].made.va.ino, id);
    EXPECT_EQ(all[2].made.va.mode, 0100644U);
    EXPECT_EQ(all[2].made.entry_ttl.sec, 1U);
    const cookie f = all[2].made.node;
    EXPECT_EQ(c.lookup(root, "file")->node, f);
    EXPECT_EQ(c.give_back(f, 2), 0);
    EXPECT_EQ(m.server.reclaims[id], 1);
}

TEST_F(readdir_test, plus_entries_whose_lookup_throws_go_without_a_node) { // spec: X8
    const auto first = m.server.add(1, "a", vtype::reg);
    m.server.add(1, "b", vtype::reg);
    m.server.add(1, "c", vtype::reg);
    m.server.lookup_throws_on = "b";
    ASSERT_EQ(c.readdir(root, 4096, true), 0);
    const auto all = entries(true);
    ASSERT_EQ(all.size(), 5U);
    EXPECT_NE(all[2].made.node, cookie::none);
    EXPECT_EQ(all[3].made.node, cookie::none);
    EXPECT_NE(all[4].made.node, cookie::none);
    EXPECT_EQ(m.um.live_nodes(), 3U);
    EXPECT_EQ(c.give_back(all[2].made.node, 1), 0);
    EXPECT_EQ(m.server.reclaims[first], 1);
}

TEST_F(readdir_test, that_throws_after_some_entries_is_eio_and_names_nothing) { // spec: X8
    m.server.add(1, "a", vtype::reg);
    m.server.readdir_throws = true;
    for (const bool plus : {false, true}) {
        EXPECT_EQ(c.readdir(root, 4096, plus), EIO);
        EXPECT_EQ(c.req.args.io.done, 0U);
        EXPECT_EQ(c.out_bytes, 0U);
        EXPECT_EQ(m.um.live_nodes(), 1U);
    }
    m.server.readdir_throws = false;
    EXPECT_EQ(c.readdir(root, 4096, true), 0);
    EXPECT_EQ(entries(true).size(), 3U);
}

TEST_F(readdir_test, plus_entries_that_fail_go_without_a_node) { // spec: X6
    m.server.add(1, "a", vtype::reg);
    m.server.add(1, "b", vtype::reg);
    m.server.add(1, "c", vtype::reg);
    m.server.throws_on = "a";
    m.server.fails_on = "b";
    EXPECT_EQ(c.readdir(root, 4096, true), 0);
    const auto all = entries(true);
    ASSERT_EQ(all.size(), 5U);
    EXPECT_EQ(all[2].made.node, cookie::none);
    EXPECT_EQ(all[3].made.node, cookie::none);
    EXPECT_NE(all[4].made.node, cookie::none);
    EXPECT_EQ(m.um.live_nodes(), 2U);
    EXPECT_EQ(c.give_back(all[4].made.node, 1), 0);
}

TEST(dirents, refuses_nothing_after_a_refusal) { // an entry passed over would never be listed
    std::array<std::byte, 100> room;
    dirents out(room, false);
    EXPECT_TRUE(out.add("one", 1, vtype::reg, 1));
    EXPECT_FALSE(out.add(std::string(80, 'x'), 2, vtype::reg, 2));
    EXPECT_FALSE(out.add("x", 3, vtype::reg, 3));
    EXPECT_EQ(out.used_bytes(), msg::dirent_bytes(3, false));
}

TEST(dirents, leaves_out_names_that_are_none) {
    std::array<std::byte, 1000> room;
    dirents out(room, false);
    EXPECT_TRUE(out.add("", 1, vtype::reg, 1));
    EXPECT_TRUE(out.add("a/b", 1, vtype::reg, 1));
    EXPECT_TRUE(out.add(std::string_view("a\0b", 3), 1, vtype::reg, 1));
    EXPECT_TRUE(out.add(std::string(256, 'x'), 1, vtype::reg, 1));
    EXPECT_EQ(out.used_bytes(), 0U);
    EXPECT_FALSE(out.refused());
    EXPECT_TRUE(out.add(std::string(255, 'x'), 1, vtype::reg, 1));
    EXPECT_EQ(out.used_bytes(), 280U);
}

} // namespace
} // namespace puffs
