// Signals that a file server gets while nobody listens to it.
#include "support/mount/mounted.hh"

#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <functional>
#include <gtest/gtest.h>
#include <stdexcept>
#include <string>
#include <sys/mount.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace puffs::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto patience = seconds(20);

// Looks again and again until it holds or the time is up.
bool comes_true(const std::function<bool()>& condition, milliseconds limit = patience) {
    const auto until = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() >= until) {
            return false;
        }
        std::this_thread::sleep_for(milliseconds(1));
    }
    return true;
}

// A pipe to write into, whose reader leaves when it is told to.
class pipe_to_nobody {
  public:
    pipe_to_nobody() {
        if (::pipe2(ends_, O_CLOEXEC) < 0) {
            throw std::runtime_error("pipe failed");
        }
    }
    ~pipe_to_nobody() {
        leave();
        ::close(ends_[1]);
    }
    pipe_to_nobody(const pipe_to_nobody&) = delete;
    pipe_to_nobody& operator=(const pipe_to_nobody&) = delete;
    [[nodiscard]] int fd() const { return ends_[1]; }
    void leave() {
        if (ends_[0] >= 0) {
            ::close(std::exchange(ends_[0], -1));
        }
    }

  private:
    int ends_[2] = {-1, -1};
};

// A file server in the foreground for which nobody waits. `heir` is kept open for it; log: what becomes its standard
// error, -1: ours.
class unheard_server {
  public:
    struct streams {
        int log = -1;
        int heir = -1;
    };
    unheard_server(const std::string& program, const std::vector<std::string>& arguments,
                   const streams& s)
        : mount_point_(dir_.path() / "mnt") {
        std::filesystem::create_directory(mount_point_);
        std::vector<std::string> command = {program, "-f", "--transport=" + asked_transport()};
        command.insert(command.end(), arguments.begin(), arguments.end());
        command.push_back(mount_point_);
        pid_ = ::fork();
        if (pid_ == 0) {
            ::setpgid(0, 0);
            if (s.log >= 0) ::dup2(s.log, STDERR_FILENO);
            if (s.heir >= 0) ::fcntl(s.heir, F_SETFD, 0);
            std::vector<char*> words;
            for (std::string& word : command) {
                words.push_back(word.data());
            }
            words.push_back(nullptr);
            ::execv(words[0], words.data());
            ::_exit(127);
        }
    }
    ~unheard_server() {
        if (!ended()) {
            signal(SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
        if (mounted()) {
            ADD_FAILURE() << "a mount was left on " << mount_point_;
            ::umount2(mount_point_.c_str(), MNT_DETACH);
        }
    }
    unheard_server(const unheard_server&) = delete;
    unheard_server& operator=(const unheard_server&) = delete;

    void signal(int number) const { ::kill(pid_, number); }
    [[nodiscard]] const std::filesystem::path& path() const { return mount_point_; }
    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] bool mounted() const { return is_mount_point(mount_point_); }
    bool ended() {
        if (!ended_ && ::waitpid(pid_, &status_, WNOHANG) == pid_) {
            ended_ = true;
        }
        return ended_;
    }
    // As a shell says it: exit status, or 128 + signal.
    [[nodiscard]] int status() const {
        return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
    }

  private:
    temp_dir dir_;
    std::filesystem::path mount_point_;
    pid_t pid_ = -1;
    bool ended_ = false;
    int status_ = 0;
};

TEST(unheard_server, serves_on_when_nobody_reads_that_it_is_ready) {
    pipe_to_nobody ready;
    ready.leave();
    unheard_server s(HELLO, {"--ready-fd=" + std::to_string(ready.fd())}, {.heir = ready.fd()});
    // It closes the descriptor when it has tried.
    const std::string link =
        "/proc/" + std::to_string(s.pid()) + "/fd/" + std::to_string(ready.fd());
    const auto target = [&link] {
        std::error_code gone;
        return std::filesystem::read_symlink(link, gone).string();
    };
    ASSERT_TRUE(comes_true([&] { return s.mounted() || s.ended(); }));
    const std::string pipe =
        std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(ready.fd())).string();
    ASSERT_TRUE(comes_true([&] { return target() != pipe || s.ended(); }));
    ASSERT_FALSE(s.ended()) << "status " << s.status();
    EXPECT_EQ(run({"ls", s.path()}).output, "hello\n");
    s.signal(SIGTERM);
    ASSERT_TRUE(comes_true([&] { return s.ended(); }));
    EXPECT_EQ(s.status(), 0);
    EXPECT_FALSE(s.mounted());
}

TEST(unheard_server, detaches_a_busy_mount_when_nobody_reads_its_log) {
    pipe_to_nobody log;
    int ready[2];
    ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
    unheard_server s(MEMFS, {"-o", "size=16M", "--ready-fd=" + std::to_string(ready[1])},
                     {.log = log.fd(), .heir = ready[1]});
    ::close(ready[1]);
    char word = 0;
    EXPECT_EQ(::read(ready[0], &word, 1), 1) << "it has ended";
    ::close(ready[0]);
    const int file = ::open((s.path() / "file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    EXPECT_GE(file, 0);
    log.leave();
    s.signal(SIGTERM);
    EXPECT_TRUE(comes_true([&] { return !s.mounted(); }));
    EXPECT_FALSE(s.ended()) << "status " << s.status();
    EXPECT_EQ(::write(file, "text", 4), 4);
    ::close(file);
    ASSERT_TRUE(comes_true([&] { return s.ended(); }));
    EXPECT_EQ(s.status(), 0);
}

// What a signal does before its handler is in place would leave a dead mount.
class early_signal : public testing::TestWithParam<int> {};

TEST_P(early_signal, leaves_no_mount_when_it_comes_as_soon_as_there_is_one) {
    constexpr int rounds = 25;
    for (int round = 0; round < rounds; ++round) {
        unheard_server s(HELLO, {}, {});
        while (!s.mounted() && !s.ended()) {
        }
        ASSERT_FALSE(s.ended()) << "status " << s.status();
        s.signal(GetParam());
        if (GetParam() == SIGUSR1) { // does not end it
            s.signal(SIGTERM);
        }
        ASSERT_TRUE(comes_true([&] { return s.ended(); })) << "round " << round;
        EXPECT_LT(s.status(), 128) << "round " << round;
        ASSERT_FALSE(s.mounted()) << "round " << round;
    }
}

INSTANTIATE_TEST_SUITE_P(signals, early_signal, testing::Values(SIGTERM, SIGINT, SIGUSR1));

} // namespace
} // namespace puffs::test
