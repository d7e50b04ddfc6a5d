#include "daemon/detach.hh"

#include "daemon/limits.hh"
#include "daemon/mountpoint.hh"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace puffs::daemon {
namespace {

namespace asio = boost::asio;

// Runs in the child. Its exit status is the errno of umount2, or that of fusermount3.
[[noreturn]] void unmount_lazily(const char* mountpoint) {
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::alarm(static_cast<unsigned>(limits::detach.count())); // survives exec
    if (::umount2(mountpoint, MNT_DETACH | UMOUNT_NOFOLLOW) == 0) ::_exit(0);
    const int number = errno;
    if (number == EPERM) {
        ::execlp("fusermount3", "fusermount3", "-u", "-z", "-q", "--", mountpoint, nullptr);
    }
    ::_exit(number);
}

// Waits for the end of `pid` and reaps it.
awaitable<int> wait_status_of(pid_t pid) {
    const int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    if (fd >= 0) {
        const auto executor = co_await asio::this_coro::executor;
        asio::posix::stream_descriptor pidfd(executor, fd);
        boost::system::error_code failed;
        co_await pidfd.async_wait(asio::posix::stream_descriptor::wait_read, with_error(failed));
    }
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    co_return status;
}

std::string why(int wait_status) {
    if (!WIFEXITED(wait_status)) return "it took too long";
    const int number = WEXITSTATUS(wait_status);
    return number == 0 ? "something else is mounted there" : std::strerror(number);
}

} // namespace

awaitable<outcome<void>> detach(std::string mountpoint) {
    auto mounted = mounted_at(mountpoint);
    if (!mounted) co_return std::unexpected(mounted.error());
    if (!*mounted) co_return outcome<void>();

    const pid_t pid = ::fork();
    if (pid < 0) co_return fail_system("fork", errno);
    if (pid == 0) unmount_lazily(mountpoint.c_str());
    const int status = co_await wait_status_of(pid);

    mounted = mounted_at(mountpoint);
    if (!mounted) co_return std::unexpected(mounted.error());
    if (!*mounted) co_return outcome<void>();
    co_return fail(failure_code::stop_failed, "cannot detach " + mountpoint + ": " + why(status));
}

} // namespace puffs::daemon
