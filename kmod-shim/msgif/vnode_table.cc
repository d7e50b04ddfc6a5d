#include "vnode_table.hh"

#include <algorithm>
#include <new>

namespace puffs::kmod {

namespace {
constexpr std::size_t chunk_count = vnode_table::slots_max / vnode_table::chunk_slots;

constexpr std::uint32_t count_in(std::uint64_t word) {
    return static_cast<std::uint32_t>(word);
}
constexpr std::uint32_t generation_in(std::uint64_t word) {
    return static_cast<std::uint32_t>(word >> 32);
}
constexpr std::uint64_t make_word(std::uint32_t generation, std::uint32_t count) {
    return std::uint64_t{generation} << 32 | count;
}
} // namespace

vnode_table::vnode_table() : chunks_(std::make_unique<std::atomic<chunk*>[]>(chunk_count)) {}

vnode_table::~vnode_table() {
    for (std::size_t i = 0; i < chunk_count; ++i) {
        delete chunks_[i].load(std::memory_order_relaxed);
    }
}

vnode_table::word* vnode_table::find(std::uint32_t slot) const noexcept {
    if (slot >= slots_max) {
        return nullptr;
    }
    chunk* const c = chunks_[slot / chunk_slots].load(std::memory_order_acquire);
    return c == nullptr ? nullptr : &c->slots[slot % chunk_slots];
}

vnode_table::word* vnode_table::find_or_make(std::uint32_t slot) noexcept {
    if (word* const w = find(slot); w != nullptr || slot >= slots_max) {
        return w;
    }
    auto fresh = std::unique_ptr<chunk>(new (std::nothrow) chunk{});
    if (fresh == nullptr) {
        return nullptr;
    }
    chunk* there = nullptr;
    if (chunks_[slot / chunk_slots].compare_exchange_strong(
            there, fresh.get(), std::memory_order_acq_rel, std::memory_order_acquire)) {
        there = fresh.release();
    }
    return &there->slots[slot % chunk_slots];
}

bool vnode_table::name(msg::cookie node, claim c) noexcept {
    word* const w = find_or_make(slot_of(node));
    if (w == nullptr) {
        return false;
    }
    const std::uint32_t generation = generation_of(node);
    std::uint64_t seen = w->load(std::memory_order_relaxed);
    std::uint64_t next = 0;
    do {
        const std::uint32_t count = count_in(seen);
        if (count == 0 || (count == count_max && generation_in(seen) != generation)) {
            next = make_word(generation, 1);
        } else if (c == claim::fresh || generation_in(seen) != generation) {
            return false;
        } else {
            next = make_word(generation, count == count_max ? count_max : count + 1);
        }
    } while (!w->compare_exchange_weak(seen, next, std::memory_order_acq_rel,
                                       std::memory_order_relaxed));
    return true;
}

void vnode_table::give_back(msg::cookie node, std::uint64_t count) noexcept {
    word* const w = find(slot_of(node));
    if (w == nullptr) {
        return;
    }
    std::uint64_t seen = w->load(std::memory_order_relaxed);
    std::uint64_t next = 0;
    do {
        const std::uint32_t before = count_in(seen);
        if (before == 0 || before == count_max || generation_in(seen) != generation_of(node)) {
            return;
        }
        const auto less = static_cast<std::uint32_t>(std::min<std::uint64_t>(count, before));
        next = make_word(generation_in(seen), before - less);
    } while (!w->compare_exchange_weak(seen, next, std::memory_order_acq_rel,
                                       std::memory_order_relaxed));
}

std::uint32_t vnode_table::count_of(msg::cookie node) const noexcept {
    const word* const w = find(slot_of(node));
    if (w == nullptr) {
        return 0;
    }
    const std::uint64_t seen = w->load(std::memory_order_acquire);
    return generation_in(seen) == generation_of(node) ? count_in(seen) : 0;
}

std::size_t vnode_table::live() const noexcept {
    std::size_t n = 0;
    for (std::size_t i = 0; i < chunk_count; ++i) {
        const chunk* const c = chunks_[i].load(std::memory_order_acquire);
        if (c == nullptr) {
            continue;
        }
        n += static_cast<std::size_t>(
            std::count_if(std::begin(c->slots), std::end(c->slots), [](const word& w) {
                return count_in(w.load(std::memory_order_relaxed)) != 0;
            }));
    }
    return n;
}

} // namespace puffs::kmod
