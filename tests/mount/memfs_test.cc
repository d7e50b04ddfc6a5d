// memfs at work: its size limit, big directories, and the programs that people run.
#include "support/mount/mounted.hh"
#include "support/sanitized.hh"

#include <array>
#include <fcntl.h>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace puffs::test {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

server_options with(const std::string& options) {
    return {.arguments = {"-o", options}, .uid = 0, .start_limit = seconds(20)};
}

void expect_ok(const std::string& script, seconds limit = seconds(300)) {
    const run_result r = shell(script, {.limit = limit, .uid = 0, .environment = {"LC_ALL=C"}});
    EXPECT_EQ(r.status, 0) << script << "\n" << r.output;
}

// spec: X1 X2
TEST(memfs_requests, of_one_page_serve_long_files_and_long_attributes) {
    mounted_server s(MEMFS, with("max_read=8192,max_write=8192"));
    ASSERT_TRUE(s.ready()) << s.log();
    const std::string f = s.path() / "f";
    expect_ok("cd " + s.path().string() +
              "; head -c 300000 /dev/urandom > f; sync f; cp f g;"
              "dd if=f iflag=direct bs=64k status=none | cmp - g;"
              "mkdir d; touch $(seq -f d/%g 2000); test $(ls d | wc -l) = 2000");
    const std::string value(65536, 'v');
    ASSERT_EQ(::setxattr(f.c_str(), "user.a", value.data(), value.size(), 0), 0) << errno;
    std::string back(value.size(), ' ');
    EXPECT_EQ(::getxattr(f.c_str(), "user.a", back.data(), back.size()), 65536) << errno;
    EXPECT_EQ(back, value);
    std::size_t list_bytes = std::string_view("user.a").size() + 1;
    for (int i = 0; i < 100; ++i) {
        const std::string name = "user." + std::string(100, 'n') + std::to_string(i);
        ASSERT_EQ(::setxattr(f.c_str(), name.c_str(), "", 0, 0), 0) << errno;
        list_bytes += name.size() + 1;
    }
    EXPECT_EQ(::listxattr(f.c_str(), back.data(), back.size()), static_cast<ssize_t>(list_bytes));
    const std::string target(4095, 't');
    const std::string link = s.path() / std::string(255, 'l');
    ASSERT_EQ(::symlink(target.c_str(), link.c_str()), 0) << errno;
    EXPECT_EQ(::readlink(link.c_str(), back.data(), back.size()), 4095);
    s.stop();
}

TEST(memfs_size, is_met_by_enospc_and_space_comes_back) {
    mounted_server s(MEMFS, with("size=8M"));
    ASSERT_TRUE(s.ready()) << s.log();
    struct statvfs before {};
    ASSERT_EQ(::statvfs(s.path().c_str(), &before), 0);
    EXPECT_EQ(before.f_blocks * before.f_frsize, 8U << 20);
    for (int round = 0; round < 3; ++round) {
        const int fd = ::open((s.path() / "f").c_str(), O_CREAT | O_WRONLY, 0644);
        ASSERT_GE(fd, 0);
        const std::string block(65536, 'x');
        std::size_t total = 0;
        ssize_t n = 0;
        while ((n = ::write(fd, block.data(), block.size())) > 0 && total < (64U << 20)) {
            total += static_cast<std::size_t>(n);
        }
        EXPECT_EQ(n, -1);
        EXPECT_EQ(errno, ENOSPC);
        EXPECT_GT(total, 7U << 20);
        EXPECT_LE(total, 8U << 20);
        EXPECT_EQ(::close(fd), 0);
        EXPECT_EQ(::unlink((s.path() / "f").c_str()), 0);
    }
    // The kernel forgets a removed file when it pleases: soon, not at once.
    struct statvfs after {};
    for (int i = 0; i < 5000 && after.f_bfree != before.f_bfree; ++i) {
        ::usleep(1000);
        ASSERT_EQ(::statvfs(s.path().c_str(), &after), 0);
    }
    EXPECT_EQ(after.f_bfree, before.f_bfree);
    s.stop();
}

// Whoever has it open keeps its space, and those who write meanwhile wait for it but once.
TEST(memfs_size, of_a_removed_file_that_is_open_stays_taken) {
    mounted_server s(MEMFS, with("size=8M"));
    ASSERT_TRUE(s.ready()) << s.log();
    const std::string most(7U << 20, 'x');
    const int removed = ::open((s.path() / "f").c_str(), O_CREAT | O_RDWR, 0644);
    ASSERT_EQ(::write(removed, most.data(), most.size()), static_cast<ssize_t>(most.size()));
    ASSERT_EQ(::unlink((s.path() / "f").c_str()), 0);
    const int fd = ::open((s.path() / "g").c_str(), O_CREAT | O_WRONLY, 0644);
    while (::write(fd, most.data(), 65536) > 0) {
    }
    EXPECT_EQ(errno, ENOSPC);
    const auto before = std::chrono::steady_clock::now();
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(::write(fd, most.data(), 65536), -1);
    }
    EXPECT_LT(std::chrono::steady_clock::now() - before, seconds(10)); // of 1 s each
    char byte = '?';
    EXPECT_EQ(::pread(removed, &byte, 1, static_cast<off_t>(most.size()) - 1), 1);
    EXPECT_EQ(byte, 'x');
    ::close(removed);
    ssize_t n = -1;
    for (int i = 0; i < 5000 && n < 0; ++i) { // soon
        ::usleep(1000);
        n = ::write(fd, most.data(), 65536);
    }
    EXPECT_EQ(n, 65536);
    ::close(fd);
    s.stop();
}

TEST(memfs_size, counts_names_nodes_and_attributes) {
    mounted_server s(MEMFS, with("size=1M"));
    ASSERT_TRUE(s.ready());
    int made = 0;
    while (made < 100000) {
        const int fd =
            ::open((s.path() / ("f" + std::to_string(made))).c_str(), O_CREAT | O_WRONLY, 0644);
        if (fd < 0) {
            break;
        }
        ::close(fd);
        ++made;
    }
    EXPECT_EQ(errno, ENOSPC);
    EXPECT_GT(made, 500);
    EXPECT_LT(made, 3000);
    s.stop();
}

blkcnt_t blocks_of(int fd) {
    struct stat st {};
    EXPECT_EQ(::fstat(fd, &st), 0);
    return st.st_blocks;
}

TEST(memfs_size, preallocation_past_it_fails_at_once_and_changes_nothing) {
    mounted_server s(MEMFS, with("size=8M"));
    ASSERT_TRUE(s.ready());
    const int fd = ::open((s.path() / "f").c_str(), O_CREAT | O_RDWR, 0644);
    ASSERT_EQ(::pwrite(fd, "text", 4, 0), 4);
    ASSERT_EQ(::fallocate(fd, 0, 0, 4 << 20), 0);
    const auto blocks = blocks_of(fd);
    struct statvfs before {};
    ASSERT_EQ(::statvfs(s.path().c_str(), &before), 0);
    constexpr std::array modes = {0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE};
    for (const int mode : modes) {
        for (const off_t length : {off_t{16} << 20, off_t{1} << 60}) {
            EXPECT_EQ(::fallocate(fd, mode, 0, length), -1);
            EXPECT_EQ(errno, ENOSPC) << mode;
            EXPECT_EQ(blocks_of(fd), blocks) << mode;
        }
    }
    struct statvfs after {};
    ASSERT_EQ(::statvfs(s.path().c_str(), &after), 0);
    EXPECT_EQ(after.f_bfree, before.f_bfree);
    std::array<char, 4> text{};
    ASSERT_EQ(::pread(fd, text.data(), text.size(), 0), 4);
    EXPECT_EQ(std::string_view(text.data(), text.size()), "text");
    ::close(fd);
    s.stop();
}

// Takes what is left with empty files; how many.
int fill_with_names(const std::filesystem::path& dir, const std::string& prefix = "f") {
    int made = 0;
    while (::mknod((dir / (prefix + std::to_string(made))).c_str(), S_IFREG | 0644, 0) == 0) {
        ++made;
    }
    EXPECT_EQ(errno, ENOSPC);
    return made;
}

TEST(memfs_size, full_can_be_put_in_order) {
    mounted_server s(MEMFS, with("size=1M"));
    ASSERT_TRUE(s.ready());
    const std::filesystem::path& m = s.path();
    ASSERT_EQ(::mkdir((m / "d").c_str(), 0755), 0);
    ASSERT_GT(fill_with_names(m), 100);
    EXPECT_EQ(::rename((m / "f0").c_str(), (m / "g0").c_str()), 0) << errno;
    EXPECT_EQ(::rename((m / "f1").c_str(), (m / "d/f1").c_str()), 0) << errno;
    const std::string longest(255, 'x');
    EXPECT_EQ(::rename((m / "f2").c_str(), (m / longest).c_str()), 0) << errno;
    EXPECT_EQ(::rename((m / "f3").c_str(), (m / "f4").c_str()), 0) << errno;
    // The reserve for longer names ends too, with the file where it was.
    int n = 5;
    std::string from = "f5";
    while (::rename((m / from).c_str(), (m / (from + std::string(250, 'x'))).c_str()) == 0) {
        from = "f" + std::to_string(++n);
        ASSERT_LT(n, 1000);
    }
    EXPECT_EQ(errno, ENOSPC);
    EXPECT_GT(n, 100);
    EXPECT_EQ(::access((m / from).c_str(), F_OK), 0);
    // Beyond the limit nothing grows, but shorter names still can be had, and things removed.
    EXPECT_EQ(::rename((m / from).c_str(), (m / "s").c_str()), 0) << errno;
    EXPECT_EQ(::unlink((m / "s").c_str()), 0) << errno;
    s.stop();
}

TEST(memfs_size, replacing_an_attribute_is_charged_by_the_difference) {
    mounted_server s(MEMFS, with("size=1M"));
    ASSERT_TRUE(s.ready());
    const std::string f = s.path() / "f";
    ASSERT_EQ(::mknod(f.c_str(), S_IFREG | 0644, 0), 0);
    const std::string value(60000, 'v');
    ASSERT_EQ(::setxattr(f.c_str(), "user.a", value.data(), value.size(), 0), 0);
    ASSERT_GT(fill_with_names(s.path()), 100);
    EXPECT_EQ(::setxattr(f.c_str(), "user.a", value.data(), value.size(), 0), 0) << errno;
    EXPECT_EQ(::setxattr(f.c_str(), "user.a", value.data(), value.size() - 1, 0), 0) << errno;
    EXPECT_EQ(::setxattr(f.c_str(), "user.b", value.data(), value.size(), 0), -1);
    EXPECT_EQ(errno, ENOSPC);
    EXPECT_EQ(::setxattr(f.c_str(), "user.a", "v", 1, 0), 0) << errno;
    EXPECT_GT(fill_with_names(s.path(), "more"), 0);
    s.stop();
}

TEST(memfs_work, git_clone_and_fsck) {
    mounted_server s(MEMFS);
    ASSERT_TRUE(s.ready());
    const std::string m = s.path();
    expect_ok("cd " + m +
              "; mkdir origin; cd origin; git init -q; git config user.email t@example.org; git "
              "config user.name t; "
              "cp -r /usr/include/linux .; git add .; git commit -qm one; "
              "git clone -q --no-hardlinks . ../clone; cd ../clone; git fsck --full --strict; git "
              "status --porcelain | wc -l | grep -qx 0; "
              "git checkout -q -b other; git mv linux moved; git commit -qm two; git gc -q; git "
              "fsck --full");
    s.stop();
}

TEST(memfs_work, copy_of_usr_include_is_equal) {
    mounted_server s(MEMFS);
    ASSERT_TRUE(s.ready());
    expect_ok("cp -a /usr/include " + s.path().string() +
              "/; diff -r --no-dereference /usr/include " + s.path().string() + "/include");
    s.stop();
}

TEST(memfs_work, sqlite_with_journal_and_with_wal) {
    mounted_server s(MEMFS);
    ASSERT_TRUE(s.ready());
    for (const char* mode : {"delete", "wal"}) {
        expect_ok("cd " + s.path().string() + "; sqlite3 " + mode +
                  ".db \"pragma journal_mode=" + mode +
                  "; create table t(i integer primary key, s text); "
                  "with recursive c(x) as (select 1 union all select x+1 from c where x<100000) "
                  "insert into t select x, 'row '||x from c; "
                  "create index ix on t(s);\" >/dev/null; "
                  "test \"$(sqlite3 " +
                  mode +
                  ".db 'select count(*) from t')\" = 100000; "
                  "for i in $(seq 50); do sqlite3 " +
                  mode +
                  ".db \"update t set s='changed $i' where i=$i\"; done; "
                  "test \"$(sqlite3 " +
                  mode + ".db 'pragma integrity_check')\" = ok");
    }
    s.stop();
}

TEST(memfs_work, cmake_project_is_configured_and_built) {
    mounted_server s(MEMFS);
    ASSERT_TRUE(s.ready());
    const std::string m = s.path();
    std::filesystem::create_directory(m + "/src");
    std::ofstream(m + "/src/CMakeLists.txt")
        << "cmake_minimum_required(VERSION 3.20)\nproject(p CXX)\n"
           "add_library(l STATIC l.cc)\nadd_executable(p main.cc)\ntarget_link_libraries(p l)\n"
           "enable_testing()\nadd_test(NAME p COMMAND p)\n";
    std::ofstream(m + "/src/l.cc") << "int answer() { return 42; }\n";
    std::ofstream(m + "/src/main.cc") << "#include <vector>\nint answer();\nint main() { return "
                                         "std::vector<int>{answer()}.front() == 42 ? 0 : 1; }\n";
    expect_ok("cmake -S " + m + "/src -B " + m + "/build >/dev/null; cmake --build " + m +
              "/build >/dev/null; cd " + m + "/build; ctest >/dev/null");
    s.stop();
}

TEST(memfs_work, two_hundred_thousand_files) {
    mounted_server s(MEMFS);
    ASSERT_TRUE(s.ready());
    const std::string m = s.path();
    expect_ok("mkdir " + m + "/d; cd " + m +
              "/d; seq 200000 | xargs touch; test $(ls | wc -l) = 200000; "
              "test $(find . -type f -name '*7' | wc -l) = 20000; cd ..; rm -r d; test $(ls | wc "
              "-l) = 0");
    s.stop();
}

TEST(memfs_work, four_gibibyte_file) {
    mounted_server s(MEMFS, with("size=5G"));
    ASSERT_TRUE(s.ready());
    const std::string f = (s.path() / "f").string();
    // Under ThreadSanitizer a hole before the last 64 MiB, or the server would need 20 GiB of memory.
    constexpr std::uint64_t size = std::uint64_t{4} << 30, mib = 1 << 20;
    constexpr std::uint64_t hole = sim::thread_sanitized ? size - 64 * mib : 0;
    const auto count = [](std::uint64_t n) { return std::to_string(n); };
    expect_ok("head -c " + count(size - hole) + " /dev/zero | tr '\\0' 'x' | dd of=" + f +
              " bs=1M seek=" + count(hole / mib) +
              " iflag=fullblock status=none; test $(stat -c %s " + f + ") = " + count(size) +
              "; test \"$(tail -c 5 " + f + ")\" = xxxxx; rm " + f);
    s.stop();
}

} // namespace
} // namespace puffs::test
