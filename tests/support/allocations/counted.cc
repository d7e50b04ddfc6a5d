// A program that is linked with this counts its allocations where the test that started it can read them: in the file
// that PUFFS_ALLOCATIONS_FILE names, as one 64-bit number that only grows. Without the variable it counts for nobody.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <new>
#include <sys/mman.h>
#include <unistd.h>

namespace {

using counter = std::atomic<std::uint64_t>;
static_assert(counter::is_always_lock_free);

counter nobody{0};
std::atomic<counter*> count{&nobody};

[[gnu::constructor]] void share() {
    const char* const path = std::getenv("PUFFS_ALLOCATIONS_FILE");
    const int fd = path != nullptr ? ::open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) {
        return;
    }
    void* const p = ::mmap(nullptr, sizeof(counter), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ::close(fd);
    if (p != MAP_FAILED) {
        count.store(new (p) counter(nobody.load(std::memory_order_relaxed)),
                    std::memory_order_release);
    }
}

void* allocate(std::size_t bytes, std::size_t alignment) noexcept {
    count.load(std::memory_order_relaxed)->fetch_add(1, std::memory_order_relaxed);
    const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    return alignment <= alignof(std::max_align_t)
               ? std::malloc(bytes != 0 ? bytes : 1)
               : std::aligned_alloc(alignment, rounded != 0 ? rounded : alignment);
}

void* allocate_or_throw(std::size_t bytes, std::size_t alignment) {
    void* const p = allocate(bytes, alignment);
    return p != nullptr ? p : throw std::bad_alloc();
}

} // namespace

// The array forms of the C++ library come here; a sanitizer has forms of its own, so that each one is replaced.
void* operator new(std::size_t n) {
    return allocate_or_throw(n, 1);
}
void* operator new[](std::size_t n) {
    return allocate_or_throw(n, 1);
}
void* operator new(std::size_t n, const std::nothrow_t& /*unused*/) noexcept {
    return allocate(n, 1);
}
void* operator new[](std::size_t n, const std::nothrow_t& /*unused*/) noexcept {
    return allocate(n, 1);
}
void* operator new(std::size_t n, std::align_val_t a) {
    return allocate_or_throw(n, static_cast<std::size_t>(a));
}
void* operator new[](std::size_t n, std::align_val_t a) {
    return allocate_or_throw(n, static_cast<std::size_t>(a));
}
void* operator new(std::size_t n, std::align_val_t a, const std::nothrow_t& /*unused*/) noexcept {
    return allocate(n, static_cast<std::size_t>(a));
}
void* operator new[](std::size_t n, std::align_val_t a, const std::nothrow_t& /*unused*/) noexcept {
    return allocate(n, static_cast<std::size_t>(a));
}
void operator delete(void* p) noexcept {
    std::free(p);
}
void operator delete[](void* p) noexcept {
    std::free(p);
}
void operator delete(void* p, std::size_t /*unused*/) noexcept {
    std::free(p);
}
void operator delete[](void* p, std::size_t /*unused*/) noexcept {
    std::free(p);
}
void operator delete(void* p, std::align_val_t /*unused*/) noexcept {
    std::free(p);
}
void operator delete[](void* p, std::align_val_t /*unused*/) noexcept {
    std::free(p);
}
void operator delete(void* p, std::size_t /*unused*/, std::align_val_t /*unused*/) noexcept {
    std::free(p);
}
void operator delete[](void* p, std::size_t /*unused*/, std::align_val_t /*unused*/) noexcept {
    std::free(p);
}
void operator delete(void* p, const std::nothrow_t& /*unused*/) noexcept {
    std::free(p);
}
void operator delete[](void* p, const std::nothrow_t& /*unused*/) noexcept {
    std::free(p);
}
