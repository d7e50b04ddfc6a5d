// daemon/owned_fd.hh - a file descriptor that closes itself.
//
// Ownership:  the object owns the descriptor; release() gives it away.
// Threading:  none.
#pragma once

#include <unistd.h>
#include <utility>

namespace puffs::daemon {

class owned_fd {
  public:
    owned_fd() = default;
    explicit owned_fd(int fd) : fd_(fd) {}
    owned_fd(owned_fd&& other) noexcept : fd_(other.release()) {}
    owned_fd& operator=(owned_fd&& other) noexcept {
        if (this != &other) {
            reset();
            fd_ = other.release();
        }
        return *this;
    }
    ~owned_fd() { reset(); }

    [[nodiscard]] int get() const { return fd_; } // -1: none
    [[nodiscard]] int release() { return std::exchange(fd_, -1); }
    void reset() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }

  private:
    int fd_ = -1;
};

} // namespace puffs::daemon
