// node_map.hh - one shard of the map from the server's ids to nodes: an intrusive chained hash.
//
// It doubles when it holds more nodes than buckets. The nodes of the old array move a few at a time
// with later insertions, so that no call under the shard's spin lock takes long; the caller
// allocates and frees the arrays outside the lock.
//
// Units:      buckets, a power of two; hash bits below those that chose the shard.
// Full:       without memory for a larger array the chains grow longer; nothing fails.
// Ownership:  links nodes, owns its arrays.
// Threading:  all calls under the lock of the shard that embeds it.
#pragma once

#include "puffs/server/node.hh"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace puffs {

// Spreads ids, which are often addresses or small numbers, over 64 bits (the finalizer of MurmurHash3).
[[nodiscard]] constexpr std::uint64_t hash_of(std::uint64_t id) {
    id ^= id >> 33;
    id *= 0xff51afd7ed558ccdULL;
    id ^= id >> 33;
    id *= 0xc4ceb9fe1a85ec53ULL;
    return id ^ id >> 33;
}

class node_map {
  public:
    struct array {
        std::unique_ptr<node*[]> heads;
        std::size_t count = 0;
    };
    static constexpr std::size_t first_buckets = 16;
    static constexpr std::size_t moved_at_once = 4; // buckets of the old array, an insertion

    // An array of `count` empty buckets; heads is null when there is no memory.
    [[nodiscard]] static array allocate(std::size_t count) noexcept;

    [[nodiscard]] bool ready() const noexcept { return table_.count != 0; }
    [[nodiscard]] node* find(std::uint64_t id) const noexcept;
    // insert - links `n`, whose id is not in the map. Returns an array for the caller to free.
    [[nodiscard]] array insert(node& n) noexcept;
    void erase(node& n) noexcept; // panics if it is not linked
    // How many buckets the map would like to have; 0: it is content.
    [[nodiscard]] std::size_t wanted_buckets() const noexcept;
    // grow - takes over the larger array `to` unless another thread was first; what is left in `to` is
    // the caller's to free.
    void grow(array& to) noexcept;
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

  private:
    [[nodiscard]] node*& head(std::uint64_t id) const noexcept;
    void move_some() noexcept;

    array table_;
    array old_;                 // being emptied, from bucket 0 upwards
    std::size_t old_moved_ = 0; // buckets of old_ that are empty for good
    std::size_t size_ = 0;
};

} // namespace puffs
