#include "puffs/ipi/ipiq.hh"

#include "puffs/base/assert.hh"
#include "puffs/base/race_point.hh"

namespace puffs::ipi {

static_assert((ipiq::slots & (ipiq::slots - 1)) == 0, "indices wrap by masking");

bool ipiq::push(ipi_function f, void* arg, std::intptr_t value) noexcept {
    const std::uint64_t w = windex_.load(std::memory_order_relaxed);
    if (w - rindex_seen_ >= slots - 1) {
        rindex_seen_ = rindex_.load(std::memory_order_acquire);
        if (w - rindex_seen_ >= slots - 1) { // one slot stays free: never exactly full (Q3)
            return false;
        }
    }
    entries_[w & (slots - 1)] = {f, arg, value, 0};
    PUFFS_RACE_POINT("ipiq: written, not published");
    windex_.store(w + 1, std::memory_order_release);
    return true;
}

std::uint64_t ipiq::used() noexcept {
    const std::uint64_t w = windex_.load(std::memory_order_relaxed);
    if (w - rindex_seen_ >= slots / 4) { // below, the stale bound decides nothing
        rindex_seen_ = rindex_.load(std::memory_order_acquire);
    }
    return w - rindex_seen_;
}

bool ipiq::empty() const noexcept {
    return rindex_.load(std::memory_order_relaxed) == windex_.load(std::memory_order_acquire);
}

bool ipiq::take(entry& out) noexcept {
    const std::uint64_t r = rindex_.load(std::memory_order_relaxed);
    if (r == windex_.load(std::memory_order_acquire)) {
        return false;
    }
    out = entries_[r & (slots - 1)];
    ++running_;
    rindex_.store(r + 1, std::memory_order_release);
    return true;
}

void ipiq::finish() noexcept {
    PUFFS_ASSERT(running_ > 0, "ipiq: finish without take");
    if (--running_ == 0) {
        PUFFS_RACE_POINT("ipiq: run, not finished");
        xindex_.store(rindex_.load(std::memory_order_relaxed), std::memory_order_release);
    }
}

bool ipiq::finished(std::uint64_t windex) const noexcept {
    return xindex_.load(std::memory_order_acquire) >= windex;
}

} // namespace puffs::ipi
