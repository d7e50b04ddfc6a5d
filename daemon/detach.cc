#include "daemon/detach.hh"

#include "daemon/limits.hh"
#include "puffs/base/log.hh"

#include <algorithm>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace puffs::daemon {
namespace {

namespace asio = boost::asio;

constexpr int it_answers = 255; // an exit status that is no errno

// What the kernel says instead of a file server that is gone.
bool is_dead(const char* mountpoint) {
    struct statfs answer {};
    return ::statfs(mountpoint, &answer) < 0 &&
           (errno == ENOTCONN || errno == ECONNABORTED || errno == ECONNREFUSED);
}

// Runs in the child. Its exit status is it_answers, the errno of umount2, or that of fusermount3.
[[noreturn]] void unmount_lazily(const char* mountpoint, detach_what what) {
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::alarm(static_cast<unsigned>(limits::detach.count())); // survives exec
    if (what == detach_what::own_if_dead && !is_dead(mountpoint)) ::_exit(it_answers);
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
    return number == 0 ? "it is still there" : std::strerror(number);
}

} // namespace

awaitable<outcome<void>> detach(std::string mountpoint, mount_entry own, detach_what what) {
    auto there = mounts_at(mountpoint);
    if (!there) co_return std::unexpected(there.error());
    if (std::ranges::find(*there, own) == there->end()) co_return outcome<void>();
    if (const auto& top = there->back(); top != own) {
        co_return fail(failure_code::stop_failed, "cannot detach " + mountpoint +
                                                      ": another mount (" + top.type +
                                                      ") lies on top");
    }
    const pid_t pid = ::fork();
    if (pid < 0) co_return fail_system("fork", errno);
    if (pid == 0) unmount_lazily(mountpoint.c_str(), what);
    const int status = co_await wait_status_of(pid);

    there = mounts_at(mountpoint);
    if (!there) co_return std::unexpected(there.error());
    if (std::ranges::find(*there, own) == there->end()) co_return outcome<void>();
    if (WIFEXITED(status) && WEXITSTATUS(status) == it_answers) {
        PUFFS_LOG(warn, "{}: what is mounted here answers, and is left alone", mountpoint);
        co_return outcome<void>();
    }
    co_return fail(failure_code::stop_failed, "cannot detach " + mountpoint + ": " + why(status));
}

} // namespace puffs::daemon
