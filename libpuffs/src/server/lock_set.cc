#include "lock_set.hh"

#include "call.hh"
#include "homes.hh"

#include <algorithm>
#include <functional>
#include <utility>

namespace puffs {

bool lock_set::has(const node& n) const noexcept {
    return std::find(held_.begin(), held_.begin() + count_, &n) != held_.begin() + count_;
}

homes& lock_set::places() const noexcept {
    return *terms_.request->um.homes_;
}

// The analysis cannot follow a set of locks that is known at run time only.
void lock_set::lock_one(node& n) noexcept PUFFS_NO_TSA {
    if (terms_.how == policy::per_node) [[likely]] {
        n.lock_.lock();
    } else if (terms_.request->pinned == &n) { // on the way here
        terms_.request->pinned = nullptr;
    } else {
        places().pin(n);
    }
}

void lock_set::lock(node& n) noexcept {
    PUFFS_ASSERT(count_ == 0, "a lock set takes its locks at once");
    if (active()) {
        held_[count_++] = &n;
        lock_one(n);
    }
}

void lock_set::lock(std::span<node* const> nodes) noexcept {
    PUFFS_ASSERT(count_ == 0, "a lock set takes its locks at once");
    if (!active()) {
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
        lock_one(*held_[i]);
    }
}

// More than two is the rare case of an operation that waits for its targets.
void lock_set::sort() noexcept {
    const auto goes_first = [this](const node* a, const node* b) {
        if (terms_.how == policy::home) {
            const core_id of_a = places().of(*a), of_b = places().of(*b);
            if (of_a != of_b) {
                return of_a < of_b;
            }
        }
        return std::less<>()(a, b);
    };
    if (count_ > 2) {
        std::sort(held_.begin(), held_.begin() + count_, goes_first);
    } else if (count_ == 2 && goes_first(held_[1], held_[0])) {
        std::swap(held_[0], held_[1]);
    }
}

bool lock_set::try_add(node& n) noexcept PUFFS_NO_TSA {
    if (!active() || has(n)) {
        return true;
    }
    PUFFS_ASSERT(count_ < capacity, "too many nodes for one operation");
    if (terms_.how == policy::per_node ? !n.lock_.try_lock() : !places().try_pin(n)) {
        return false;
    }
    held_[count_++] = &n;
    return true;
}

void lock_set::unlock() noexcept PUFFS_NO_TSA {
    while (count_ > 0) {
        node& n = *held_[--count_];
        if (terms_.how == policy::per_node) [[likely]] {
            n.lock_.unlock();
        } else {
            places().unpin(n);
        }
    }
}

} // namespace puffs
