// How mounts end: signals, an abort, a server that hangs or is killed.
#include "support/mount/mounted.hh"
#include "support/sanitized.hh"

#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace puffs::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

TEST(stopping, busy_mount_is_detached_and_served_until_its_last_user_is_gone) {
    mounted_server s(UNRULY);
    ASSERT_TRUE(s.ready());
    const int fd = ::open((s.path() / "fine").c_str(), O_RDONLY);
    ASSERT_GE(fd, 0);
    s.signal(SIGTERM);
    EXPECT_TRUE(s.wait_unmounted(seconds(2)));
    EXPECT_EQ(s.wait(milliseconds(100)), -1) << "ended although a file was open";
    char text[8] = {};
    EXPECT_EQ(::read(fd, text, sizeof(text)), 5);
    ::close(fd);
    EXPECT_EQ(s.wait(seconds(10)), 0) << s.log();
}

TEST(stopping, second_signal_during_shutdown_stops_at_once) {
    mounted_server s(UNRULY);
    ASSERT_TRUE(s.ready());
    const int fd = ::open((s.path() / "fine").c_str(), O_RDONLY);
    ASSERT_GE(fd, 0);
    s.signal(SIGINT);
    EXPECT_TRUE(s.wait_unmounted(seconds(2)));
    s.signal(SIGINT);
    EXPECT_GE(s.wait(seconds(10)), 0) << "still there";
    char byte = 0;
    EXPECT_EQ(::read(fd, &byte, 1), -1);
    ::close(fd);
}

// What its unmount operation is told at the end.
class told_of_the_end : public testing::Test {
  protected:
    void SetUp() override { ASSERT_TRUE(server.ready()) << server.start_line(); }
    void keep_busy() {
        file = ::open((server.path() / "fine").c_str(), O_RDONLY | O_CLOEXEC);
        ASSERT_GE(file, 0);
    }
    [[nodiscard]] std::string told() const { return read_file(dir.path() / "told"); }

    temp_dir dir;
    mounted_server server{UNRULY,
                          {.arguments = {"-o", "tell_unmount=" + (dir.path() / "told").string()}}};
    int file = -1;
};

// spec: U11
TEST_F(told_of_the_end, without_force_when_its_users_are_gone) {
    server.stop();
    EXPECT_EQ(told(), "unmount\n");
}

TEST_F(told_of_the_end, without_force_when_it_is_unmounted_from_outside) {
    ASSERT_EQ(run({"umount", server.path()}).status, 0);
    EXPECT_EQ(server.wait(seconds(10)), 0) << server.log();
    EXPECT_EQ(told(), "unmount\n");
}

TEST_F(told_of_the_end, without_force_when_a_detached_mount_has_lost_its_last_user) {
    keep_busy();
    server.signal(SIGTERM);
    EXPECT_TRUE(server.wait_unmounted(seconds(2)));
    EXPECT_EQ(told(), "");
    ::close(file);
    EXPECT_EQ(server.wait(seconds(10)), 0) << server.log();
    EXPECT_EQ(told(), "unmount\n");
}

TEST_F(told_of_the_end, by_force_when_it_is_stopped_at_once) {
    keep_busy();
    server.signal(SIGTERM);
    EXPECT_TRUE(server.wait_unmounted(seconds(2)));
    server.signal(SIGTERM);
    EXPECT_GE(server.wait(seconds(10)), 0);
    ::close(file);
    EXPECT_EQ(told(), "unmount by force\n");
}

TEST_F(told_of_the_end, by_force_when_its_connection_is_aborted) {
    std::ofstream(server.control("abort")) << "1\n";
    EXPECT_EQ(server.wait(seconds(10)), 1) << server.log();
    EXPECT_EQ(told(), "unmount by force\n");
}

// A user who closes the terminal is gone.
TEST(stopping, hang_up_unmounts_unless_it_was_ignored_at_the_start) {
    mounted_server s(HELLO);
    ASSERT_TRUE(s.ready());
    s.signal(SIGHUP);
    EXPECT_EQ(s.wait(seconds(10)), 0) << s.log();
    EXPECT_FALSE(s.mounted());

    ::signal(SIGHUP, SIG_IGN); // inherited, as with nohup
    mounted_server kept(HELLO);
    ::signal(SIGHUP, SIG_DFL);
    ASSERT_TRUE(kept.ready());
    kept.signal(SIGHUP);
    EXPECT_EQ(kept.wait(milliseconds(100)), -1);
    EXPECT_TRUE(kept.mounted());
    kept.stop();
}

// Processes that read the file /slow, and wait for that.
class slow_readers {
  public:
    slow_readers(const mounted_server& s, int count) {
        const std::string slow = s.path() / "slow";
        for (int i = 0; i < count; ++i) {
            const pid_t child = ::fork();
            if (child == 0) {
                const int fd = ::open(slow.c_str(), O_RDONLY);
                char byte = 0;
                ::_exit(fd < 0 || ::read(fd, &byte, 1) < 0 ? errno : 0);
            }
            children_.push_back(child);
        }
        // All of them are in the kernel.
        const std::filesystem::path waiting = s.control("waiting");
        for (int i = 0; i < 10000 && std::atoi(read_file(waiting).c_str()) < count; ++i) {
            ::usleep(1000);
        }
        EXPECT_GE(std::atoi(read_file(waiting).c_str()), count);
    }
    ~slow_readers() { static_cast<void>(errors()); }
    slow_readers(const slow_readers&) = delete;
    slow_readers& operator=(const slow_readers&) = delete;

    // Waits for their end: the errno of each, 0 if it has read.
    std::vector<int> errors() {
        std::vector<int> all;
        for (const pid_t child : std::exchange(children_, {})) {
            int status = 0;
            ::waitpid(child, &status, 0);
            all.push_back(WIFEXITED(status) ? WEXITSTATUS(status) : -1);
        }
        return all;
    }

  private:
    std::vector<pid_t> children_;
};

// The caller does not wait for the operation to end; the server does.
// spec: U12 U13
TEST(stopping, connection_aborted_through_fusectl) {
    constexpr auto slow = seconds(3);
    mounted_server s(UNRULY,
                     {.arguments = {"-o", "slow_ms=" + std::to_string(milliseconds(slow).count())},
                      .uid = 0,
                      .start_limit = seconds(20)});
    ASSERT_TRUE(s.ready());
    const auto begun = std::chrono::steady_clock::now();
    slow_readers reader(s, 1);
    std::ofstream(s.control("abort")) << "1\n";
    EXPECT_THAT(reader.errors(), testing::Each(ECONNABORTED));
    EXPECT_LT(std::chrono::steady_clock::now() - begun, slow);
    EXPECT_EQ(s.wait(seconds(10)), 1) << s.log();
    EXPECT_FALSE(s.mounted());
    EXPECT_THAT(s.log(),
                HasSubstr("mount '" + s.path().string() + "': the connection was aborted"));
}

// A mount that does not answer is stopped by one signal: it has no user but the one who waits for it to answer.
TEST(stopping, server_that_hangs_before_the_mount_answers) {
    for (const char* what : {"hang=thread", "hang=core"}) {
        mounted_server s(UNRULY, {.arguments = {"-o", what}, .uid = 0, .start_limit = seconds(1)});
        ASSERT_FALSE(s.ready());
        EXPECT_TRUE(s.mounted());
        s.signal(SIGTERM);
        EXPECT_EQ(s.wait(seconds(8)), 1) << what << "\n" << s.log();
        EXPECT_FALSE(s.mounted());
    }
}

// spec: X7 U12
TEST(stopping, server_killed_with_a_hundred_callers_blocked) {
    mounted_server s(UNRULY,
                     {.arguments = {"-o", "slow_ms=60000"}, .uid = 0, .start_limit = seconds(20)});
    ASSERT_TRUE(s.ready());
    slow_readers callers(s, 100);
    const auto killed = std::chrono::steady_clock::now();
    s.signal(SIGKILL);
    EXPECT_THAT(callers.errors(), testing::Each(ECONNABORTED));
    EXPECT_LT(std::chrono::steady_clock::now() - killed, seconds(sim::sanitized ? 30 : 1));
    EXPECT_EQ(s.wait(seconds(5)), 128 + SIGKILL);
    EXPECT_EQ(run({"umount", s.path()}).status, 0);
}

} // namespace
} // namespace puffs::test
