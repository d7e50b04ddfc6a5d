// lock_set.hh - the nodes that one operation has locked, under the policies per_node and home.
//
// Locks are taken in the order of the nodes' addresses, pins (homes.hh) in the order of their homes first; what turns
// out to be needed later is only tried, so that no two operations can wait for each other. A node is locked once
// however often it is named. Under the other policies every call succeeds and locks nothing.
//
// Full:       `capacity` nodes, two directories, their two targets, and two targets of an earlier try.
// Ownership:  refers to nodes that the operation holds for longer than the set lives.
// Threading:  the operation's thread.
// Blocks:     lock(): until the nodes are free.
// Source:     spec X8.
#pragma once

#include "puffs/server/usermount.hh"

#include <array>
#include <cstddef>
#include <initializer_list>
#include <span>

namespace puffs {

class homes;

// Under which policy; for home, which request.
struct lock_terms {
    constexpr lock_terms(policy p, call* c = nullptr) noexcept : how(p), request(c) {}
    policy how;
    call* request;
};

class lock_set {
  public:
    static constexpr std::size_t capacity = 6;

    explicit lock_set(lock_terms t) noexcept : terms_(t) {}
    lock_set(lock_terms t, node& n) noexcept : lock_set(t) { lock(n); }
    ~lock_set() { unlock(); }
    lock_set(const lock_set&) = delete;
    lock_set& operator=(const lock_set&) = delete;

    // Requires: nothing is locked yet. Null pointers are left out. One node, as most operations have, is not sorted.
    void lock(node& n) noexcept;
    void lock(std::initializer_list<node*> nodes) noexcept { lock(std::span(nodes)); }
    void lock(std::span<node* const> nodes) noexcept;
    // True when the set has the node's lock, now or from before.
    [[nodiscard]] bool try_add(node& n) noexcept;
    void unlock() noexcept;

  private:
    [[nodiscard]] bool has(const node& n) const noexcept;
    void sort() noexcept;
    [[nodiscard]] homes& places() const noexcept;
    void lock_one(node& n) noexcept;
    [[nodiscard]] bool active() const noexcept {
        return terms_.how == policy::per_node || terms_.how == policy::home;
    }
    const lock_terms terms_;
    std::size_t count_ = 0;
    std::array<node*, capacity> held_{};
};

} // namespace puffs
