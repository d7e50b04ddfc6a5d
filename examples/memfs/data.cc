#include "memfs/data.hh"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <new>

namespace memfs {

using puffs::fail;

namespace {

// What a chunk costs besides its bytes: the tree's node.
constexpr std::uint64_t chunk_overhead_bytes = 80;

} // namespace

std::uint32_t data::capacity_for(std::uint32_t needed) {
    return std::max(capacity_min, std::bit_ceil(needed));
}

// Gives the chunk its larger memory, behind whose first capacity bytes is what shall be there.
void data::enlarge(chunk& c, block memory, std::uint32_t capacity) {
    if (c.capacity != 0) {
        std::memcpy(memory.get(), c.memory.get(), c.capacity);
    }
    c.memory = std::move(memory);
    c.capacity = capacity;
}

// The chunk of this number with memory for its bytes up to `to`, of which those from `from` on are about to be written;
// the end, and nothing changed, when there is no space. `at`: the first chunk that is not before it.
data::chunk_map::iterator data::chunk_for(chunk_map::iterator at, std::uint64_t number,
                                          std::uint32_t from, std::uint32_t to) {
    const bool there = at != chunks_.end() && at->first == number;
    const std::uint32_t before = there ? at->second.capacity : 0;
    if (to <= before) {
        return at;
    }
    const std::uint32_t capacity = capacity_for(to);
    reservation cost(space_, capacity - before + (there ? 0 : chunk_overhead_bytes));
    if (!cost) {
        return chunks_.end();
    }
    try {
        block memory(pool_, capacity);
        if (!memory.made_zeroed()) { // what was a hole, and stays one, reads as zeros
            std::memset(memory.get() + before, 0, from > before ? from - before : 0);
            std::memset(memory.get() + to, 0, capacity - to);
        }
        if (!there) {
            at = chunks_.try_emplace(at, number);
        }
        enlarge(at->second, std::move(memory), capacity);
    } catch (const std::bad_alloc&) {
        return chunks_.end();
    }
    allocated_ += capacity - before;
    cost.keep();
    return at;
}

data::chunk_map::iterator data::release(chunk_map::iterator it) {
    allocated_ -= it->second.capacity;
    space_.give(it->second.capacity + chunk_overhead_bytes);
    return chunks_.erase(it);
}

std::size_t data::read(std::span<std::byte> into, std::uint64_t offset) const {
    if (offset >= size_) {
        return 0;
    }
    const std::size_t total =
        static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), size_ - offset));
    auto it = chunks_.lower_bound(offset / chunk_bytes);
    std::size_t done = 0;
    while (done < total) {
        const std::uint64_t at = offset + done;
        const std::uint64_t number = at / chunk_bytes;
        const std::uint64_t within = at % chunk_bytes;
        const std::size_t part =
            static_cast<std::size_t>(std::min<std::uint64_t>(total - done, chunk_bytes - within));
        std::size_t have = 0;
        if (it != chunks_.end() && it->first == number) {
            if (within < it->second.capacity) {
                have = std::min<std::size_t>(part, it->second.capacity -
                                                       static_cast<std::size_t>(within));
                std::memcpy(into.data() + done, it->second.memory.get() + within, have);
            }
            ++it;
        }
        std::memset(into.data() + done + have, 0, part - have);
        done += part;
    }
    return total;
}

puffs::result<std::size_t> data::write(std::span<const std::byte> from, std::uint64_t offset) {
    std::size_t done = 0;
    auto it = chunks_.lower_bound(offset / chunk_bytes);
    while (done < from.size()) {
        const std::uint64_t at = offset + done;
        const auto within = static_cast<std::uint32_t>(at % chunk_bytes);
        const auto part = static_cast<std::uint32_t>(
            std::min<std::uint64_t>(from.size() - done, chunk_bytes - within));
        it = chunk_for(it, at / chunk_bytes, within, within + part);
        if (it == chunks_.end()) {
            break;
        }
        std::memcpy(it->second.memory.get() + within, from.data() + done, part);
        ++it;
        done += part;
        set_size_at_least(at + part);
    }
    if (done == 0 && !from.empty()) {
        return fail(ENOSPC);
    }
    return done;
}

void data::truncate(std::uint64_t size) {
    if (size <= size_) { // equal: memory allocated behind the end is given back
        for (auto it = chunks_.lower_bound((size + chunk_bytes - 1) / chunk_bytes);
             it != chunks_.end();) {
            it = release(it);
        }
        // What stays behind the new end in the last chunk must read as zeros if the file grows again.
        const std::uint64_t within = size % chunk_bytes;
        if (auto it = chunks_.find(size / chunk_bytes);
            it != chunks_.end() && within < it->second.capacity) {
            std::memset(it->second.memory.get() + within, 0,
                        it->second.capacity - static_cast<std::size_t>(within));
        }
    }
    size_ = size;
}

// What memory for the chunks from first to last costs besides what they have. The last needs only so much; holes of any
// length are reckoned at once.
std::uint64_t data::missing(std::uint64_t first, std::uint64_t last,
                            std::uint32_t last_capacity) const {
    std::uint64_t cost = (last - first) * (chunk_bytes + chunk_overhead_bytes) + last_capacity +
                         chunk_overhead_bytes;
    for (auto it = chunks_.lower_bound(first); it != chunks_.end() && it->first <= last; ++it) {
        const std::uint64_t wanted = it->first == last ? last_capacity : chunk_bytes;
        cost -= std::min<std::uint64_t>(it->second.capacity, wanted) + chunk_overhead_bytes;
    }
    return cost;
}

// Zeroed chunks for all of them that have less than they need.
data::chunk_map data::make_missing(std::uint64_t first, std::uint64_t last,
                                   std::uint32_t last_capacity, pause between) const {
    chunk_map fresh;
    auto have = chunks_.lower_bound(first);
    for (std::uint64_t number = first; number <= last; ++number) {
        const std::uint32_t wanted = number == last ? last_capacity : chunk_bytes;
        const bool there = have != chunks_.end() && have->first == number;
        if (!there || have->second.capacity < wanted) {
            block memory(pool_, wanted);
            if (!memory.made_zeroed()) {
                std::memset(memory.get(), 0, wanted);
            }
            fresh.try_emplace(fresh.end(), number, chunk{std::move(memory), wanted});
            between();
        }
        if (there) {
            ++have;
        }
    }
    return fresh;
}

// Nothing here can fail: the chunks move with the nodes of the tree that hold them.
void data::take_over(chunk_map fresh) {
    while (!fresh.empty()) {
        auto moved = fresh.extract(fresh.begin());
        chunk& c = moved.mapped();
        allocated_ += c.capacity;
        if (const auto old = chunks_.find(moved.key()); old != chunks_.end()) {
            allocated_ -= old->second.capacity;
            enlarge(old->second, std::move(c.memory), c.capacity);
        } else {
            chunks_.insert(std::move(moved));
        }
    }
}

puffs::result<void> data::allocate(std::uint64_t offset, std::uint64_t length, pause between) {
    if (length == 0) {
        return {};
    }
    if (length > std::numeric_limits<std::uint64_t>::max() - offset) {
        return fail(EFBIG);
    }
    if (length > space_.limit()) {
        return fail(
            ENOSPC); // reckoned in chunks and what they cost it could pass all that 64 bits can say
    }
    const std::uint64_t first = offset / chunk_bytes;
    const std::uint64_t last = (offset + length - 1) / chunk_bytes;
    const std::uint32_t last_capacity =
        capacity_for(static_cast<std::uint32_t>(offset + length - last * chunk_bytes));
    // The whole range is charged before any memory is touched: one that cannot be had costs nothing.
    reservation cost(space_, missing(first, last, last_capacity));
    if (!cost) {
        return fail(ENOSPC);
    }
    try {
        take_over(make_missing(first, last, last_capacity, between));
    } catch (const std::bad_alloc&) {
        return fail(ENOSPC);
    }
    cost.keep();
    return {};
}

void data::clear(std::uint64_t offset, std::uint64_t length, bool release_whole, pause between) {
    const std::uint64_t end =
        offset + std::min(length, std::numeric_limits<std::uint64_t>::max() - offset);
    for (auto it = chunks_.lower_bound(offset / chunk_bytes); it != chunks_.end();) {
        const std::uint64_t first = it->first * chunk_bytes;
        if (first >= end) {
            break;
        }
        const std::uint64_t from = std::max(first, offset) - first;
        const std::uint64_t to = std::min(first + chunk_bytes, end) - first;
        if (release_whole && from == 0 && to >= it->second.capacity) {
            it = release(it);
            continue;
        }
        if (from < it->second.capacity) {
            const std::uint64_t stop = std::min<std::uint64_t>(to, it->second.capacity);
            std::memset(it->second.memory.get() + from, 0, static_cast<std::size_t>(stop - from));
            between();
        }
        ++it;
    }
}

puffs::result<std::uint64_t> data::next_data(std::uint64_t offset) const {
    if (offset >= size_) {
        return fail(ENXIO);
    }
    for (auto it = chunks_.lower_bound(offset / chunk_bytes); it != chunks_.end(); ++it) {
        const std::uint64_t first = it->first * chunk_bytes;
        if (first >= size_) {
            break;
        }
        if (std::max(first, offset) < first + it->second.capacity) {
            return std::max(first, offset);
        }
    }
    return fail(ENXIO);
}

puffs::result<std::uint64_t> data::next_hole(std::uint64_t offset) const {
    if (offset >= size_) {
        return fail(ENXIO);
    }
    std::uint64_t at = offset;
    for (auto it = chunks_.lower_bound(offset / chunk_bytes); it != chunks_.end(); ++it) {
        const std::uint64_t first = it->first * chunk_bytes;
        if (at < first) {
            break;
        }
        if (at >= first + it->second.capacity) {
            break;
        }
        at = first + it->second.capacity;
        if (it->second.capacity != chunk_bytes) {
            break;
        }
    }
    return std::min(at, size_);
}

} // namespace memfs
