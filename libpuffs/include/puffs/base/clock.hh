// base/clock.hh - time as the cores see it: nanoseconds since an arbitrary start, real or virtual.
//
// Units:      std::chrono::nanoseconds held in 64 unsigned bits that may wrap; compare with
//             before(), never with <.
// Threading:  real clock: any thread. Virtual clock: the harness's thread.
// Source:     clock_gettime(2) CLOCK_MONOTONIC.
#pragma once

#include <chrono>
#include <cstdint>

namespace puffs {

struct instant {
    std::uint64_t ns = 0;

    // Signed difference, so that it stays right across a wrap of the counter (spec T14).
    [[nodiscard]] constexpr bool before(instant other) const {
        return static_cast<std::int64_t>(ns - other.ns) < 0;
    }
    [[nodiscard]] constexpr std::chrono::nanoseconds since(instant earlier) const {
        return std::chrono::nanoseconds(static_cast<std::int64_t>(ns - earlier.ns));
    }
    [[nodiscard]] constexpr instant after(std::chrono::nanoseconds d) const {
        return {ns + static_cast<std::uint64_t>(d.count())};
    }
    friend constexpr bool operator==(instant, instant) = default;
};

class clock {
  public:
    virtual ~clock() = default;
    [[nodiscard]] virtual instant now() const noexcept = 0;
};

// CLOCK_MONOTONIC.
class monotonic_clock final : public clock {
  public:
    [[nodiscard]] instant now() const noexcept override;
};

// Stands still until it is told to move; used by the stepped harness and by the in-process kernel.
class virtual_clock final : public clock {
  public:
    explicit virtual_clock(instant start = {}) : now_(start) {}
    [[nodiscard]] instant now() const noexcept override { return now_; }
    void advance(std::chrono::nanoseconds by) { now_ = now_.after(by); }

  private:
    instant now_;
};

} // namespace puffs
