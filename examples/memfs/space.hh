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

    // Renaming to a longer name may go past the limit into a reserve, so that a full file system can be put in order.
    enum class purpose : std::uint8_t { growth, rename };

    // False, and nothing charged, when the limit for this purpose would be passed.
    [[nodiscard]] bool take(std::uint64_t bytes, purpose why = purpose::growth) noexcept {
        const std::uint64_t limit = limit_ + (why == purpose::rename ? limit_ / 8 : 0);
        // Compared before it is charged: a request for too much does not make smaller ones of other cores fail.
        auto before = used_.load(std::memory_order_relaxed);
        do {
            if (before > limit || bytes > limit - before) {
                return false;
            }
        } while (!used_.compare_exchange_weak(before, before + bytes, std::memory_order_relaxed));
        return true;
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

// Space that is charged for something about to be made, and given back unless that is kept: an
// exception on the way leaves no charge behind.
class reservation {
  public:
    reservation(space& s, std::uint64_t bytes, space::purpose why = space::purpose::growth) noexcept
        : space_(s), granted_(s.take(bytes, why)), bytes_(granted_ ? bytes : 0) {}
    ~reservation() { space_.give(bytes_); }
    reservation(const reservation&) = delete;
    reservation& operator=(const reservation&) = delete;

    // False: the limit would be passed, and nothing is charged.
    [[nodiscard]] explicit operator bool() const noexcept { return granted_; }
    void keep() noexcept { bytes_ = 0; }

  private:
    space& space_;
    const bool granted_;
    std::uint64_t bytes_;
};

} // namespace memfs
