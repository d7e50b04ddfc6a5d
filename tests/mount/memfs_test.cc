// memfs at work: its size limit, big directories, and the programs that people run.
#include "support/mount/mounted.hh"

#include <fcntl.h>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
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
    expect_ok("head -c 4294967296 /dev/zero | tr '\\0' 'x' | dd of=" + f +
              " bs=1M iflag=fullblock status=none" + "; test $(stat -c %s " + f +
              ") = 4294967296; "
              "test \"$(tail -c 5 " +
              f + ")\" = xxxxx; rm " + f);
    s.stop();
}

} // namespace
} // namespace puffs::test
