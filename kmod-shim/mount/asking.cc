#include "mount/asking.hh"

#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <limits>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace puffs::kmod {

namespace {

constexpr std::array own_signals = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGPIPE};

// Between fork and exit of a process that had other threads: only calls that are safe in signal handlers.
[[noreturn]] void ask_and_exit(const char* mount_point, int answer_to) {
    // The signals are the server's, whose handlers write into a pipe that it shares with us.
    for (const int number : own_signals) {
        ::signal(number, SIG_DFL);
    }
    sigset_t none;
    ::sigemptyset(&none);
    ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
    // Above all the connection: it must end with the server.
    const auto keep = static_cast<unsigned>(answer_to);
    if (keep > 0) {
        ::close_range(0, keep - 1, 0);
    }
    ::close_range(keep + 1, std::numeric_limits<unsigned>::max(), 0);
    struct statfs answer {};
    const int number = ::statfs(mount_point, &answer) < 0 ? errno : 0;
    static_cast<void>(!::write(answer_to, &number, sizeof number));
    ::_exit(0);
}

} // namespace

std::expected<int, std::string> ask_statfs(const std::string& mount_point) {
    const auto failed = [&mount_point](int number) {
        return std::unexpected(
            fmt::format("asking '{}': {}", mount_point, std::generic_category().message(number)));
    };
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) < 0) {
        return failed(errno);
    }
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    const pid_t child = ::fork();
    if (child == 0) {
        // The child's child belongs to init, which collects it whenever it ends.
        if (::fork() == 0) {
            ask_and_exit(mount_point.c_str(), ends[1]);
        }
        ::_exit(0);
    }
    const int number = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    ::close(ends[1]);
    if (child < 0) {
        ::close(ends[0]);
        return failed(number);
    }
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    return ends[0];
}

} // namespace puffs::kmod
