#include "mount/background.hh"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <string_view>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace puffs::kmod {

namespace {

void write_line(int fd, std::string_view line) {
    while (!line.empty()) {
        const ssize_t n = ::write(fd, line.data(), line.size());
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break; // nobody listens any more; the mount goes on
        }
        line.remove_prefix(static_cast<std::size_t>(n));
    }
    if (fd > STDERR_FILENO) {
        ::close(fd);
        return;
    }
    // The next file that is opened would become a standard stream.
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        ::dup2(null, fd);
        ::close(null);
    }
}

// The parent's part: the child's line decides.
[[noreturn]] void wait_for(int fd, pid_t child) {
    std::string line;
    char buffer[512];
    ssize_t n = 0;
    while ((n = ::read(fd, buffer, sizeof(buffer))) > 0 || (n < 0 && errno == EINTR)) {
        if (n > 0) {
            line.append(buffer, static_cast<std::size_t>(n));
        }
    }
    if (line == "ready\n") {
        ::_exit(0);
    }
    if (line.empty()) {
        int status = 0;
        ::waitpid(child, &status, 0);
        line = WIFSIGNALED(status) ? fmt::format("error: the file server was ended by signal {}\n",
                                                 WTERMSIG(status))
                                   : std::string(); // it has said why itself
    }
    constexpr std::string_view mark =
        "error: "; // for programs; a user is told as in the foreground
    std::fputs(line.c_str() + (line.starts_with(mark) ? mark.size() : 0), stderr);
    ::_exit(1);
}

} // namespace

std::expected<int, std::string> go_to_background() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) < 0) {
        return std::unexpected(
            fmt::format("going to the background: {}", std::generic_category().message(errno)));
    }
    const pid_t child = ::fork();
    if (child < 0) {
        return std::unexpected(
            fmt::format("going to the background: {}", std::generic_category().message(errno)));
    }
    if (child > 0) {
        ::close(ends[1]);
        wait_for(ends[0], child);
    }
    ::close(ends[0]);
    ::setsid();
    if (::chdir("/") < 0) {
        return std::unexpected(
            fmt::format("chdir to /: {}", std::generic_category().message(errno)));
    }
    return ends[1];
}

void report_ready(int fd) {
    write_line(fd, "ready\n");
}

void report_error(int fd, const std::string& text) {
    write_line(fd, fmt::format("error: {}\n", text));
}

void detach_streams() {
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) {
        return; // the streams stay open: worse manners, nothing lost
    }
    for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        ::dup2(null, fd);
    }
    ::close(null);
}

} // namespace puffs::kmod
