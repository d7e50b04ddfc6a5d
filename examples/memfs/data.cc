#include "memfs/data.hh"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

namespace memfs {

using puffs::fail;

namespace {

// What a chunk costs besides its bytes: the tree's node.
constexpr std::uint64_t chunk_overhead_bytes = 80;

} // namespace

// Memory that was a hole reads as zeros, so new memory is zeroed.
bool data::grow(chunk& c, std::uint32_t needed) {
    if (needed <= c.capacity) {
        return true;
    }
    const std::uint32_t capacity = std::max(capacity_min, std::bit_ceil(needed));
    const std::uint64_t more = capacity - c.capacity + (c.capacity == 0 ? chunk_overhead_bytes : 0);
    if (!space_.take(more)) {
        return false;
    }
    std::unique_ptr<std::byte[]> memory(new (std::nothrow) std::byte[capacity]);
    if (memory == nullptr) {
        space_.give(more);
        return false;
    }
    if (c.capacity != 0) {
        std::memcpy(memory.get(), c.memory.get(), c.capacity);
    }
    std::memset(memory.get() + c.capacity, 0, capacity - c.capacity);
    allocated_ += capacity - c.capacity;
    c.memory = std::move(memory);
    c.capacity = capacity;
    return true;
}

data::chunk_map::iterator data::release(chunk_map::iterator it) {
    const std::uint32_t capacity = it->second.capacity;
    allocated_ -= capacity;
    if (capacity != 0) {
        space_.give(capacity + chunk_overhead_bytes);
    }
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
    while (done < from.size()) {
        const std::uint64_t at = offset + done;
        const auto within = static_cast<std::uint32_t>(at % chunk_bytes);
        const auto part = static_cast<std::uint32_t>(
            std::min<std::uint64_t>(from.size() - done, chunk_bytes - within));
        auto [it, made] = chunks_.try_emplace(at / chunk_bytes);
        if (!grow(it->second, within + part)) {
            if (made) {
                chunks_.erase(it);
            }
            break;
        }
        std::memcpy(it->second.memory.get() + within, from.data() + done, part);
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

puffs::result<void> data::allocate(std::uint64_t offset, std::uint64_t length) {
    const std::uint64_t end = offset + length;
    // On failure what was allocated so far stays, as on other file systems; truncation gives it back.
    for (std::uint64_t at = offset; at < end;) {
        const auto within = static_cast<std::uint32_t>(at % chunk_bytes);
        const auto part =
            static_cast<std::uint32_t>(std::min<std::uint64_t>(end - at, chunk_bytes - within));
        auto [it, made] = chunks_.try_emplace(at / chunk_bytes);
        if (!grow(it->second, within + part)) {
            if (made) {
                chunks_.erase(it);
            }
            return fail(ENOSPC);
        }
        at += part;
    }
    return {};
}

void data::punch(std::uint64_t offset, std::uint64_t length) {
    const std::uint64_t end = offset + length;
    for (auto it = chunks_.lower_bound(offset / chunk_bytes); it != chunks_.end();) {
        const std::uint64_t first = it->first * chunk_bytes;
        if (first >= end) {
            break;
        }
        const std::uint64_t from = std::max(first, offset) - first;
        const std::uint64_t to = std::min(first + chunk_bytes, end) - first;
        if (from == 0 && to >= it->second.capacity) {
            it = release(it);
            continue;
        }
        if (from < it->second.capacity) {
            const std::uint64_t stop = std::min<std::uint64_t>(to, it->second.capacity);
            std::memset(it->second.memory.get() + from, 0, static_cast<std::size_t>(stop - from));
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
