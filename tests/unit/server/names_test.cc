// remove, rmdir, rename: targets, rules, locks.
#include "client.hh"
#include "tree_server.hh"

#include <gtest/gtest.h>
#include <linux/fs.h>

namespace puffs {
namespace {

using namespace testing;
using msg::cookie;

constexpr cookie root = cookie::root;

struct counting_server : tree_server {
    int renames = 0;
    result<void> rename(cc& c, const rename_request& r) {
        ++renames;
        return tree_server::rename(c, r);
    }
};

struct flagless_server : tree_server {
    static constexpr std::uint32_t rename_flags = 0;
};

struct names_test : ::testing::Test {
    mounted<counting_server> m;
    client c{m.um};
    std::uint64_t a_id = m.server.add(1, "a", vtype::dir), b_id = m.server.add(1, "b", vtype::dir);
    std::uint64_t f_id = m.server.add(a_id, "f", vtype::reg),
                  g_id = m.server.add(b_id, "g", vtype::reg);
    cookie a = c.lookup(root, "a")->node, b = c.lookup(root, "b")->node;
    [[nodiscard]] bool has(std::uint64_t dir, std::string_view name) {
        return m.server.at(dir).names.contains(name);
    }
};

TEST_F(names_test, remove_finds_its_target_and_forgets_it) { // spec: X8
    EXPECT_EQ(c.remove(a, "f"), 0);
    EXPECT_FALSE(has(a_id, "f"));
    EXPECT_FALSE(m.server.objects.contains(f_id)); // nobody knew it: reclaimed at once
    EXPECT_EQ(c.remove(a, "f"), ENOENT);
}

TEST_F(names_test, remove_is_for_files_and_rmdir_for_directories) {
    EXPECT_EQ(c.remove(root, "a"), EISDIR);
    EXPECT_EQ(c.rmdir(a, "f"), ENOTDIR);
    EXPECT_EQ(c.rmdir(root, "a"), ENOTEMPTY);
    EXPECT_EQ(c.remove(a, "f"), 0);
    EXPECT_EQ(c.rmdir(root, "a"), 0);
    EXPECT_FALSE(has(1, "a"));
}

TEST_F(names_test, rename_moves_within_and_between_directories) {
    EXPECT_EQ(c.rename(a, "f", a, "f2"), 0); // one directory, locked once
    EXPECT_EQ(c.rename(a, "f2", b, "h"), 0);
    EXPECT_EQ(c.rename(b, "h", b, "g"), 0); // over another file
    EXPECT_EQ(m.server.at(b_id).names.at("g"), f_id);
    EXPECT_FALSE(m.server.objects.contains(g_id));
    EXPECT_EQ(c.rename(b, "nothing", a, "x"), ENOENT);
}

TEST_F(names_test, rename_of_two_links_of_one_file_does_nothing) { // POSIX rename
    ASSERT_TRUE(c.link(b, c.lookup(a, "f")->node, "f"));
    EXPECT_EQ(c.rename(a, "f", b, "f"), 0);
    EXPECT_TRUE(has(a_id, "f"));
    EXPECT_TRUE(has(b_id, "f"));
    EXPECT_EQ(c.rename(a, "f", a, "f"), 0);
    EXPECT_EQ(m.server.renames, 0);
}

TEST_F(names_test, rename_keeps_to_types) {
    EXPECT_EQ(c.rename(a, "f", root, "b"), EISDIR);
    EXPECT_EQ(c.rename(root, "a", b, "g"), ENOTDIR);
    EXPECT_EQ(c.rename(root, "a", a, "x"), EINVAL); // into itself
    EXPECT_EQ(c.rename(root, "b", a, "x"), 0);
    EXPECT_EQ(c.rename(a, "x", root, "a"), ENOTEMPTY); // over its own parent
    EXPECT_EQ(m.server.renames, 1);
}

TEST_F(names_test, rename_flags) {
    EXPECT_EQ(c.rename(a, "f", b, "g", RENAME_NOREPLACE), EEXIST);
    EXPECT_EQ(c.rename(a, "f", b, "h", RENAME_EXCHANGE), ENOENT);
    EXPECT_EQ(c.rename(a, "f", b, "g", RENAME_NOREPLACE | RENAME_EXCHANGE), EINVAL);
    EXPECT_EQ(c.rename(a, "f", b, "g", RENAME_WHITEOUT), EINVAL);
    EXPECT_EQ(m.server.renames, 0);
    EXPECT_EQ(c.rename(a, "f", b, "g", RENAME_EXCHANGE), 0);
    EXPECT_EQ(m.server.at(b_id).names.at("g"), f_id);
    EXPECT_EQ(c.rename(a, "f", root, "b", RENAME_EXCHANGE), 0); // types may differ
    EXPECT_EQ(c.rename(root, "b", root, "c", RENAME_NOREPLACE), 0);
}

TEST_F(names_test, a_server_that_names_no_flags_gets_none) {
    mounted<flagless_server> p;
    client k(p.um);
    p.server.add(1, "f", vtype::reg);
    p.server.add(1, "g", vtype::reg);
    EXPECT_EQ(k.rename(root, "f", root, "g", RENAME_EXCHANGE), EINVAL);
    EXPECT_EQ(k.rename(root, "f", root, "g", RENAME_NOREPLACE), EEXIST);
    EXPECT_EQ(k.rename(root, "f", root, "h", RENAME_NOREPLACE), 0);
}

TEST_F(names_test, rename_into_what_is_no_directory_or_gone) {
    const cookie f = c.lookup(a, "f")->node;
    EXPECT_EQ(c.rename(b, "g", f, "x"), ENOTDIR);
    EXPECT_EQ(c.remove(a, "f"), 0);
    EXPECT_EQ(c.give_back(f, 1), 0);
    EXPECT_EQ(c.rename(b, "g", f, "x"), ESTALE);
}

TEST_F(names_test, targets_are_not_counted_as_looked_up) { // spec: X6
    EXPECT_EQ(c.rename(a, "f", b, "f"), 0);
    EXPECT_EQ(m.um.live_nodes(), 3U); // the root and two directories
    EXPECT_EQ(m.server.reclaims[f_id], 1);
}

} // namespace
} // namespace puffs
