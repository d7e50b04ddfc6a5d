// bench/pages.hh - a populated, page-aligned buffer, on huge pages where the kernel has them.
//
// Why:        the kernel pins the pages of a reader's buffer for every request; fewer and present
//             pages make the floor lower.
// Ownership:  neither copied nor moved; the memory lives as long as the object.
// Errors:     throws std::bad_alloc.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <sys/mman.h>

namespace puffs::bench {

class pages {
  public:
    explicit pages(std::size_t size_bytes) : size_bytes_(size_bytes) {
        const std::size_t rounded = (size_bytes + huge_page_bytes - 1) & ~(huge_page_bytes - 1);
        memory_.reset(static_cast<std::byte*>(std::aligned_alloc(huge_page_bytes, rounded)));
        if (memory_ == nullptr) throw std::bad_alloc();
        // Advice: without huge pages the buffer is small pages and as good to use.
        [[maybe_unused]] const int r = madvise(memory_.get(), rounded, MADV_HUGEPAGE);
        std::memset(memory_.get(), 0, rounded);
    }

    pages(const pages&) = delete;
    pages& operator=(const pages&) = delete;

    [[nodiscard]] std::byte* data() { return memory_.get(); }
    [[nodiscard]] std::size_t size() const { return size_bytes_; }

  private:
    struct freer {
        void operator()(std::byte* memory) const { std::free(memory); }
    };
    static constexpr std::size_t huge_page_bytes = std::size_t{2} << 20;

    std::size_t size_bytes_;
    std::unique_ptr<std::byte, freer> memory_;
};

} // namespace puffs::bench
