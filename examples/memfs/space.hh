// memfs/space.hh - how much memory the file system may use, and how much it does.
//
// Everything that a user can make grow is charged here before it is allocated: data, nodes, names, extended attributes.
// So the limit is met by ENOSPC and not by the system's memory.
//
// Units:      bytes.
// Threading:  any core; one relaxed atomic, which orders nothing: it only counts.
#pragma once

#include <atomic>
#include <cstdint>

namespace memfs {

class space {
  public:
    explicit space(std::uint64_t limit_bytes) : limit_(limit_bytes) {}

    // False, and nothing charged, when the limit would be passed.
    [[nodiscard]] bool take(std::uint64_t bytes) noexcept {
        if (used_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= limit_) {
            return true;
        }
        give(bytes);
        return false;
    }
    void give(std::uint64_t bytes) noexcept { used_.fetch_sub(bytes, std::memory_order_relaxed); }

    [[nodiscard]] std::uint64_t limit() const noexcept { return limit_; }
    [[nodiscard]] std::uint64_t used() const noexcept {
        return used_.load(std::memory_order_relaxed);
    }

  private:
    const std::uint64_t limit_;
    std::atomic<std::uint64_t> used_{0};
};

} // namespace memfs
