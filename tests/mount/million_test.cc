// A million names in one directory of memfs: made, listed, looked up, removed.
#include "support/mount/mounted.hh"
#include "support/sanitized.hh"

#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <vector>

namespace puffs::test {
namespace {

constexpr unsigned names = sim::times(1000000U, 10U);

std::string name_of(unsigned number) {
    return "file" + std::to_string(number);
}

// Reads the directory to its end, `pause` in between; how often each number was seen.
std::vector<unsigned char> list(int dir, const std::function<void(unsigned)>& pause) {
    std::vector<unsigned char> seen(names);
    const int copy = ::openat(dir, ".", O_RDONLY | O_DIRECTORY);
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(copy), &::closedir);
    EXPECT_NE(entries, nullptr);
    unsigned count = 0;
    while (const dirent* e = ::readdir(entries.get())) {
        const std::string_view name = e->d_name;
        if (name == "." || name == "..") {
            continue;
        }
        const unsigned long number = std::strtoul(e->d_name + 4, nullptr, 10);
        if (!name.starts_with("file") || number >= names) {
            ADD_FAILURE() << name;
            break;
        }
        ++seen[number];
        pause(++count);
    }
    return seen;
}

TEST(memfs_million, names_in_one_directory) {
    mounted_server s(
        MEMFS, {.arguments = {"-o", "size=1G"}, .uid = 0, .start_limit = std::chrono::seconds(20)});
    ASSERT_TRUE(s.ready()) << s.log();
    ASSERT_EQ(::mkdir((s.path() / "d").c_str(), 0755), 0);
    const int dir = ::open((s.path() / "d").c_str(), O_RDONLY | O_DIRECTORY);
    ASSERT_GE(dir, 0);
    for (unsigned n = 0; n < names; ++n) {
        ASSERT_EQ(::mknodat(dir, name_of(n).c_str(), S_IFREG | 0600, 0), 0) << n << " " << errno;
    }
    struct stat st {};
    for (unsigned n = 0; n < names; n += 997) {
        ASSERT_EQ(::fstatat(dir, name_of(n).c_str(), &st, 0), 0) << n;
        ASSERT_EQ(::fstatat(dir, ("x" + name_of(n)).c_str(), &st, 0), -1);
        ASSERT_EQ(errno, ENOENT);
    }
    // Every third of the first thousand goes, and comes back, while the listing is under way.
    const auto seen = list(dir, [&](unsigned count) {
        if (count % 300 == 0 && count < 100000) {
            const std::string name = name_of(count / 100);
            EXPECT_EQ(::unlinkat(dir, name.c_str(), 0), 0);
            EXPECT_EQ(::mknodat(dir, name.c_str(), S_IFREG | 0600, 0), 0);
        }
    });
    unsigned missing = 0;
    for (unsigned n = 0; n < names; ++n) {
        const bool came_and_went = n < 1000 && n % 3 == 0;
        missing += !came_and_went && seen[n] != 1 ? 1 : 0;
    }
    EXPECT_EQ(missing, 0U);
    for (unsigned n = 0; n < names; ++n) {
        ASSERT_EQ(::unlinkat(dir, name_of(n).c_str(), 0), 0) << n << " " << errno;
    }
    list(dir, [](unsigned) { FAIL() << "something is left"; });
    ::close(dir);
    EXPECT_EQ(::rmdir((s.path() / "d").c_str()), 0);
    // All of it comes back, as soon as the kernel has forgotten the last file.
    struct statvfs after {};
    const auto used = [&] {
        EXPECT_EQ(::statvfs(s.path().c_str(), &after), 0);
        return after.f_blocks - after.f_bfree;
    };
    for (int i = 0; i < 30000 && used() > 2; ++i) {
        ::usleep(1000);
    }
    EXPECT_LE(used(), 2U);
    s.stop();
}

} // namespace
} // namespace puffs::test
