// posix/calls.hh - short forms of system calls for the checks.
#pragma once

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <grp.h>
#include <gtest/gtest.h>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace puffs::test {

using path = std::filesystem::path;

// The call must succeed, or fail with this errno.
#define EXPECT_CALL_OK(call) EXPECT_EQ((call) < 0 ? errno : 0, 0) << #call
#define EXPECT_CALL_FAILS(number, call)                                                            \
    do {                                                                                           \
        errno = 0;                                                                                 \
        const auto result_ = (call);                                                               \
        EXPECT_EQ(result_, -1) << #call;                                                           \
        EXPECT_EQ(errno, number) << #call;                                                         \
    } while (false)

class descriptor {
  public:
    explicit descriptor(int fd) : fd_(fd) {}
    descriptor(const path& p, int flags, mode_t mode = 0644)
        : fd_(::open(p.c_str(), flags, mode)) {}
    ~descriptor() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
    operator int() const { return fd_; } // NOLINT: it is a descriptor

  private:
    int fd_;
};

inline void make_file(const path& p, std::string_view text = "") {
    const descriptor fd(p, O_CREAT | O_WRONLY | O_TRUNC);
    ASSERT_GE(fd, 0) << p << " " << errno;
    ASSERT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
}

inline std::string contents(const path& p) {
    const descriptor fd(p, O_RDONLY);
    std::string text;
    char buffer[4096];
    ssize_t n = 0;
    while ((n = ::read(fd, buffer, sizeof(buffer))) > 0) {
        text.append(buffer, static_cast<std::size_t>(n));
    }
    return text;
}

inline struct stat stat_of(const path& p) {
    struct stat st {};
    EXPECT_EQ(::lstat(p.c_str(), &st), 0) << p << " " << errno;
    return st;
}

inline bool is_there(const path& p) {
    struct stat st {};
    return ::lstat(p.c_str(), &st) == 0;
}

// Runs f in a child as another user; f returns 0 or an errno, which is returned.
template <class F>
int as_user(uid_t uid, F&& f) {
    const pid_t child = ::fork();
    if (child == 0) {
        if (::setgroups(0, nullptr) < 0 || ::setgid(uid) < 0 || ::setuid(uid) < 0) {
            ::_exit(255);
        }
        ::_exit(f());
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 254;
}
inline int errno_if(bool failed) {
    return failed ? errno : 0;
}

inline constexpr uid_t alice = 10001, bob = 10002;

} // namespace puffs::test
