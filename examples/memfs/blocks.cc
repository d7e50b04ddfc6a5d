#include "memfs/blocks.hh"

#include "puffs/base/assert.hh"

#include <bit>
#include <new>
#include <sys/mman.h>
#include <utility>

namespace memfs {

namespace {

constexpr std::size_t blocks_of_region = pool::region_bytes / pool::block_bytes;
static_assert(blocks_of_region == 32);

// Memory of a region at a multiple of its size; null when there is none.
std::byte* map_region() noexcept {
    constexpr std::size_t mapped_bytes = 2 * pool::region_bytes;
    void* const p = ::mmap(nullptr, mapped_bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        return nullptr;
    }
    auto* const mapped = static_cast<std::byte*>(p);
    const std::size_t before = -reinterpret_cast<std::uintptr_t>(mapped) & (pool::region_bytes - 1);
    std::byte* const region = mapped + before;
    if (before != 0) {
        ::munmap(mapped, before);
    }
    ::munmap(region + pool::region_bytes, mapped_bytes - before - pool::region_bytes);
    ::madvise(region, pool::region_bytes, MADV_HUGEPAGE); // where they are to be had
    ::madvise(region, pool::region_bytes, MADV_DONTFORK);
    if (::madvise(region, pool::region_bytes, MADV_POPULATE_WRITE) != 0) {
        ::munmap(region, pool::region_bytes);
        return nullptr;
    }
    return region;
}

} // namespace

pool::region::~region() {
    ::munmap(memory, region_bytes);
}

pool::~pool() {
    puffs::spin_guard g(mu_);
    while (!with_free_.empty()) {
        region& r = with_free_.front();
        PUFFS_ASSERT(r.free == all_blocks, "a block outlives its pool");
        with_free_.pop_front();
        delete &r;
        --regions_;
    }
    PUFFS_ASSERT(regions_ == 0, "blocks outlive their pool");
}

std::size_t pool::regions() const noexcept {
    puffs::spin_guard g(mu_);
    return regions_;
}

pool::taken pool::take() {
    for (;;) {
        {
            puffs::spin_guard g(mu_);
            if (!with_free_.empty()) {
                region& r = with_free_.front();
                const int number = std::countr_zero(r.free);
                const std::uint32_t bit = std::uint32_t{1} << number;
                unused_ -= r.free == all_blocks ? 1 : 0;
                r.free &= ~bit;
                if (r.free == 0) {
                    with_free_.pop_front();
                }
                const bool zeroed = (std::exchange(r.untouched, r.untouched & ~bit) & bit) != 0;
                return {&r, r.memory + static_cast<std::size_t>(number) * block_bytes, zeroed};
            }
        }
        std::byte* const memory = map_region();
        auto* const made = memory != nullptr ? new (std::nothrow) region(*this, memory) : nullptr;
        if (made == nullptr) {
            if (memory != nullptr) {
                ::munmap(memory, region_bytes);
            }
            throw std::bad_alloc();
        }
        puffs::spin_guard g(mu_);
        with_free_.push_back(*made);
        ++unused_;
        ++regions_;
    }
}

void pool::give(region& from, const std::byte* bytes) noexcept {
    const std::uint32_t bit = std::uint32_t{1}
                              << static_cast<std::size_t>(bytes - from.memory) / block_bytes;
    bool surplus = false;
    {
        puffs::spin_guard g(mu_);
        if (from.free != 0) {
            with_free_.erase(with_free_.iterator_to(from));
        }
        from.free |= bit;
        if (from.free != all_blocks) {
            with_free_.push_front(from);
        } else if (unused_ < regions_kept) {
            with_free_.push_back(from);
            ++unused_;
        } else {
            --regions_;
            surplus = true;
        }
    }
    if (surplus) {
        delete &from; // a system call, so outside the lock
    }
}

block::block(pool& p, std::uint32_t bytes) {
    if (bytes != pool::block_bytes) {
        bytes_ = new std::byte[bytes];
        return;
    }
    const pool::taken t = p.take();
    bytes_ = t.bytes;
    from_ = t.from;
    zeroed_ = t.zeroed;
}

block::block(block&& other) noexcept
    : bytes_(std::exchange(other.bytes_, nullptr)), from_(other.from_), zeroed_(other.zeroed_) {}

block& block::operator=(block&& other) noexcept {
    if (this != &other) {
        reset();
        bytes_ = std::exchange(other.bytes_, nullptr);
        from_ = other.from_;
        zeroed_ = other.zeroed_;
    }
    return *this;
}

void block::reset() noexcept {
    if (bytes_ == nullptr) {
        return;
    }
    if (from_ == nullptr) {
        delete[] bytes_;
    } else {
        from_->owner.give(*from_, bytes_);
    }
    bytes_ = nullptr;
}

} // namespace memfs
