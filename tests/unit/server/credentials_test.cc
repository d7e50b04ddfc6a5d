#include "puffs/server/credentials.hh"

#include <grp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace puffs {
namespace {

constexpr std::uint32_t keep = 0xffffffff;

msg::attr object(std::uint32_t mode, std::uint32_t uid = 10, std::uint32_t gid = 20) {
    msg::attr va;
    va.mode = mode;
    va.uid = uid;
    va.gid = gid;
    return va;
}
msg::caller user(std::uint32_t uid, std::uint32_t gid = 99) {
    return {.pid = 0, .uid = uid, .gid = gid};
}
int code(const result<void>& r) {
    return errno_of(r);
}

TEST(access, takes_the_first_class_that_fits_and_no_other) { // POSIX 4.5
    const auto va = object(0100640);
    EXPECT_EQ(code(access(user(10), va, access_read | access_write)), 0);
    EXPECT_EQ(code(access(user(10), va, access_execute)), EACCES);
    EXPECT_EQ(code(access(user(11, 20), va, access_read)), 0);
    EXPECT_EQ(code(access(user(11, 20), va, access_write)), EACCES);
    EXPECT_EQ(code(access(user(11), va, access_read)), EACCES);
    EXPECT_EQ(code(access(user(10), object(0100077), access_read)), EACCES); // owner, not other
    EXPECT_EQ(code(access(user(11, 20), object(0100707), access_read)), EACCES);
    EXPECT_EQ(code(access(user(11), object(0100704), access_read)), 0);
}

TEST(access, root_needs_one_execute_bit_for_files) {
    EXPECT_EQ(code(access(user(0), object(0100000), access_read | access_write)), 0);
    EXPECT_EQ(code(access(user(0), object(0100600), access_execute)), EACCES);
    EXPECT_EQ(code(access(user(0), object(0100001), access_execute)), 0);
    EXPECT_EQ(code(access(user(0), object(040000), access_execute)), 0);
}

TEST(access, chown_is_for_root_but_for_groups_that_one_is_in) {
    const auto va = object(0100644);
    EXPECT_EQ(code(access_chown(user(0), va, 1, 2)), 0);
    EXPECT_EQ(code(access_chown(user(10), va, 11, keep)), EPERM);
    EXPECT_EQ(code(access_chown(user(10), va, 10, keep)), 0);
    EXPECT_EQ(code(access_chown(user(10, 30), va, keep, 30)), 0);
    EXPECT_EQ(code(access_chown(user(10, 30), va, keep, 31)), EPERM);
    EXPECT_EQ(code(access_chown(user(10, 30), va, keep, 20)), 0); // no change
    EXPECT_EQ(code(access_chown(user(11, 20), va, keep, 20)), EPERM);
}

TEST(access, chmod_is_for_the_owner) {
    EXPECT_EQ(code(access_chmod(user(10), object(0100644), 0600)), 0);
    EXPECT_EQ(code(access_chmod(user(11), object(0100644), 0600)), EPERM);
    EXPECT_EQ(code(access_chmod(user(0), object(0100644), 02755)), 0);
    EXPECT_EQ(code(access_chmod(user(10, 21), object(0100644), 02755)), EPERM);
    EXPECT_EQ(code(access_chmod(user(10, 20), object(0100644), 02755)), 0);
    EXPECT_EQ(code(access_chmod(user(10, 21), object(040755), 02755)), 0);
}

TEST(access, times_to_now_need_write_others_ownership) {
    EXPECT_EQ(code(access_times(user(11), object(0100602), true)), 0);
    EXPECT_EQ(code(access_times(user(11), object(0100600), true)), EACCES);
    EXPECT_EQ(code(access_times(user(11), object(0100602), false)), EPERM);
    EXPECT_EQ(code(access_times(user(10), object(0100000), false)), 0);
    EXPECT_EQ(code(access_times(user(0), object(0100000), false)), 0);
}

TEST(access, sticky_directories_protect_entries_of_others) {
    const auto dir = object(041777, 10), entry = object(0100666, 12);
    EXPECT_EQ(code(access_sticky(user(11), dir, entry)), EPERM);
    EXPECT_EQ(code(access_sticky(user(10), dir, entry)), 0);
    EXPECT_EQ(code(access_sticky(user(12), dir, entry)), 0);
    EXPECT_EQ(code(access_sticky(user(0), dir, entry)), 0);
    EXPECT_EQ(code(access_sticky(user(11), object(040777), entry)), 0);
}

TEST(access, supplementary_groups_come_from_the_caller_itself) {
    // A child with groups of its own stands for the caller; without privilege, ours have to do.
    std::vector<gid_t> groups(static_cast<std::size_t>(getgroups(0, nullptr)));
    groups.resize(
        static_cast<std::size_t>(getgroups(static_cast<int>(groups.size()), groups.data())));
    int to_child[2], from_child[2];
    ASSERT_EQ(pipe(to_child), 0);
    ASSERT_EQ(pipe(from_child), 0);
    const pid_t child = fork();
    if (child == 0) {
        const gid_t own[] = {4242, 4343};
        const char set = setgroups(2, own) == 0 ? 'y' : 'n';
        char wait = 0;
        _exit(write(from_child[1], &set, 1) == 1 && read(to_child[0], &wait, 1) == 1 ? 0 : 1);
    }
    char set = 0;
    ASSERT_EQ(read(from_child[0], &set, 1), 1);
    msg::caller who{.pid = static_cast<std::uint32_t>(child), .uid = 11, .gid = 99};
    if (set == 'y') {
        groups = {4242, 4343};
    }
    for (const gid_t g : groups) {
        EXPECT_TRUE(is_member(who, g));
    }
    EXPECT_TRUE(is_member(who, 99));
    EXPECT_FALSE(is_member(who, 4444));
    if (set == 'y') {
        EXPECT_EQ(code(access(who, object(0100640, 10, 4343), access_read)), 0);
        EXPECT_EQ(code(access(who, object(0100604, 10, 4343), access_read)), EACCES);
        EXPECT_EQ(code(access(who, object(0100640, 10, 4444), access_read)), EACCES);
    }
    who.pid = 0; // in a namespace that we do not see
    EXPECT_FALSE(is_member(who, 4242));
    ASSERT_EQ(write(to_child[1], "x", 1), 1);
    for (const int fd : {to_child[0], to_child[1], from_child[0], from_child[1]}) {
        close(fd);
    }
    waitpid(child, nullptr, 0);
}

} // namespace
} // namespace puffs
