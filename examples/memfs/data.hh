// memfs/data.hh - the bytes of a file: chunks of 64 KiB, each with as much memory as its bytes
// need, holes for the rest.
//
// Units:      bytes. A chunk's capacity is a power of two from 1 KiB to 64 KiB; what lies behind it
//             in the chunk is a hole.
// Ownership:  owns its memory, charged to a space that outlives it; whole chunks come from a pool that does too.
// Threading:  one user at a time (the node's lock).
// Errors:     enospc: the space is used up, or the machine has no memory; nothing has changed then but for the part
//             that reports itself as written.
#pragma once

#include "memfs/blocks.hh"
#include "memfs/space.hh"
#include "puffs/base/error.hh"

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>

namespace memfs {

class data {
  public:
    // Called after each chunk that an operation fills with zeros, which may be very many; it may let other light
    // threads of the core run, as long as they leave this object alone.
    using pause = void (*)();
    static void no_pause() {}

    data(space& s, pool& p) : space_(s), pool_(p) {}
    ~data() { truncate(0); }
    data(const data&) = delete;
    data& operator=(const data&) = delete;

    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    [[nodiscard]] std::uint64_t allocated() const noexcept { return allocated_; }

    // Bytes read: less than asked for at the end of the file, 0 beyond it. Holes read as zeros.
    std::size_t read(std::span<std::byte> into, std::uint64_t offset) const;
    // Bytes written, which may be less than given when the space runs out; enospc only when none were.
    puffs::result<std::size_t> write(std::span<const std::byte> from, std::uint64_t offset);
    // Cuts off or extends by a hole.
    void truncate(std::uint64_t size);
    // Memory for the range, zeroed where it was a hole; the size does not change. All or nothing.
    // Errors: enospc; efbig the range ends behind all that an offset can say.
    puffs::result<void> allocate(std::uint64_t offset, std::uint64_t length,
                                 pause between = no_pause);
    void set_size_at_least(std::uint64_t size) noexcept { size_ = size > size_ ? size : size_; }
    // The range becomes a hole (whole chunks) or zeros (parts of chunks).
    void punch(std::uint64_t offset, std::uint64_t length) {
        clear(offset, length, true, no_pause);
    }
    // The range becomes zeros; its memory stays.
    void zero(std::uint64_t offset, std::uint64_t length, pause between = no_pause) {
        clear(offset, length, false, between);
    }
    // The first data or hole at or after offset; enxio beyond the end.
    [[nodiscard]] puffs::result<std::uint64_t> next_data(std::uint64_t offset) const;
    [[nodiscard]] puffs::result<std::uint64_t> next_hole(std::uint64_t offset) const;

  private:
    static constexpr std::uint64_t chunk_bytes = pool::block_bytes;
    static constexpr std::uint32_t capacity_min = 1024;
    struct chunk {
        block memory;
        std::uint32_t capacity = 0;
    };
    using chunk_map = std::map<std::uint64_t, chunk>; // by number of the chunk

    static std::uint32_t capacity_for(std::uint32_t needed);
    static void enlarge(chunk& c, block memory, std::uint32_t capacity);
    chunk_map::iterator chunk_for(chunk_map::iterator at, std::uint64_t number, std::uint32_t from,
                                  std::uint32_t to);
    [[nodiscard]] std::uint64_t missing(std::uint64_t first, std::uint64_t last,
                                        std::uint32_t last_capacity) const;
    [[nodiscard]] chunk_map make_missing(std::uint64_t first, std::uint64_t last,
                                         std::uint32_t last_capacity, pause between) const;
    void take_over(chunk_map fresh);
    void clear(std::uint64_t offset, std::uint64_t length, bool release_whole, pause between);
    chunk_map::iterator release(chunk_map::iterator it);

    space& space_;
    pool& pool_;
    chunk_map chunks_;
    std::uint64_t size_ = 0;
    std::uint64_t allocated_ = 0;
};

} // namespace memfs
