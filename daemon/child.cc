#include "daemon/child.hh"

#include "daemon/limits.hh"
#include "daemon/owned_fd.hh"
#include "puffs/base/assert.hh"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace puffs::daemon {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

struct pipe_ends {
    owned_fd read;
    owned_fd write;
};

// The descriptors of the child-to-be lie above this number, so that moving one to its place never overwrites another.
constexpr int first_free_fd = 10;

outcome<pipe_ends> make_pipe() {
    std::array<int, 2> fds{};
    if (::pipe2(fds.data(), O_CLOEXEC) != 0) return fail_system("pipe2", errno);
    pipe_ends ends{owned_fd(fds[0]), owned_fd(fds[1])};
    const int moved = ::fcntl(ends.write.get(), F_DUPFD_CLOEXEC, first_free_fd);
    if (moved < 0) return fail_system("fcntl", errno);
    ends.write = owned_fd(moved);
    return ends;
}

// How long a destructor waits for the end of a killed child.
constexpr std::chrono::milliseconds farewell{1000};

struct child_fds {
    int null;
    int output;
    int ready;
    int exec_error;
};

// Runs in the child between fork and exec.
[[noreturn]] void become(char* const* words, const child_fds& fds, pid_t parent) {
    const auto give_up = [&] {
        const int number = errno;
        [[maybe_unused]] const auto written = ::write(fds.exec_error, &number, sizeof number);
        ::_exit(127);
    };
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    ::setpgid(0, 0);
    if (::prctl(PR_SET_PDEATHSIG, SIGTERM) != 0) give_up();
    if (::getppid() != parent) ::_exit(127); // the parent died before it could be watched
    if (::dup2(fds.null, STDIN_FILENO) < 0 || ::dup2(fds.output, STDOUT_FILENO) < 0 ||
        ::dup2(fds.output, STDERR_FILENO) < 0 || ::dup2(fds.ready, child::ready_fd) < 0) {
        give_up();
    }
    if (::close_range(child::ready_fd + 1, ~0U, CLOSE_RANGE_CLOEXEC) != 0) give_up();
    ::execv(words[0], words);
    give_up();
    ::_exit(127);
}

// The errno with which the child failed to execute its program, or 0. Blocks until one of the two is certain.
int read_exec_error(int fd) {
    int number = 0;
    ssize_t got = 0;
    do {
        got = ::read(fd, &number, sizeof number);
    } while (got < 0 && errno == EINTR);
    return got == static_cast<ssize_t>(sizeof number) ? number : 0;
}

void reap(pid_t pid) {
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
}

exit_status status_of(const siginfo_t& info) {
    return {.by_signal = info.si_code != CLD_EXITED, .number = info.si_status};
}

} // namespace

std::string exit_status::text() const {
    if (!by_signal) return "exit status " + std::to_string(number);
    const char* name = ::sigabbrev_np(number);
    return "killed by signal " + std::to_string(number) +
           (name != nullptr ? " (" + std::string(name) + ")" : "");
}

child::child(asio::io_context& context, child_listener& listener)
    : context_(context), listener_(listener), output_(context), ready_(context), pidfd_(context) {}

child::~child() {
    // Only an executor that was stopped for good leaves a child behind. It must not outlive its watcher; one that does
    // not even die of SIGKILL is left to be reaped by others.
    if (pid_ > 0 && !reaped_) {
        ::kill(-pid_, SIGKILL);
        pollfd ended{.fd = pidfd_.native_handle(), .events = POLLIN, .revents = 0};
        ::poll(&ended, 1, static_cast<int>(farewell.count()));
        ::waitpid(pid_, nullptr, WNOHANG);
    }
}

outcome<void> child::start(const std::vector<std::string>& words) {
    PUFFS_ASSERT(pid_ == 0 && loops_ == 0, "child started twice");
    std::vector<char*> argv;
    argv.reserve(words.size() + 1);
    for (const auto& word : words)
        argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);

    auto output = make_pipe();
    if (!output) return std::unexpected(output.error());
    auto ready = make_pipe();
    if (!ready) return std::unexpected(ready.error());
    auto exec_error = make_pipe();
    if (!exec_error) return std::unexpected(exec_error.error());
    const owned_fd null_low(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const owned_fd null(::fcntl(null_low.get(), F_DUPFD_CLOEXEC, first_free_fd));
    if (null.get() < 0) return fail_system("/dev/null", errno);

    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) return fail_system("fork", errno);
    if (pid == 0) {
        become(argv.data(),
               {null.get(), output->write.get(), ready->write.get(), exec_error->write.get()},
               parent);
    }
    ::setpgid(pid, pid); // both sides do it, so that it is done whichever runs first
    exec_error->write.reset();
    if (const int number = read_exec_error(exec_error->read.get()); number != 0) {
        reap(pid);
        return fail(failure_code::no_such_server,
                    "cannot execute " + words[0] + ": " + std::strerror(number));
    }
    owned_fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (pidfd.get() < 0) {
        const int number = errno;
        ::kill(-pid, SIGKILL);
        reap(pid);
        return fail_system("pidfd_open", number);
    }
    pid_ = pid;
    reaped_ = false;
    output_.assign(output->read.release());
    ready_.assign(ready->read.release());
    pidfd_.assign(pidfd.release());
    watch();
    return {};
}

void child::watch() {
    output_text_.clear();
    ready_text_.clear();
    loops_ = 3;
    const auto ended = [this](const std::exception_ptr& thrown) {
        if (thrown) std::rethrow_exception(thrown);
        loop_ended();
    };
    asio::co_spawn(context_, read_output(), ended);
    asio::co_spawn(context_, read_ready(), ended);
    asio::co_spawn(context_, await_exit(), ended);
}

void child::loop_ended() {
    if (--loops_ > 0) return;
    output_.close();
    ready_.close();
    pidfd_.close();
    pid_ = 0;
    listener_.child_exited(status_); // may start the child again
}

void child::terminate() {
    if (pid_ > 0 && !reaped_) ::kill(pid_, SIGTERM);
}

void child::kill() {
    if (pid_ > 0 && !reaped_) ::kill(-pid_, SIGKILL);
}

awaitable<void> child::await_exit() {
    error_code failed;
    co_await pidfd_.async_wait(descriptor::wait_read, with_error(failed));
    // Until it is reaped, the dead leader keeps the number of its group from being used again.
    ::kill(-pid_, SIGKILL);
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) < 0 && errno == EINTR) {
    }
    status_ = status_of(info);
    reaped_ = true;
    // A process that left the group may hold the pipes open for ever: the readers take what is there and end.
    output_.cancel(failed);
    ready_.cancel(failed);
}

awaitable<void> child::read_output() {
    std::array<char, 4096> buffer; // filled by each read
    for (;;) {
        error_code failed;
        const auto got = co_await output_.async_read_some(asio::buffer(buffer), with_error(failed));
        output_text_.append(buffer.data(), got);
        if (reaped_) drain(output_, output_text_);
        cut_lines();
        if (failed || reaped_) break;
    }
    if (!output_text_.empty()) listener_.child_printed(output_text_);
}

awaitable<void> child::read_ready() {
    std::array<char, 256> buffer; // filled by each read
    for (;;) {
        error_code failed;
        const auto got = co_await ready_.async_read_some(asio::buffer(buffer), with_error(failed));
        ready_text_.append(buffer.data(), got);
        if (reaped_) drain(ready_, ready_text_);
        const auto end = ready_text_.find('\n');
        if (end != std::string::npos || ready_text_.size() > limits::output_line_bytes) {
            ready_text_.resize(std::min(end, limits::output_line_bytes));
            listener_.child_answered(ready_text_);
            break;
        }
        if (failed || reaped_) {
            listener_.child_closed_ready();
            break;
        }
    }
}

// Takes what a dead child left in a pipe, without waiting for more.
void child::drain(descriptor& from, std::string& pending) {
    error_code failed;
    from.non_blocking(true, failed);
    std::array<char, 4096> buffer; // filled by each read
    for (std::size_t reads = 0; !failed && reads < limits::drain_reads; ++reads) {
        const auto got = from.read_some(asio::buffer(buffer), failed);
        if (!failed) pending.append(buffer.data(), got);
    }
}

void child::cut_lines() {
    std::size_t begin = 0;
    for (;;) {
        const auto end = output_text_.find('\n', begin);
        const auto length =
            std::min(end == std::string::npos ? output_text_.size() : end, output_text_.size()) -
            begin;
        if (length > limits::output_line_bytes) {
            listener_.child_printed(
                std::string_view(output_text_).substr(begin, limits::output_line_bytes));
            begin += limits::output_line_bytes;
        } else if (end != std::string::npos) {
            listener_.child_printed(std::string_view(output_text_).substr(begin, length));
            begin = end + 1;
        } else {
            break;
        }
    }
    output_text_.erase(0, begin);
}

} // namespace puffs::daemon
