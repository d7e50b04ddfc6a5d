#include "mount/mount_point.hh"

#define FUSE_USE_VERSION 31
#include "fuse/wire_dev.hh"
#include "mount/option_list.hh"
#include "puffs/base/log.hh"

#include <cstdarg>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fuse3/fuse.h>
#include <fuse3/fuse_log.h>
#include <memory>
#include <spawn.h>
#include <string_view>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace puffs::kmod {

namespace {

constexpr const char* device = "/dev/fuse";
constexpr const char* fusermount = "fusermount3";

std::string text_of(int number) {
    return std::error_code(number, std::generic_category()).message();
}

// What libfuse says while it mounts: kept, because its last line is the only cause that it gives. Its callback, of
// which a process has one, takes no argument of ours: so this is not of any object, and only open_connection() uses it.
std::string libfuse_said;

void remember(fuse_log_level, const char* format, va_list arguments) {
    char line[512];
    std::vsnprintf(line, sizeof(line), format, arguments);
    libfuse_said = line;
    while (!libfuse_said.empty() && libfuse_said.back() == '\n') {
        libfuse_said.pop_back();
    }
}

std::string find_in_path(std::string_view program) {
    const char* path = std::getenv("PATH");
    std::string_view rest = path != nullptr ? path : "/usr/bin:/bin";
    while (!rest.empty()) {
        const auto colon = rest.find(':');
        const std::string candidate = fmt::format("{}/{}", rest.substr(0, colon), program);
        if (::access(candidate.c_str(), X_OK) == 0) {
            return candidate;
        }
        rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
    }
    return {};
}

// The descriptor is nonblocking before anybody uses it: a channel reads until there is nothing, and io_uring hands a
// blocking descriptor's operations to threads of its own.
std::expected<int, std::string> make_nonblocking(int fd) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        ::fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
        std::string cause = text_of(errno);
        ::close(fd);
        return std::unexpected(fmt::format("{}: {}", device, cause));
    }
    return fd;
}

int run_fusermount(const std::string& mount_point, bool detach) {
    const std::string program = find_in_path(fusermount);
    if (program.empty()) {
        return 127;
    }
    std::vector<const char*> arguments = {fusermount, "-u", "-q"};
    if (detach) {
        arguments.push_back("-z");
    }
    arguments.insert(arguments.end(), {"--", mount_point.c_str(), nullptr});
    pid_t child = 0;
    if (::posix_spawn(&child, program.c_str(), nullptr, nullptr,
                      const_cast<char**>(arguments.data()), environ) != 0) {
        return 127;
    }
    int status = 0;
    pid_t ended = 0;
    do {
        ended = ::waitpid(child, &status, 0);
    } while (ended < 0 && errno == EINTR);
    return ended == child && WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

} // namespace

std::expected<std::string, std::string> check_mount_point(const std::string& path) {
    struct stat st {};
    if (::stat(path.c_str(), &st) < 0) {
        const int number = errno;
        if (number == ENOTCONN) {
            return std::unexpected(fmt::format(
                "mount point '{}': a dead FUSE mount is on it; remove it with 'fusermount3 -u {}'",
                path, path));
        }
        return std::unexpected(fmt::format("mount point '{}': {}", path, text_of(number)));
    }
    if (!S_ISDIR(st.st_mode)) {
        return std::unexpected(fmt::format("mount point '{}': not a directory", path));
    }
    if (::geteuid() != 0) {
        if (st.st_uid != ::geteuid() || ::access(path.c_str(), W_OK) != 0) {
            return std::unexpected(
                fmt::format("mount point '{}': not ours: it belongs to user {} and we are user {}",
                            path, st.st_uid, ::geteuid()));
        }
        if (find_in_path(fusermount).empty()) {
            return std::unexpected(fmt::format(
                "{}: not found in PATH; ordinary users need it to mount (Debian package fuse3)",
                fusermount));
        }
    }
    const int fd = ::open(device, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        const int number = errno;
        return std::unexpected(fmt::format(
            "{}: {}{}", device, text_of(number),
            number == ENOENT || number == ENODEV ? "; is the fuse module loaded?" : ""));
    }
    ::close(fd);
    std::error_code failed;
    const std::filesystem::path canonical = std::filesystem::canonical(path, failed);
    if (failed) {
        return std::unexpected(fmt::format("mount point '{}': {}", path, failed.message()));
    }
    return canonical.string();
}

std::expected<int, std::string> open_connection(const std::string& mount_point,
                                                const mount_options& o) {
    libfuse_said.clear();
    ::fuse_set_log_func(&remember);
    const int fd = ::fuse_open_channel(mount_point.c_str(), kernel_option_list(o).c_str());
    const int number = errno;
    ::fuse_set_log_func(nullptr);
    if (fd < 0) {
        return std::unexpected(fmt::format("mounting on '{}': {}", mount_point,
                                           libfuse_said.empty() ? text_of(number) : libfuse_said));
    }
    return make_nonblocking(fd);
}

std::expected<int, std::string> clone_connection(int fd) {
    const int clone = ::open(device, O_RDWR | O_CLOEXEC);
    if (clone < 0) {
        return std::unexpected(fmt::format("{}: {}", device, text_of(errno)));
    }
    auto source = static_cast<std::uint32_t>(fd);
    if (::ioctl(clone, fuse::wire::dev_ioc_clone, &source) < 0) {
        std::string cause = text_of(errno);
        ::close(clone);
        return std::unexpected(fmt::format("{}: cloning the connection: {}", device, cause));
    }
    return make_nonblocking(clone);
}

unmount_report unmount(const std::string& mount_point, bool detach) {
    if (::umount2(mount_point.c_str(), UMOUNT_NOFOLLOW | (detach ? MNT_DETACH : 0)) == 0) {
        return {unmount_outcome::done, {}};
    }
    const int number = errno;
    if (number == EINVAL || number == ENOENT) {
        return {unmount_outcome::done, {}}; // not mounted any more
    }
    if (number == EBUSY) {
        return {unmount_outcome::busy, fmt::format("'{}' is in use", mount_point)};
    }
    if (number != EPERM) {
        return {unmount_outcome::failed,
                fmt::format("unmounting '{}': {}", mount_point, text_of(number))};
    }
    const int status = run_fusermount(mount_point, detach);
    if (status == 0) {
        return {unmount_outcome::done, {}};
    }
    if (status == 127) {
        return {unmount_outcome::failed,
                fmt::format("unmounting '{}': {} not found", mount_point, fusermount)};
    }
    // fusermount3 does not tell busy from the rest by its status; busy is the only cause that goes away by waiting.
    return {unmount_outcome::busy,
            fmt::format("'{}' is in use ({} -u ended with {})", mount_point, fusermount, status)};
}

} // namespace puffs::kmod
