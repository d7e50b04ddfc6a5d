// Set-id bits of files on memfs, which clears them itself (FUSE_HANDLE_KILLPRIV_V2), so that the kernel need not look
// for capabilities before each write.
#include "posix/calls.hh"
#include "support/mount/mounted.hh"

#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/falloc.h>
#include <sys/xattr.h>

namespace puffs::test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr mode_t privileged = 06777;

class set_id : public testing::Test {
  public:
    void SetUp() override {
        ASSERT_TRUE(s.ready()) << s.start_line() << s.log();
        const std::string log = s.log();
        const auto said = log.find("handle_killpriv_v2");
        if (said > log.find("asked, not offered") && said < log.find("offered, not asked")) {
            GTEST_SKIP() << "this kernel does not offer handle_killpriv_v2";
        }
        std::ofstream(f) << "text";
        make_privileged();
    }
    void TearDown() override { s.stop(); }
    void make_privileged() { ASSERT_EQ(::chmod(f.c_str(), privileged), 0); }
    mode_t mode() { return stat_of(f).st_mode & 07777; }

    mounted_server s{MEMFS,
                     {.arguments = {"-d", "-o", "size=64M,allow_other,suid"},
                      .uid = 0,
                      .start_limit = std::chrono::seconds(20)}};
    const path f = s.path() / "f";
};

int write_byte(const path& file) {
    const descriptor fd(file, O_WRONLY);
    return errno_if(::pwrite(fd, "x", 1, 0) != 1);
}

TEST_F(set_id, bits_are_cleared_when_a_user_changes_the_file) {
    EXPECT_EQ(as_user(alice, [&] { return write_byte(f); }), 0);
    EXPECT_EQ(mode(), 0777U) << "write";
    make_privileged();
    EXPECT_EQ(as_user(alice, [&] { return errno_if(::truncate(f.c_str(), 1) != 0); }), 0);
    EXPECT_EQ(mode(), 0777U) << "truncate";
    make_privileged();
    EXPECT_EQ(as_user(alice, [&] { return errno_if(descriptor(f, O_WRONLY | O_TRUNC) < 0); }), 0);
    EXPECT_EQ(mode(), 0777U) << "open with O_TRUNC";
    make_privileged();
    EXPECT_EQ(as_user(alice,
                      [&] {
                          const descriptor fd(f, O_WRONLY);
                          return errno_if(::fallocate(fd, 0, 0, 8192) != 0);
                      }),
              0);
    EXPECT_EQ(mode(), 0777U) << "fallocate";
}

TEST_F(set_id, bits_are_cleared_by_chown_and_kept_when_root_writes) {
    EXPECT_EQ(write_byte(f), 0);
    EXPECT_EQ(mode(), privileged);
    EXPECT_EQ(::chown(f.c_str(), alice, alice), 0);
    EXPECT_EQ(mode(), 0777U);
}

TEST_F(set_id, group_bit_stays_where_the_group_may_not_execute) {
    ASSERT_EQ(::chmod(f.c_str(), 06766), 0);
    EXPECT_EQ(as_user(alice, [&] { return write_byte(f); }), 0);
    EXPECT_EQ(mode(), 02766U);
}

TEST_F(set_id, capabilities_go_too) {
    // Version 2, cap_net_raw permitted.
    constexpr unsigned char caps[20] = {0, 0, 0, 2, 0, 0x20};
    ASSERT_EQ(::setxattr(f.c_str(), "security.capability", caps, sizeof(caps), 0), 0);
    EXPECT_EQ(as_user(alice, [&] { return write_byte(f); }), 0);
    EXPECT_EQ(::getxattr(f.c_str(), "security.capability", nullptr, 0), -1);
    EXPECT_EQ(errno, ENODATA);
}

TEST_F(set_id, cached_writes_ask_for_no_attribute) {
    const descriptor fd(s.path() / "plain", O_CREAT | O_RDWR);
    ASSERT_GE(fd, 0);
    ASSERT_EQ(::pwrite(fd, "x", 1, 0), 1); // the first asks, and the kernel keeps the answer
    const std::size_t before = s.log().size();
    for (off_t i = 0; i < 20; ++i) {
        ASSERT_EQ(::pwrite(fd, "x", 1, i), 1);
    }
    const std::string log = s.log().substr(before);
    EXPECT_THAT(log, HasSubstr("-> "));
    EXPECT_THAT(log, HasSubstr(" write node"));
    EXPECT_THAT(log, Not(HasSubstr("getextattr")));
    EXPECT_THAT(log, Not(HasSubstr("setattr")));
}

// The kernel has kept the mode of before the write: it must not start the changed program by it, whatever it caches.
TEST(set_id_program, that_a_user_changed_runs_without_its_owners_rights) {
    for (const char* more : {"", ",writeback_cache"}) {
        mounted_server s(MEMFS,
                         {.arguments = {"-o", std::string("size=64M,allow_other,suid") + more},
                          .uid = 0,
                          .start_limit = std::chrono::seconds(20)});
        ASSERT_TRUE(s.ready()) << s.start_line();
        const std::string id = s.path() / "id";
        const run_result r =
            shell("cp /usr/bin/id " + id + "; chmod 6777 " + id +
                  "; user='setpriv --reuid=" + std::to_string(alice) + " --clear-groups'; $user " +
                  id + " -u; printf '\\177' | $user dd of=" + id +
                  " bs=1 conv=notrunc status=none; $user " + id + " -u");
        EXPECT_EQ(r.output, "0\n" + std::to_string(alice) + "\n") << more;
        s.stop();
    }
}

} // namespace
} // namespace puffs::test
