// Attributes: modes, owners, permissions, times, extended attributes.
#include "posix/calls.hh"
#include "posix/checks.hh"

#include <array>
#include <sys/statvfs.h>
#include <sys/xattr.h>

namespace puffs::test {
namespace {

void umask_applies(const path& dir) {
    const mode_t before = ::umask(027);
    make_file(dir / "f");
    ::mkdir((dir / "d").c_str(), 0777);
    ::umask(before);
    EXPECT_EQ(stat_of(dir / "f").st_mode & 07777, 0640U & 0644U);
    EXPECT_EQ(stat_of(dir / "d").st_mode & 07777, 0750U);
}

void chmod_and_chown(const path& dir) {
    make_file(dir / "f");
    EXPECT_CALL_OK(::chmod((dir / "f").c_str(), 07751));
    EXPECT_EQ(stat_of(dir / "f").st_mode, S_IFREG | 07751U);
    EXPECT_CALL_OK(::chown((dir / "f").c_str(), alice, bob));
    EXPECT_EQ(stat_of(dir / "f").st_uid, alice);
    EXPECT_EQ(stat_of(dir / "f").st_gid, bob);
    EXPECT_EQ(stat_of(dir / "f").st_mode & 06000, 0U) << "chown must drop set-id bits";
    EXPECT_CALL_OK(::chown((dir / "f").c_str(), static_cast<uid_t>(-1), alice));
    EXPECT_EQ(stat_of(dir / "f").st_uid, alice);
    EXPECT_EQ(stat_of(dir / "f").st_gid, alice);
}

void permissions_of_others(const path& dir) {
    ::chmod(dir.c_str(), 0755);
    make_file(dir / "mine", "secret");
    ::chmod((dir / "mine").c_str(), 0600);
    make_file(dir / "open", "public");
    const std::string mine = dir / "mine";
    const std::string open = dir / "open";
    EXPECT_EQ(as_user(alice, [&] { return errno_if(::open(mine.c_str(), O_RDONLY) < 0); }), EACCES);
    EXPECT_EQ(as_user(alice, [&] { return errno_if(::open(open.c_str(), O_RDONLY) < 0); }), 0);
    EXPECT_EQ(as_user(alice, [&] { return errno_if(::open(open.c_str(), O_RDWR) < 0); }), EACCES);
    EXPECT_EQ(as_user(alice, [&] { return errno_if(::unlink(open.c_str()) < 0); }), EACCES);
    EXPECT_EQ(as_user(alice, [&] { return errno_if(::chmod(open.c_str(), 0777) < 0); }), EPERM);
    EXPECT_EQ(as_user(alice, [&] { return errno_if(::chown(open.c_str(), alice, alice) < 0); }),
              EPERM);
    EXPECT_EQ(as_user(alice, [&] { return errno_if(::access(mine.c_str(), R_OK) < 0); }), EACCES);
    ::chmod((dir).c_str(), 0700);
    EXPECT_EQ(as_user(alice, [&] { return errno_if(::open(open.c_str(), O_RDONLY) < 0); }), EACCES);
}

void files_belong_to_who_makes_them(const path& dir) {
    ::chmod(dir.c_str(), 0777);
    const std::string f = dir / "f";
    EXPECT_EQ(
        as_user(alice, [&] { return errno_if(::open(f.c_str(), O_CREAT | O_WRONLY, 0644) < 0); }),
        0);
    EXPECT_EQ(stat_of(f).st_uid, alice);
    EXPECT_EQ(stat_of(f).st_gid, alice);
}

void sticky_directory(const path& dir) {
    ::chmod(dir.c_str(), 01777);
    const std::string a = dir / "a";
    const std::string b = dir / "b";
    make_file(a);
    make_file(b);
    ::chown(a.c_str(), alice, alice);
    ::chown(b.c_str(), bob, bob);
    EXPECT_EQ(as_user(alice, [&] { return errno_if(::unlink(b.c_str()) < 0); }), EPERM);
    EXPECT_EQ(as_user(alice, [&] { return errno_if(::rename(b.c_str(), (b + "x").c_str()) < 0); }),
              EPERM);
    EXPECT_EQ(as_user(alice, [&] { return errno_if(::rename(a.c_str(), b.c_str()) < 0); }), EPERM);
    EXPECT_EQ(as_user(alice, [&] { return errno_if(::unlink(a.c_str()) < 0); }), 0);
}

void set_gid_directory(const path& dir) {
    ::chown(dir.c_str(), 0, bob);
    ::chmod(dir.c_str(), 02777);
    make_file(dir / "f");
    ::mkdir((dir / "d").c_str(), 0755);
    EXPECT_EQ(stat_of(dir / "f").st_gid, bob);
    EXPECT_EQ(stat_of(dir / "d").st_gid, bob);
    EXPECT_EQ(stat_of(dir / "d").st_mode & 02000, 02000U);
}

void set_id_bits_go_when_others_write(const path& dir) {
    ::chmod(dir.c_str(), 0755);
    const std::string f = dir / "f";
    make_file(f, "x");
    ::chmod(f.c_str(), 06777);
    EXPECT_EQ(as_user(alice,
                      [&] {
                          const int fd = ::open(f.c_str(), O_WRONLY);
                          return errno_if(fd < 0 || ::write(fd, "y", 1) != 1);
                      }),
              0);
    EXPECT_EQ(stat_of(f).st_mode & 07777, 0777U);
    ::chmod(f.c_str(), 06777);
    EXPECT_EQ(as_user(alice, [&] { return errno_if(::truncate(f.c_str(), 0) < 0); }), 0);
    EXPECT_EQ(stat_of(f).st_mode & 07777, 0777U);
}

void times_in_nanoseconds(const path& dir) {
    make_file(dir / "f");
    const timespec times[2] = {{1234567890, 123456789}, {-5, 987654321}};
    EXPECT_CALL_OK(::utimensat(AT_FDCWD, (dir / "f").c_str(), times, 0));
    const struct stat st = stat_of(dir / "f");
    EXPECT_EQ(st.st_atim.tv_sec, 1234567890);
    EXPECT_EQ(st.st_atim.tv_nsec, 123456789);
    EXPECT_EQ(st.st_mtim.tv_sec, -5);
    EXPECT_EQ(st.st_mtim.tv_nsec, 987654321);
    const timespec keep[2] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
    EXPECT_CALL_OK(::utimensat(AT_FDCWD, (dir / "f").c_str(), keep, 0));
    EXPECT_EQ(stat_of(dir / "f").st_atim.tv_sec, 1234567890);
    EXPECT_GT(stat_of(dir / "f").st_mtim.tv_sec, 1600000000);
}

bool later(const timespec& a, const timespec& b) {
    return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

// Marks times in the past, so that any update shows however fast it comes.
void age(const path& p) {
    const timespec old[2] = {{1000, 0}, {1000, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, p.c_str(), old, AT_SYMLINK_NOFOLLOW), 0);
}

void operations_set_times(const path& dir) {
    make_file(dir / "f", "x");
    const auto changed = [&](const char* what, auto&& call) {
        age(dir);
        call();
        EXPECT_GT(stat_of(dir).st_mtim.tv_sec, 1000) << what;
    };
    changed("create", [&] { make_file(dir / "g"); });
    changed("mkdir", [&] { ::mkdir((dir / "d").c_str(), 0755); });
    changed("symlink", [&] { ::symlink("x", (dir / "s").c_str()); });
    changed("link", [&] { ::link((dir / "f").c_str(), (dir / "h").c_str()); });
    changed("rename", [&] { ::rename((dir / "h").c_str(), (dir / "i").c_str()); });
    changed("unlink", [&] { ::unlink((dir / "i").c_str()); });
    changed("rmdir", [&] { ::rmdir((dir / "d").c_str()); });
    age(dir / "f");
    const timespec before = stat_of(dir / "f").st_ctim;
    ::chmod((dir / "f").c_str(), 0600);
    EXPECT_TRUE(later(stat_of(dir / "f").st_ctim, before));
    EXPECT_EQ(stat_of(dir / "f").st_mtim.tv_sec, 1000);
    {
        const descriptor fd(dir / "f", O_WRONLY);
        EXPECT_EQ(::write(fd, "y", 1), 1);
    }
    EXPECT_GT(stat_of(dir / "f").st_mtim.tv_sec, 1000);
    age(dir / "f");
    EXPECT_CALL_OK(::truncate((dir / "f").c_str(), 0));
    EXPECT_GT(stat_of(dir / "f").st_mtim.tv_sec, 1000);
    age(dir / "f");
    EXPECT_EQ(contents(dir / "f"), "");
    EXPECT_EQ(stat_of(dir / "f").st_mtim.tv_sec, 1000);
}

void reading_sets_the_access_time(const path& dir) {
    make_file(dir / "f", "x");
    const timespec old[2] = {{1000, 0}, {2000, 0}};
    ::utimensat(AT_FDCWD, (dir / "f").c_str(), old, 0);
    EXPECT_EQ(contents(dir / "f"), "x");
    // A file whose pages the kernel holds may be read without anybody being asked; O_DIRECT is not.
    const descriptor fd(dir / "f", O_RDONLY | O_DIRECT);
    alignas(4096) char page[4096];
    EXPECT_GE(::read(fd, page, sizeof(page)), 0);
    EXPECT_GT(stat_of(dir / "f").st_atim.tv_sec, 1000);
}

void extended_attributes(const path& dir) {
    make_file(dir / "f");
    const path kept = dir / "f";
    const char* f = kept.c_str();
    char value[64] = {};
    EXPECT_CALL_FAILS(ENODATA, ::getxattr(f, "user.a", value, sizeof(value)));
    EXPECT_CALL_OK(::setxattr(f, "user.a", "one", 3, 0));
    EXPECT_EQ(::getxattr(f, "user.a", value, sizeof(value)), 3);
    EXPECT_EQ(std::string(value, 3), "one");
    EXPECT_EQ(::getxattr(f, "user.a", nullptr, 0), 3);
    EXPECT_CALL_FAILS(ERANGE, ::getxattr(f, "user.a", value, 2));
    EXPECT_CALL_FAILS(EEXIST, ::setxattr(f, "user.a", "two", 3, XATTR_CREATE));
    EXPECT_CALL_FAILS(ENODATA, ::setxattr(f, "user.b", "two", 3, XATTR_REPLACE));
    EXPECT_CALL_OK(::setxattr(f, "user.a", "longer", 6, XATTR_REPLACE));
    EXPECT_CALL_OK(::setxattr(f, "user.empty", "", 0, 0));
    EXPECT_EQ(::getxattr(f, "user.empty", value, sizeof(value)), 0);
    char names[64] = {};
    EXPECT_EQ(::listxattr(f, names, sizeof(names)), 18);
    EXPECT_EQ(::listxattr(f, nullptr, 0), 18);
    EXPECT_CALL_FAILS(ERANGE, ::listxattr(f, names, 5));
    EXPECT_CALL_OK(::removexattr(f, "user.a"));
    EXPECT_CALL_FAILS(ENODATA, ::removexattr(f, "user.a"));
    const std::string big(65536, 'v');
    EXPECT_CALL_OK(::setxattr(f, "user.big", big.data(), big.size(), 0));
    std::string back(65536, 0);
    EXPECT_EQ(::getxattr(f, "user.big", back.data(), back.size()), 65536);
    EXPECT_EQ(back, big);
    ::mkdir((dir / "d").c_str(), 0755);
    EXPECT_CALL_OK(::setxattr((dir / "d").c_str(), "trusted.t", "x", 1, 0));
}

void statvfs_says_what_there_is(const path& dir) {
    struct statvfs before {};
    ASSERT_EQ(::statvfs(dir.c_str(), &before), 0);
    EXPECT_EQ(before.f_namemax, 255U);
    EXPECT_GT(before.f_blocks, 0U);
    const std::string mib(1 << 20, 'x');
    make_file(dir / "f", mib);
    struct statvfs after {};
    ASSERT_EQ(::statvfs(dir.c_str(), &after), 0);
    EXPECT_GE(before.f_bfree - after.f_bfree, (1U << 20) / before.f_frsize);
    ::unlink((dir / "f").c_str());
    // A removed file may be let go a moment later.
    for (int i = 0; i < 5000 && after.f_bfree != before.f_bfree; ++i) {
        ::usleep(1000);
        ASSERT_EQ(::statvfs(dir.c_str(), &after), 0);
    }
    EXPECT_EQ(after.f_bfree, before.f_bfree);
}

constexpr std::array table = {
    posix_check{"umask_applies", umask_applies},
    posix_check{"chmod_and_chown", chmod_and_chown},
    posix_check{"permissions_of_others", permissions_of_others},
    posix_check{"files_belong_to_who_makes_them", files_belong_to_who_makes_them},
    posix_check{"sticky_directory", sticky_directory},
    posix_check{"set_gid_directory", set_gid_directory},
    posix_check{"set_id_bits_go_when_others_write", set_id_bits_go_when_others_write},
    posix_check{"times_in_nanoseconds", times_in_nanoseconds},
    posix_check{"operations_set_times", operations_set_times},
    posix_check{"reading_sets_the_access_time", reading_sets_the_access_time},
    posix_check{"extended_attributes", extended_attributes},
    posix_check{"statvfs_says_what_there_is", statvfs_says_what_there_is},
};

} // namespace

std::span<const posix_check> attribute_checks() {
    return table;
}

} // namespace puffs::test
