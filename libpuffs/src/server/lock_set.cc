#include "lock_set.hh"

#include <algorithm>
#include <functional>
#include <utility>

namespace puffs {

bool lock_set::has(const node& n) const noexcept {
    return std::find(held_.begin(), held_.begin() + count_, &n) != held_.begin() + count_;
}

// The analysis cannot follow a set of locks that is known at run time only.
void lock_set::lock(node& n) noexcept PUFFS_NO_TSA {
    PUFFS_ASSERT(count_ == 0, "a lock set takes its locks at once");
    if (active_) {
        held_[count_++] = &n;
        n.lock_.lock();
    }
}

void lock_set::lock(std::span<node* const> nodes) noexcept PUFFS_NO_TSA {
    PUFFS_ASSERT(count_ == 0, "a lock set takes its locks at once");
    if (!active_) {
        return;
    }
    for (node* n : nodes) {
        if (n != nullptr && !has(*n)) {
            PUFFS_ASSERT(count_ < capacity, "too many nodes for one operation");
            held_[count_++] = n;
        }
    }
    sort();
    for (std::size_t i = 0; i < count_; ++i) {
        held_[i]->lock_.lock();
    }
}

// More than two is the rare case of an operation that waits for its targets.
void lock_set::sort() noexcept {
    if (count_ > 2) {
        std::sort(held_.begin(), held_.begin() + count_, std::less<>());
    } else if (count_ == 2 && std::less<>()(held_[1], held_[0])) {
        std::swap(held_[0], held_[1]);
    }
}

bool lock_set::try_add(node& n) noexcept PUFFS_NO_TSA {
    if (!active_ || has(n)) {
        return true;
    }
    PUFFS_ASSERT(count_ < capacity, "too many nodes for one operation");
    if (!n.lock_.try_lock()) {
        return false;
    }
    held_[count_++] = &n;
    return true;
}

void lock_set::unlock() noexcept PUFFS_NO_TSA {
    while (count_ > 0) {
        held_[--count_]->lock_.unlock();
    }
}

} // namespace puffs
