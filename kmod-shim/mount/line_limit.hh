// mount/line_limit.hh - keeps a log from being flooded by one cause.
//
// Units:      lines in a span of time, which begins with the first line after the last one was over.
// Threading:  one thread.
#pragma once

#include "puffs/base/clock.hh"

#include <chrono>
#include <cstdint>
#include <utility>

namespace puffs::kmod {

class line_limit {
  public:
    line_limit(unsigned lines_max, std::chrono::nanoseconds span) noexcept
        : lines_max_(lines_max), span_(span) {}

    // May a line be written? Each call that may counts as one.
    [[nodiscard]] bool take(instant now) noexcept {
        if (lines_ == 0 || now.since(begin_) >= span_) {
            begin_ = now;
            lines_ = 0;
        }
        if (lines_ == lines_max_) {
            ++refused_;
            return false;
        }
        ++lines_;
        return true;
    }
    // How many could not be written since this was asked last.
    [[nodiscard]] std::uint64_t take_refused() noexcept { return std::exchange(refused_, 0); }

  private:
    const unsigned lines_max_;
    const std::chrono::nanoseconds span_;
    instant begin_;
    unsigned lines_ = 0;
    std::uint64_t refused_ = 0;
};

} // namespace puffs::kmod
