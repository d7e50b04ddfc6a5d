// server/node.hh - a file, directory or other object of a file server, as the framework keeps it
// (puffs's pnode).
//
//   state  | lookups + holds | in the id map | how it leaves
//   live   | > 0             | yes           | last lookup given back and last hold dropped: dying
//   dying  | 0               | yes           | the server's reclaim runs once, nothing else of the
//          |                 |               | server does on this node; then free
//   free   | 0               | no            | taken for another id, its generation + 1
// Holds are operations in progress and open files. The root is live until the mount is finished.
//
// Units:      lookups as the kernel counts them: one for each answer that named the node.
// Ownership:  the framework's; a node& given to an operation is valid until the operation returns.
//             Keep id(), not the reference.
// Threading:  id, cookie and type are constant while it is live. Under the policies per_node, serial
//             and home no other operation runs on the node meanwhile.
// Source:     NetBSD libpuffs struct puffs_node (idea).
#pragma once

#include "puffs/lwkt/mutex.hh"
#include "puffs/msg/types.hh"

#include <atomic>
#include <cstdint>

namespace puffs {

using msg::attr;
using msg::vtype;

struct pin_request;

class node {
  public:
    node() = default;
    node(const node&) = delete;
    node& operator=(const node&) = delete;

    // What the file server calls this node: a number of its own choice that is unique among its
    // live nodes, such as an inode number or the address of its own object. Given in new_node.
    [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
    // The address form: `n.as<inode>()` for a server that uses addresses as ids.
    template <class T>
    [[nodiscard]] T& as() const noexcept {
        return *reinterpret_cast<T*>(static_cast<std::uintptr_t>(id_));
    }
    [[nodiscard]] msg::cookie cookie() const noexcept { return cookie_; }
    [[nodiscard]] vtype type() const noexcept { return type_.load(std::memory_order_relaxed); }
    [[nodiscard]] bool is_dir() const noexcept { return type() == vtype::dir; }
    [[nodiscard]] std::uint64_t lookup_count() const noexcept {
        return uses_.load(std::memory_order_relaxed) >> hold_bits;
    }

  private:
    friend class node_table;
    friend class node_map;
    friend class node_hold;
    friend class lock_set;
    friend class homes;
    friend struct call;

    // uses_: holds in the low bits, lookups above them, so that "nobody uses it" is one comparison.
    static constexpr unsigned hold_bits = 20;
    static constexpr std::uint64_t one_hold = 1;
    static constexpr std::uint64_t one_lookup = std::uint64_t{1} << hold_bits;
    static constexpr std::uint64_t holds_max = one_lookup - 1;
    static constexpr std::uint64_t lookups_max = ~std::uint64_t{0} >> hold_bits;

    // constant while live
    std::uint64_t id_ = 0;
    msg::cookie cookie_ = msg::cookie::none;

    // atomic
    // Relaxed: a node whose type the server did not say gets it from its first attributes, before
    // any answer names the node; whoever writes it writes the same.
    std::atomic<vtype> type_{vtype::none};
    // Steps from 0 and to 0 are made under the lock of the id's map only, so that finding an id and
    // reclaiming it cannot cross. acq_rel: what a user of the node did is seen by its reclaim.
    std::atomic<std::uint64_t> uses_{0};
    std::atomic<std::uint32_t> opens_{
        0}; // open files that the server was told of; relaxed, a count

    lwkt::mutex lock_; // policy per_node

    // owned by the home core of the slot, policy home: an operation has the node
    bool pinned_ = false;
    pin_request* pin_waiters_ = nullptr; // the last of them, whose next is the first; null: nobody

    node* next_ = nullptr; // chain of the map or of the free list, under its lock
};

} // namespace puffs
