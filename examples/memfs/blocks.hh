// memfs/blocks.hh - memory for the bytes of files: whole chunks out of regions that fit a huge page, smaller ones from
// the heap.
//
// A copy into or out of memory in huge pages takes two thirds of the time, and a block that is used again costs no page
// fault and nothing of the kernel's zeroing.
//
// Units:      bytes. A block of the pool has pool::block_bytes.
// Full:       without memory: bad_alloc. A region's memory is populated when the region is made, so that no later
//             access fails.
// Ownership:  a block owns its bytes, and refers to the pool, which outlives it. The pool keeps regions_kept regions
//             without a block in use, and gives further ones back to the system; a region with a block in use stays
//             whole, but a new one is made only where no region has a free block: together they are never larger than
//             what was once in use of them at the same time, rounded up to a region.
// Threading:  the pool from any thread; a block one user at a time.
#pragma once

#include "puffs/base/spinlock.hh"
#include "puffs/base/thread_safety.hh"

#include <boost/intrusive/list.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace memfs {

class pool {
  public:
    static constexpr std::uint32_t block_bytes = 65536;
    static constexpr std::size_t region_bytes = std::size_t{2} << 20;
    static constexpr std::size_t regions_kept = 8;

    pool() = default;
    ~pool(); // requires: no block is in use
    pool(const pool&) = delete;
    pool& operator=(const pool&) = delete;

    // Regions that the pool has, for tests.
    [[nodiscard]] std::size_t regions() const noexcept;

  private:
    friend class block;
    static constexpr std::uint32_t all_blocks = 0xffffffff; // bit n is block n
    struct region : boost::intrusive::list_base_hook<> {    // listed while a block is free
        region(pool& p, std::byte* m) noexcept : owner(p), memory(m) {}
        ~region();
        region(const region&) = delete;
        region& operator=(const region&) = delete;

        pool& owner;
        std::byte* const memory;
        std::uint32_t free = all_blocks;
        std::uint32_t untouched = all_blocks; // zeros, as the system gave them
    };
    using region_list = boost::intrusive::list<region, boost::intrusive::constant_time_size<false>>;
    struct taken {
        region* from;
        std::byte* bytes;
        bool zeroed;
    };
    [[nodiscard]] taken take();
    void give(region& from, const std::byte* bytes) noexcept;

    mutable puffs::spinlock mu_;
    region_list with_free_ PUFFS_GUARDED_BY(mu_); // those in use first
    std::size_t unused_ PUFFS_GUARDED_BY(mu_) = 0;
    std::size_t regions_ PUFFS_GUARDED_BY(mu_) = 0;
};

// As many bytes as its chunk has memory for; none before it is assigned to.
class block {
  public:
    block() noexcept = default;
    // One of the pool's if `bytes` is block_bytes, else of the heap. What it holds is anything unless made_zeroed().
    block(pool& p, std::uint32_t bytes);
    ~block() { reset(); }
    block(block&& other) noexcept;
    block& operator=(block&& other) noexcept;

    [[nodiscard]] std::byte* get() const noexcept { return bytes_; }
    // When it was made it was all zeros.
    [[nodiscard]] bool made_zeroed() const noexcept { return zeroed_; }

  private:
    void reset() noexcept;
    std::byte* bytes_ = nullptr;
    pool::region* from_ = nullptr; // null: of the heap
    bool zeroed_ = false;
};

} // namespace memfs
