#include "daemon/mountpoint.hh"

#include "support/temp_dir.hh"

#include <filesystem>
#include <gtest/gtest.h>

namespace puffs::daemon {
namespace {

constexpr std::string_view table = "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
                                   "40 22 0:40 / /mnt/a rw,nosuid - fuse.memfs none rw,user_id=0\n"
                                   "41 22 0:41 / /mnt/b\\040c rw - fuse none rw\n"
                                   "42 22 0:42 / /mnt/tmp rw shared:2 master:3 - tmpfs none rw\n"
                                   "43 22 0:43 / /mnt/under rw - fuse.memfs none rw\n"
                                   "44 43 0:44 / /mnt/under rw - tmpfs none rw\n"
                                   "45 22 0:45 / /mnt/over rw - tmpfs none rw\n"
                                   "46 45 0:46 / /mnt/over rw - fuseblk /dev/sdb rw\n"
                                   "47 22 0:47 / /mnt/dash - x rw - fuse.odd none rw\n"
                                   "48 22 0:48 / /mnt/ctl rw - fusectl none rw\n";

TEST(mountpoint, type_of_what_is_mounted_topmost) {
    EXPECT_EQ(type_mounted_at(table, "/mnt/a"), "fuse.memfs");
    EXPECT_EQ(type_mounted_at(table, "/mnt/b c"), "fuse");
    EXPECT_EQ(type_mounted_at(table, "/mnt/tmp"), std::nullopt);
    EXPECT_EQ(type_mounted_at(table, "/mnt/under"), std::nullopt);
    EXPECT_EQ(type_mounted_at(table, "/mnt/over"), "fuseblk");
    EXPECT_EQ(type_mounted_at(table, "/mnt/ctl"), std::nullopt);
    EXPECT_EQ(type_mounted_at(table, "/mnt"), std::nullopt);
    EXPECT_EQ(type_mounted_at(table, "/mnt/a/"), std::nullopt);
}

TEST(mountpoint, all_that_is_mounted_there_has_its_numbers) {
    EXPECT_EQ(mounts_at(table, "/mnt/under"),
              (std::vector<mount_entry>{{"43", "0:43", "fuse.memfs"}, {"44", "0:44", "tmpfs"}}));
    EXPECT_TRUE(mounts_at(table, "/mnt").empty());
}

TEST(mountpoint, every_prefix_of_a_mount_table_is_read_without_harm) {
    for (std::size_t length = 0; length <= table.size(); ++length) {
        const std::string cut(table.substr(0, length)); // its own buffer, for the address sanitizer
        EXPECT_EQ(type_mounted_at(cut, "/nowhere"), std::nullopt);
    }
}

TEST(mountpoint, own_table_can_be_read) {
    const auto at_root = mounted_at("/");
    ASSERT_TRUE(at_root) << at_root.error().message;
    EXPECT_EQ(*at_root, std::nullopt);
}

TEST(mountpoint, only_canonical_paths_are_taken) {
    EXPECT_TRUE(check_mountpoint("/mnt/a"));
    EXPECT_TRUE(check_mountpoint("/mnt/a b/-c"));
    for (const auto* path : {"", "mnt", "/", "//", "/mnt/", "/mnt//a", "/mnt/./a", "/mnt/../a",
                             "/mnt/..", "/mnt/a\n", "/mnt/\x7f"}) {
        const auto checked = check_mountpoint(path);
        ASSERT_FALSE(checked) << path;
        EXPECT_EQ(checked.error().code, failure_code::bad_request);
    }
    EXPECT_TRUE(check_mountpoint("/" + std::string(4094, 'x')));
    EXPECT_FALSE(check_mountpoint("/" + std::string(4095, 'x')));
}

TEST(mountpoint, canonical_path_follows_links_and_survives_missing_ones) {
    const puffs::test::temp_dir tmp;
    const auto real = tmp.directory("real");
    std::filesystem::create_directory_symlink(real, tmp.path().string() + "/link");
    EXPECT_EQ(canonical_mountpoint(tmp.path().string() + "/link/"), real);
    EXPECT_EQ(canonical_mountpoint(tmp.path().string() + "/./no/../such//dir/"),
              tmp.path().string() + "/such/dir");
}

TEST(mountpoint, lies_below_needs_a_whole_component) {
    EXPECT_TRUE(lies_below("/a/b", "/a"));
    EXPECT_FALSE(lies_below("/ab", "/a"));
    EXPECT_FALSE(lies_below("/a", "/a"));
    EXPECT_FALSE(lies_below("/a", "/a/b"));
}

} // namespace
} // namespace puffs::daemon
