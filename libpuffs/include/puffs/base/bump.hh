// base/bump.hh - one more on a counter that one thread writes and any thread reads (spec T15).
//
// A load and a store, not a read-modify-write: the writer pays nothing for the readers.
//
// Threading:  one writer, a core or whoever holds the lock; readers load relaxed.
#pragma once

#include <atomic>
#include <cstdint>

namespace puffs {

inline void bump(std::atomic<std::uint64_t>& counter) noexcept {
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

} // namespace puffs
