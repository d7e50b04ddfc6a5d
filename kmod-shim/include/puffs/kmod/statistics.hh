// kmod/statistics.hh - what one core of a mount has served: operations, errors, and how long they took.
//
//   queued | from enqueue to when the server gets it
//   run    | until its message comes back, waiting in the operation included
//   reply  | until its caller has been called back, or woken: on /dev/fuse the kernel has the answer then, on io_uring
//          | the core hands it over with its next system call
//
// Counts are always kept. Times are kept once they are asked for: three readings of the clock, and three buckets, are
// a third of what the rest of a null operation takes.
//
// Units:      ticks (base/ticks.hh).
// Ownership:  fixed memory: 700 bytes, and 140 KiB for times.
// Threading:  the core writes; any thread reads, and may miss what is being written.
// Ordering:   relaxed: nothing else is concluded from a count.
#pragma once

#include "puffs/base/bump.hh"
#include "puffs/base/histogram.hh"
#include "puffs/base/ticks.hh"
#include "puffs/msg/request.hh"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace puffs::kmod {

// Node operations by their numbers, then those on the file system; 0 for what is neither.
using operation_kind = std::uint8_t;
inline constexpr auto first_vfs_kind = static_cast<std::uint32_t>(msg::vn_op::count_);
inline constexpr std::uint32_t kinds_count =
    first_vfs_kind + static_cast<std::uint32_t>(msg::vfs_op::suspend) + 1;

[[nodiscard]] constexpr operation_kind kind_of(std::uint32_t opclass,
                                               std::uint32_t optype) noexcept {
    const bool vfs = (opclass & msg::opclass_mask) == static_cast<std::uint32_t>(msg::opclass::vfs);
    const std::uint32_t first = vfs ? first_vfs_kind : 0;
    const std::uint32_t beyond = vfs ? kinds_count : first_vfs_kind;
    return static_cast<operation_kind>(optype < beyond - first ? first + optype : 0);
}
[[nodiscard]] const char* name_of_kind(operation_kind k) noexcept;

struct operation_counts {
    std::atomic<std::uint64_t> ended{0};  // by the server's reply, or otherwise
    std::atomic<std::uint64_t> errors{0}; // of these: with an errno for the caller
};

struct operation_times {
    histogram queued, run;
    histogram reply; // none of what is fired and forgotten
};

class operation_statistics {
  public:
    // Before requests flow.
    void keep_times() { times_ = std::make_unique<operation_times[]>(kinds_count); }

    // The core's part.
    [[nodiscard]] bool timed() const noexcept { return times_ != nullptr; }
    void ended(operation_kind k, int rv) noexcept {
        bump(counts_[k].ended);
        if (rv != 0) {
            bump(counts_[k].errors);
        }
    }
    [[nodiscard]] operation_times& times(operation_kind k) noexcept {
        return times_[k];
    } // if timed()

    [[nodiscard]] const operation_counts& counts_of(operation_kind k) const noexcept {
        return counts_[k];
    }
    // Null while no times are kept.
    [[nodiscard]] const operation_times* times_of(operation_kind k) const noexcept {
        return times_ == nullptr ? nullptr : &times_[k];
    }

  private:
    std::array<operation_counts, kinds_count> counts_;
    std::unique_ptr<operation_times[]> times_; // constant once requests flow
};

} // namespace puffs::kmod
