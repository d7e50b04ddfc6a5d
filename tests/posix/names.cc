// Names: making, removing, linking, renaming, listing.
#include "posix/calls.hh"
#include "posix/checks.hh"

#include <algorithm>
#include <array>
#include <dirent.h>
#include <linux/fs.h>
#include <set>
#include <sys/sysmacros.h>
#include <vector>

namespace puffs::test {
namespace {

int rename2(const path& from, const path& to, unsigned flags) {
    return ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags);
}

std::vector<std::string> list(const path& dir) {
    std::vector<std::string> names;
    DIR* d = ::opendir(dir.c_str());
    EXPECT_NE(d, nullptr);
    while (const dirent* e = ::readdir(d)) {
        names.emplace_back(e->d_name);
    }
    ::closedir(d);
    std::ranges::sort(names);
    return names;
}

void all_types(const path& dir) {
    make_file(dir / "reg");
    EXPECT_CALL_OK(::mkdir((dir / "dir").c_str(), 0755));
    EXPECT_CALL_OK(::symlink("target", (dir / "lnk").c_str()));
    EXPECT_CALL_OK(::mkfifo((dir / "fifo").c_str(), 0644));
    EXPECT_CALL_OK(::mknod((dir / "chr").c_str(), S_IFCHR | 0600, makedev(1, 3)));
    EXPECT_CALL_OK(::mknod((dir / "blk").c_str(), S_IFBLK | 0600, makedev(7, 200)));
    EXPECT_CALL_OK(::mknod((dir / "sock").c_str(), S_IFSOCK | 0600, 0));
    EXPECT_TRUE(S_ISREG(stat_of(dir / "reg").st_mode));
    EXPECT_TRUE(S_ISDIR(stat_of(dir / "dir").st_mode));
    EXPECT_TRUE(S_ISLNK(stat_of(dir / "lnk").st_mode));
    EXPECT_TRUE(S_ISFIFO(stat_of(dir / "fifo").st_mode));
    EXPECT_TRUE(S_ISCHR(stat_of(dir / "chr").st_mode));
    EXPECT_EQ(stat_of(dir / "chr").st_rdev, makedev(1, 3));
    EXPECT_TRUE(S_ISBLK(stat_of(dir / "blk").st_mode));
    EXPECT_EQ(stat_of(dir / "blk").st_rdev, makedev(7, 200));
    EXPECT_TRUE(S_ISSOCK(stat_of(dir / "sock").st_mode));
    std::set<std::pair<std::string, int>> types;
    DIR* d = ::opendir(dir.c_str());
    while (const dirent* e = ::readdir(d)) {
        types.emplace(e->d_name, e->d_type);
    }
    ::closedir(d);
    EXPECT_TRUE(types.contains({"fifo", DT_FIFO}) && types.contains({"lnk", DT_LNK}) &&
                types.contains({"dir", DT_DIR}) && types.contains({"chr", DT_CHR}) &&
                types.contains({"sock", DT_SOCK}) && types.contains({"reg", DT_REG}));
}

void names_of_255_bytes(const path& dir) {
    const std::string longest(255, 'n');
    make_file(dir / longest, "x");
    EXPECT_EQ(contents(dir / longest), "x");
    EXPECT_EQ(list(dir), (std::vector<std::string>{".", "..", longest}));
    EXPECT_CALL_FAILS(ENAMETOOLONG,
                      ::open((dir / (longest + "n")).c_str(), O_CREAT | O_WRONLY, 0644));
    EXPECT_CALL_FAILS(ENAMETOOLONG, ::mkdir((dir / (longest + "n")).c_str(), 0755));
    EXPECT_CALL_OK(::rename((dir / longest).c_str(), (dir / std::string(255, 'm')).c_str()));
}

void names_of_any_bytes(const path& dir) {
    for (int c = 1; c < 256; ++c) {
        if (c != '/') {
            make_file(dir / (std::string("x") + static_cast<char>(c)));
        }
    }
    EXPECT_EQ(list(dir).size(), 2U + 254U);
}

void exclusive_create(const path& dir) {
    make_file(dir / "f", "keep");
    EXPECT_CALL_FAILS(EEXIST, ::open((dir / "f").c_str(), O_CREAT | O_EXCL | O_WRONLY, 0644));
    EXPECT_CALL_FAILS(EEXIST, ::mkdir((dir / "f").c_str(), 0755));
    EXPECT_CALL_FAILS(EEXIST, ::symlink("x", (dir / "f").c_str()));
    EXPECT_CALL_FAILS(EEXIST, ::mknod((dir / "f").c_str(), S_IFREG | 0644, 0));
    EXPECT_EQ(contents(dir / "f"), "keep");
    EXPECT_CALL_FAILS(ENOENT, ::open((dir / "none").c_str(), O_RDONLY));
    EXPECT_CALL_FAILS(ENOTDIR, ::open((dir / "f" / "below").c_str(), O_RDONLY));
}

void remove_rules(const path& dir) {
    make_file(dir / "f");
    ::mkdir((dir / "d").c_str(), 0755);
    make_file(dir / "d" / "inside");
    EXPECT_CALL_FAILS(EISDIR, ::unlink((dir / "d").c_str()));
    EXPECT_CALL_FAILS(ENOTDIR, ::rmdir((dir / "f").c_str()));
    EXPECT_CALL_FAILS(ENOTEMPTY, ::rmdir((dir / "d").c_str()));
    EXPECT_CALL_FAILS(ENOENT, ::unlink((dir / "none").c_str()));
    EXPECT_CALL_FAILS(ENOENT, ::rmdir((dir / "none").c_str()));
    EXPECT_CALL_OK(::unlink((dir / "d" / "inside").c_str()));
    EXPECT_CALL_OK(::rmdir((dir / "d").c_str()));
    EXPECT_CALL_OK(::unlink((dir / "f").c_str()));
    EXPECT_EQ(list(dir), (std::vector<std::string>{".", ".."}));
}

void link_counts(const path& dir) {
    EXPECT_EQ(stat_of(dir).st_nlink, 2U);
    ::mkdir((dir / "a").c_str(), 0755);
    ::mkdir((dir / "b").c_str(), 0755);
    EXPECT_EQ(stat_of(dir).st_nlink, 4U);
    EXPECT_EQ(stat_of(dir / "a").st_nlink, 2U);
    ::mkdir((dir / "a" / "c").c_str(), 0755);
    EXPECT_CALL_OK(::rename((dir / "a" / "c").c_str(), (dir / "b" / "c").c_str()));
    EXPECT_EQ(stat_of(dir / "a").st_nlink, 2U);
    EXPECT_EQ(stat_of(dir / "b").st_nlink, 3U);
    ::rmdir((dir / "a").c_str());
    EXPECT_EQ(stat_of(dir).st_nlink, 3U);
}

void hard_links(const path& dir) {
    make_file(dir / "a", "one");
    EXPECT_CALL_OK(::link((dir / "a").c_str(), (dir / "b").c_str()));
    EXPECT_EQ(stat_of(dir / "a").st_nlink, 2U);
    EXPECT_EQ(stat_of(dir / "a").st_ino, stat_of(dir / "b").st_ino);
    make_file(dir / "b", "two!");
    EXPECT_EQ(contents(dir / "a"), "two!");
    EXPECT_EQ(stat_of(dir / "a").st_size, 4);
    EXPECT_CALL_FAILS(EEXIST, ::link((dir / "a").c_str(), (dir / "b").c_str()));
    ::mkdir((dir / "d").c_str(), 0755);
    EXPECT_CALL_FAILS(EPERM, ::link((dir / "d").c_str(), (dir / "e").c_str()));
    EXPECT_CALL_OK(::link((dir / "a").c_str(), (dir / "d" / "c").c_str()));
    EXPECT_CALL_OK(::unlink((dir / "a").c_str()));
    EXPECT_EQ(stat_of(dir / "b").st_nlink, 2U);
    EXPECT_CALL_OK(::unlink((dir / "b").c_str()));
    EXPECT_EQ(contents(dir / "d" / "c"), "two!");
    EXPECT_EQ(stat_of(dir / "d" / "c").st_nlink, 1U);
    EXPECT_CALL_OK(::symlink("nowhere", (dir / "s").c_str()));
    EXPECT_CALL_OK(::link((dir / "s").c_str(), (dir / "s2").c_str()));
    EXPECT_EQ(stat_of(dir / "s2").st_nlink, 2U);
}

void symbolic_links(const path& dir) {
    make_file(dir / "f", "data");
    EXPECT_CALL_OK(::symlink("f", (dir / "s").c_str()));
    EXPECT_EQ(contents(dir / "s"), "data");
    EXPECT_EQ(stat_of(dir / "s").st_size, 1);
    char buffer[8] = {};
    EXPECT_EQ(::readlink((dir / "s").c_str(), buffer, sizeof(buffer)), 1);
    EXPECT_CALL_FAILS(EINVAL, ::readlink((dir / "f").c_str(), buffer, sizeof(buffer)));
    const std::string longest(4095, 'l');
    EXPECT_CALL_OK(::symlink(longest.c_str(), (dir / "long").c_str()));
    std::string target(5000, 0);
    EXPECT_EQ(::readlink((dir / "long").c_str(), target.data(), target.size()), 4095);
    EXPECT_EQ(target.substr(0, 4095), longest);
    EXPECT_CALL_OK(::symlink("loop", (dir / "loop").c_str()));
    EXPECT_CALL_FAILS(ELOOP, ::open((dir / "loop").c_str(), O_RDONLY));
}

void rename_replaces(const path& dir) {
    make_file(dir / "a", "A");
    make_file(dir / "b", "B");
    const ino_t a = stat_of(dir / "a").st_ino;
    const descriptor open_b(dir / "b", O_RDONLY);
    EXPECT_CALL_OK(::rename((dir / "a").c_str(), (dir / "b").c_str()));
    EXPECT_FALSE(is_there(dir / "a"));
    EXPECT_EQ(stat_of(dir / "b").st_ino, a);
    char byte = 0;
    EXPECT_EQ(::read(open_b, &byte, 1), 1);
    EXPECT_EQ(byte, 'B'); // the one that was replaced lives as long as it is open
    struct stat st {};
    ::fstat(open_b, &st);
    EXPECT_EQ(st.st_nlink, 0U);
}

void rename_rules(const path& dir) {
    make_file(dir / "f");
    ::mkdir((dir / "d").c_str(), 0755);
    ::mkdir((dir / "e").c_str(), 0755);
    make_file(dir / "e" / "x");
    EXPECT_CALL_FAILS(EISDIR, ::rename((dir / "f").c_str(), (dir / "d").c_str()));
    EXPECT_CALL_FAILS(ENOTDIR, ::rename((dir / "d").c_str(), (dir / "f").c_str()));
    EXPECT_CALL_FAILS(ENOTEMPTY, ::rename((dir / "d").c_str(), (dir / "e").c_str()));
    EXPECT_CALL_FAILS(EINVAL, ::rename((dir / "e").c_str(), (dir / "e" / "below").c_str()));
    EXPECT_CALL_FAILS(ENOENT, ::rename((dir / "none").c_str(), (dir / "g").c_str()));
    EXPECT_CALL_OK(::rename((dir / "e").c_str(), (dir / "d").c_str())); // onto an empty directory
    EXPECT_TRUE(is_there(dir / "d" / "x"));
    EXPECT_FALSE(is_there(dir / "e"));
    EXPECT_CALL_OK(::rename((dir / "f").c_str(), (dir / "f").c_str())); // onto itself
    EXPECT_TRUE(is_there(dir / "f"));
    ::link((dir / "f").c_str(), (dir / "g").c_str());
    EXPECT_CALL_OK(::rename((dir / "f").c_str(),
                            (dir / "g").c_str())); // two names of one file: nothing happens
    EXPECT_TRUE(is_there(dir / "f") && is_there(dir / "g"));
}

void rename_moves_directories(const path& dir) {
    ::mkdir((dir / "a").c_str(), 0755);
    ::mkdir((dir / "b").c_str(), 0755);
    ::mkdir((dir / "a" / "d").c_str(), 0755);
    make_file(dir / "a" / "d" / "f", "deep");
    EXPECT_CALL_OK(::rename((dir / "a" / "d").c_str(), (dir / "b" / "d2").c_str()));
    EXPECT_EQ(contents(dir / "b" / "d2" / "f"), "deep");
    EXPECT_EQ(stat_of(dir / "b" / "d2" / "..").st_ino, stat_of(dir / "b").st_ino);
    EXPECT_EQ(list(dir / "a"), (std::vector<std::string>{".", ".."}));
    EXPECT_CALL_FAILS(EINVAL, ::rename((dir / "b").c_str(), (dir / "b" / "d2" / "b").c_str()));
}

void rename_noreplace(const path& dir) {
    make_file(dir / "a", "A");
    make_file(dir / "b", "B");
    EXPECT_CALL_FAILS(EEXIST, rename2(dir / "a", dir / "b", RENAME_NOREPLACE));
    EXPECT_EQ(contents(dir / "b"), "B");
    EXPECT_CALL_OK(rename2(dir / "a", dir / "c", RENAME_NOREPLACE));
    EXPECT_EQ(contents(dir / "c"), "A");
}

void rename_exchange(const path& dir) {
    make_file(dir / "f", "F");
    ::mkdir((dir / "d").c_str(), 0755);
    ::mkdir((dir / "d" / "s").c_str(), 0755);
    make_file(dir / "d" / "s" / "inner");
    EXPECT_CALL_OK(rename2(dir / "f", dir / "d" / "s", RENAME_EXCHANGE));
    EXPECT_EQ(contents(dir / "d" / "s"), "F");
    EXPECT_TRUE(is_there(dir / "f" / "inner"));
    EXPECT_EQ(stat_of(dir / "f" / "..").st_ino, stat_of(dir).st_ino);
    EXPECT_EQ(stat_of(dir).st_nlink, 4U);
    EXPECT_EQ(stat_of(dir / "d").st_nlink, 2U);
    EXPECT_CALL_FAILS(ENOENT, rename2(dir / "f", dir / "none", RENAME_EXCHANGE));
    EXPECT_CALL_FAILS(EINVAL,
                      rename2(dir / "f", dir / "d" / "s", RENAME_EXCHANGE | RENAME_NOREPLACE));
}

void removed_directory_that_is_in_use(const path& dir) {
    ::mkdir((dir / "d").c_str(), 0755);
    const descriptor d(dir / "d", O_RDONLY | O_DIRECTORY);
    EXPECT_CALL_OK(::rmdir((dir / "d").c_str()));
    EXPECT_CALL_FAILS(ENOENT, ::openat(d, "f", O_CREAT | O_WRONLY, 0644));
    EXPECT_CALL_FAILS(ENOENT, ::mkdirat(d, "e", 0755));
    struct stat st {};
    EXPECT_CALL_OK(::fstat(d, &st));
    EXPECT_EQ(st.st_nlink, 0U);
}

void readdir_is_stable_under_change(const path& dir) {
    constexpr int count = 2000;
    for (int i = 0; i < count; ++i) {
        make_file(dir / ("stay" + std::to_string(i)));
        make_file(dir / ("go" + std::to_string(i)));
    }
    std::vector<std::string> seen;
    DIR* d = ::opendir(dir.c_str());
    ASSERT_NE(d, nullptr);
    int changed = 0;
    while (const dirent* e = ::readdir(d)) {
        seen.emplace_back(e->d_name);
        if (seen.size() % 2 == 0 && changed < count) {
            ::unlink((dir / ("go" + std::to_string(changed))).c_str());
            make_file(dir / ("new" + std::to_string(changed)));
            ++changed;
        }
    }
    ::closedir(d);
    std::ranges::sort(seen);
    EXPECT_EQ(std::ranges::adjacent_find(seen), seen.end()) << "a name was seen twice";
    EXPECT_EQ(
        std::ranges::count_if(seen, [](const std::string& n) { return n.starts_with("stay"); }),
        count);
}

void seekdir_returns_to_the_same_place(const path& dir) {
    for (int i = 0; i < 300; ++i) {
        make_file(dir / std::to_string(i));
    }
    DIR* d = ::opendir(dir.c_str());
    ASSERT_NE(d, nullptr);
    for (int i = 0; i < 100; ++i) {
        ASSERT_NE(::readdir(d), nullptr);
    }
    const long place = ::telldir(d);
    const std::string next = ::readdir(d)->d_name;
    while (::readdir(d) != nullptr) {
    }
    ::seekdir(d, place);
    EXPECT_EQ(next, ::readdir(d)->d_name);
    ::rewinddir(d);
    int count = 0;
    while (::readdir(d) != nullptr) {
        ++count;
    }
    EXPECT_EQ(count, 302);
    ::closedir(d);
}

constexpr std::array table = {
    posix_check{"all_types", all_types},
    posix_check{"names_of_255_bytes", names_of_255_bytes},
    posix_check{"names_of_any_bytes", names_of_any_bytes},
    posix_check{"exclusive_create", exclusive_create},
    posix_check{"remove_rules", remove_rules},
    posix_check{"link_counts", link_counts},
    posix_check{"hard_links", hard_links},
    posix_check{"symbolic_links", symbolic_links},
    posix_check{"rename_replaces", rename_replaces},
    posix_check{"rename_rules", rename_rules},
    posix_check{"rename_moves_directories", rename_moves_directories},
    posix_check{"rename_noreplace", rename_noreplace},
    posix_check{"rename_exchange", rename_exchange},
    posix_check{"removed_directory_that_is_in_use", removed_directory_that_is_in_use},
    posix_check{"readdir_is_stable_under_change", readdir_is_stable_under_change},
    posix_check{"seekdir_returns_to_the_same_place", seekdir_returns_to_the_same_place},
};

} // namespace

std::span<const posix_check> name_checks() {
    return table;
}

} // namespace puffs::test
