#include "daemon/child.hh"

#include "support/temp_dir.hh"
#include "unit/daemon/run_coroutine.hh"

#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace puffs::daemon {
namespace {

struct recorder final : child_listener {
    std::vector<std::string> lines;
    std::optional<std::string> answer;
    bool closed_ready = false;
    std::optional<exit_status> status;

    void child_printed(std::string_view line) override {
        EXPECT_FALSE(status) << "a line after the end";
        lines.emplace_back(line);
    }
    void child_answered(std::string_view line) override {
        EXPECT_FALSE(answer || closed_ready || status);
        answer = line;
    }
    void child_closed_ready() override {
        EXPECT_FALSE(answer || closed_ready || status);
        closed_ready = true;
    }
    void child_exited(exit_status ended) override {
        EXPECT_FALSE(status) << "ended twice";
        status = ended;
    }
};

// Whether a process that is not our child ends within the test's patience. It may stay a zombie until whoever adopts
// orphans here reaps it; a zombie has no command line.
bool goes_away(pid_t pid) {
    const auto gone = [&] {
        std::ifstream command("/proc/" + std::to_string(pid) + "/cmdline");
        return command.peek() == std::ifstream::traits_type::eof();
    };
    const auto deadline = std::chrono::steady_clock::now() + test::patience;
    while (!gone() && std::chrono::steady_clock::now() < deadline)
        std::this_thread::yield();
    return gone();
}

class child_process : public testing::Test {
  protected:
    void start(const std::string& how) {
        const auto started =
            child_.start({PUFFS_FAKE_SERVER, "--ready-fd=3", "-f", how, "/nowhere"});
        ASSERT_TRUE(started) << started.error().message;
    }
    void start_shell(const std::string& script) {
        const auto started = child_.start({"/bin/sh", "-c", script});
        ASSERT_TRUE(started) << started.error().message;
    }
    void run_to_end() {
        test::run_until(context_, [&] { return seen_.status.has_value(); });
    }
    void run_to_answer() {
        test::run_until(context_, [&] { return seen_.answer.has_value(); });
    }

    boost::asio::io_context context_{1};
    recorder seen_;
    child child_{context_, seen_};
};

TEST_F(child_process, answers_and_ends_on_sigterm) {
    start("serve");
    EXPECT_TRUE(child_.pid());
    run_to_answer();
    EXPECT_EQ(seen_.answer, "ready");
    child_.terminate();
    run_to_end();
    EXPECT_TRUE(seen_.status->clean());
    EXPECT_FALSE(child_.pid());
}

TEST_F(child_process, exit_status_and_signal_are_told_apart) {
    start("die");
    run_to_end();
    EXPECT_EQ(*seen_.status, (exit_status{.by_signal = false, .number = 3}));
    EXPECT_EQ(seen_.status->text(), "exit status 3");
    EXPECT_TRUE(seen_.closed_ready);
    EXPECT_EQ(seen_.lines, std::vector<std::string>{"cannot open the box"});

    seen_ = {};
    start("stubborn"); // the object serves again
    run_to_answer();
    child_.terminate();
    child_.kill();
    run_to_end();
    EXPECT_EQ(*seen_.status, (exit_status{.by_signal = true, .number = SIGKILL}));
    EXPECT_EQ(seen_.status->text(), "killed by signal 9 (KILL)");
}

TEST_F(child_process, every_line_arrives_before_the_end) {
    start("talk");
    run_to_end();
    ASSERT_EQ(seen_.lines.size(), 104U);
    EXPECT_EQ(seen_.lines[0], "line 0");
    EXPECT_EQ(seen_.lines[99], "line 99");
    EXPECT_EQ(seen_.lines[100], std::string(1024, 'x'));
    EXPECT_EQ(seen_.lines[102], std::string(952, 'x'));
    EXPECT_EQ(seen_.lines[103], "no newline");
}

TEST_F(child_process, last_words_are_read_even_while_a_stray_holds_the_pipe) {
    // setsid takes the sleeper out of the group, so that it survives with the write end of the pipe.
    start_shell("setsid sleep 60 & echo $!; sleep 0.1; echo done; exit 0");
    run_to_end();
    ASSERT_EQ(seen_.lines.size(), 2U);
    EXPECT_EQ(seen_.lines[1], "done");
    const auto stray = std::stoi(seen_.lines[0]);
    EXPECT_EQ(::kill(stray, SIGKILL), 0);
}

TEST_F(child_process, its_group_dies_with_it) {
    start_shell("sleep 60 & echo $!; exit 0");
    run_to_end();
    const auto sleeper = std::stoi(seen_.lines.at(0));
    EXPECT_TRUE(goes_away(sleeper));
}

TEST_F(child_process, inherits_only_its_four_descriptors) {
    const auto extra = ::dup(STDERR_FILENO); // without close-on-exec
    ASSERT_LT(extra, 30);
    start_shell("for n in $(seq 0 30); do [ -e /proc/$$/fd/$n ] && echo $n; done; "
                "readlink /proc/$$/fd/0; ps -o pgid= -p $$; echo $$");
    ::close(extra);
    run_to_end();
    std::vector<std::string> fds;
    for (const auto& line : seen_.lines) {
        if (line.starts_with("/dev/null")) break;
        fds.push_back(line);
    }
    EXPECT_EQ(fds, (std::vector<std::string>{"0", "1", "2", "3"}));
    ASSERT_GE(seen_.lines.size(), 3U);
    EXPECT_EQ(std::stoi(seen_.lines[seen_.lines.size() - 2]), std::stoi(seen_.lines.back()))
        << "not the leader of its group";
}

TEST_F(child_process, long_answer_is_cut) {
    start_shell("head -c 5000 /dev/zero | tr '\\0' 'r' >&3; sleep 60");
    run_to_answer();
    EXPECT_EQ(seen_.answer, std::string(1024, 'r'));
    child_.kill();
    run_to_end();
}

TEST_F(child_process, answer_without_newline_is_none) {
    start_shell("printf ready >&3");
    run_to_end();
    EXPECT_FALSE(seen_.answer);
    EXPECT_TRUE(seen_.closed_ready);
}

TEST_F(child_process, program_that_cannot_be_executed_is_an_error) {
    const puffs::test::temp_dir tmp;
    for (const auto& program : {std::string("/nowhere/fs"), tmp.path().string()}) {
        const auto started = child_.start({program});
        ASSERT_FALSE(started);
        EXPECT_EQ(started.error().code, failure_code::no_such_server);
        EXPECT_NE(started.error().message.find(program), std::string::npos);
        EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a child is left";
        EXPECT_EQ(errno, ECHILD);
    }
    start("serve"); // and the object can be used again
    child_.kill();
    run_to_end();
}

TEST(child, gets_sigterm_when_its_watcher_dies) {
    std::array<int, 2> tells{};
    ASSERT_EQ(::pipe2(tells.data(), O_CLOEXEC), 0);
    const pid_t watcher = ::fork();
    if (watcher == 0) {
        boost::asio::io_context context(1);
        recorder seen;
        child server(context, seen);
        if (!server.start({PUFFS_FAKE_SERVER, "--ready-fd=3", "-f", "serve", "/nowhere"})) {
            ::_exit(1);
        }
        test::run_until(context, [&] { return seen.answer.has_value(); });
        const pid_t pid = *server.pid();
        if (::write(tells[1], &pid, sizeof pid) != sizeof pid) ::_exit(1);
        ::kill(::getpid(), SIGKILL);
    }
    ::close(tells[1]);
    pid_t server = 0;
    ASSERT_EQ(::read(tells[0], &server, sizeof server), static_cast<ssize_t>(sizeof server));
    ::waitpid(watcher, nullptr, 0);
    EXPECT_TRUE(goes_away(server));
    ::close(tells[0]);
}

} // namespace
} // namespace puffs::daemon
