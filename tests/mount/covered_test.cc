// What else is mounted at a server's mount point: the server leaves it alone.
#include "support/mount/mounted.hh"

#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <sys/mount.h>
#include <unistd.h>
#include <vector>

namespace puffs::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

// The types of what is mounted there, the topmost last.
std::vector<std::string> types_at(const std::filesystem::path& path) {
    std::vector<std::string> types;
    std::string all = shell("awk '$5 == \"" + path.string() +
                            "\" { sub(/.* - /, \"\"); print $1 }' /proc/self/mountinfo")
                          .output;
    for (std::size_t end = 0; (end = all.find('\n')) != std::string::npos; all.erase(0, end + 1)) {
        types.push_back(all.substr(0, end));
    }
    return types;
}

std::vector<std::string> words(std::initializer_list<std::string> list) {
    return list;
}

class covered : public testing::Test {
  protected:
    void SetUp() override {
        ASSERT_TRUE(server.ready()) << server.start_line() << server.log();
        ASSERT_EQ(::mount("none", server.path().c_str(), "tmpfs", 0, nullptr), 0);
        ASSERT_EQ(types_at(server.path()), words({"fuse.memfs", "tmpfs"}));
    }
    void TearDown() override {
        while (::umount2(server.path().c_str(), MNT_DETACH) == 0) {
        }
    }
    mounted_server server{MEMFS, {.arguments = {"-o", "size=16M"}}};
};

TEST_F(covered, by_another_mount_that_stays_when_the_server_is_stopped) {
    server.signal(SIGTERM);
    EXPECT_EQ(server.wait(seconds(15)), 1);
    EXPECT_THAT(server.log(), HasSubstr("another mount (tmpfs) lies there now"));
    EXPECT_THAT(server.log(), Not(HasSubstr("unmounted")));
    EXPECT_EQ(types_at(server.path()), words({"fuse.memfs", "tmpfs"}));
}

TEST_F(covered, by_another_mount_that_stays_when_the_connection_is_aborted) {
    std::ofstream(server.control("abort")) << "1\n";
    EXPECT_EQ(server.wait(seconds(15)), 1);
    EXPECT_THAT(server.log(), HasSubstr("another mount (tmpfs) lies there now"));
    EXPECT_EQ(types_at(server.path()), words({"fuse.memfs", "tmpfs"}));
}

TEST_F(covered, no_more_and_stopped_as_ever) {
    ASSERT_EQ(::umount2(server.path().c_str(), 0), 0);
    server.stop();
    EXPECT_THAT(server.log(), HasSubstr("unmounted"));
}

// Its own mount was detached by somebody, and still has a user.
TEST(successor, at_the_mount_point_is_left_alone) {
    mounted_server s(MEMFS, {.arguments = {"-o", "size=16M"}});
    ASSERT_TRUE(s.ready()) << s.start_line() << s.log();
    const int file = ::open((s.path() / "file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    ASSERT_GE(file, 0);
    ASSERT_EQ(::umount2(s.path().c_str(), MNT_DETACH), 0);
    ASSERT_EQ(run({HELLO, s.path()}).status, 0);
    s.signal(SIGTERM);
    EXPECT_EQ(s.wait(milliseconds(100)), -1) << "ended although a file was open";
    EXPECT_EQ(types_at(s.path()), words({"fuse.hello"}));
    s.signal(SIGTERM);
    EXPECT_GE(s.wait(seconds(15)), 0) << s.log();
    EXPECT_EQ(types_at(s.path()), words({"fuse.hello"}));
    ::close(file);
    EXPECT_EQ(::umount2(s.path().c_str(), 0), 0);
}

} // namespace
} // namespace puffs::test
