#include "puffs/base/spinlock.hh"

#include "puffs/base/race_point.hh"

namespace puffs {

void spinlock::lock_slow() noexcept {
    unsigned turn = 0;
    do {
        // Only loads while it is held: an exchange would take the line from the holder.
        while (held_.load(std::memory_order_relaxed)) {
            relax_turn(turn++);
        }
    } while (held_.exchange(true, std::memory_order_acquire));
}

} // namespace puffs
