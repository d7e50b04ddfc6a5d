// base/histogram.hh - how often values of each size came, in buckets that grow with the value.
//
// Four buckets for each doubling: a quantile is right within an eighth of its value, or 8 units where that is more.
//
// Units:      the values': any whole numbers, such as ticks. Below 16 units nothing is told apart.
// Full:       values of 2^38 and more share the last bucket; counts of 64 bits do not fill.
// Ownership:  plain memory, 1 KiB; no allocation.
// Threading:  add: the owner alone. histogram_sum reads at any time, on any thread, and may miss what is being added.
// Ordering:   relaxed: nothing else is concluded from a count.
// Source:     HdrHistogram (idea). Its libraries expect either one thread, or pay a locked instruction a value.
#pragma once

#include "puffs/base/bump.hh"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace puffs {

class histogram {
  public:
    static constexpr unsigned unit_bits = 4;
    static constexpr unsigned step_bits = 2; // of a doubling
    static constexpr std::size_t buckets_count = 128;

    void add(std::uint64_t value) noexcept {
        bump(counts_[bucket_of(value)]);
        if (value > max_.load(std::memory_order_relaxed)) {
            max_.store(value, std::memory_order_relaxed);
        }
    }

    [[nodiscard]] static constexpr std::size_t bucket_of(std::uint64_t value) noexcept {
        const std::uint64_t units = value >> unit_bits;
        // The highest bit and the two below it: shifted down, they are a step of 4 to 7.
        const auto shift = static_cast<unsigned>(std::bit_width(units | steps)) - (step_bits + 1);
        return std::min<std::size_t>((shift << step_bits) + (units >> shift), buckets_count - 1);
    }
    // The least value of a bucket; of buckets_count: the first that is beyond them all.
    [[nodiscard]] static constexpr std::uint64_t lowest_of(std::size_t bucket) noexcept {
        const std::uint64_t step = bucket % steps;
        const std::size_t doubling = bucket >> step_bits;
        const std::uint64_t units = doubling == 0 ? step : (steps + step) << (doubling - 1);
        return units << unit_bits;
    }

  private:
    friend class histogram_sum;
    static constexpr std::uint64_t steps = 1U << step_bits;

    // atomic: the owner writes, anybody reads
    std::array<std::atomic<std::uint64_t>, buckets_count> counts_{};
    std::atomic<std::uint64_t> max_{0};
};

// What one histogram or several have counted. A value, of the thread that makes it.
class histogram_sum {
  public:
    void add(const histogram& h) noexcept;
    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
    [[nodiscard]] std::uint64_t max() const noexcept { return max_; } // exact
    // quantile - the middle of the bucket in which the `share` of the values ends: 0.5 is the median.
    // Requires:  count() > 0, 0 < share <= 1.
    [[nodiscard]] std::uint64_t quantile(double share) const noexcept;

  private:
    std::array<std::uint64_t, histogram::buckets_count> counts_{};
    std::uint64_t count_ = 0;
    std::uint64_t max_ = 0;
};

} // namespace puffs
