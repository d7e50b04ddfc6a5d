#include "puffs/base/histogram.hh"

#include "puffs/base/assert.hh"

#include <cmath>

namespace puffs {

void histogram_sum::add(const histogram& h) noexcept {
    for (std::size_t i = 0; i < counts_.size(); ++i) {
        const std::uint64_t n = h.counts_[i].load(std::memory_order_relaxed);
        counts_[i] += n;
        count_ += n;
    }
    max_ = std::max(max_, h.max_.load(std::memory_order_relaxed));
}

std::uint64_t histogram_sum::quantile(double share) const noexcept {
    PUFFS_ASSERT(count_ > 0 && share > 0 && share <= 1, "no value is there to be had");
    const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
    std::uint64_t seen = 0;
    std::size_t bucket = 0;
    while (bucket + 1 < counts_.size() && (seen += counts_[bucket]) < wanted) {
        ++bucket;
    }
    const std::uint64_t low = histogram::lowest_of(bucket);
    const std::uint64_t beyond = histogram::lowest_of(bucket + 1);
    // The last bucket has no upper end, and the highest value may lie below the middle of its own.
    return bucket + 1 == counts_.size() ? max_ : std::min(low + (beyond - low) / 2, max_);
}

} // namespace puffs
