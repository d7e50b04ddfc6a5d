#include "unit/memfs/failing_memory.hh"

#include <cstdlib>
#include <new>

namespace memfs {

namespace {
thread_local int allocations_left = -1; // before one fails; negative: none does
} // namespace

void fail_allocation(int before) {
    allocations_left = before;
}

bool stop_failing() {
    const bool armed = allocations_left >= 0;
    allocations_left = -1;
    return armed;
}

static void* allocate(std::size_t bytes) {
    if (allocations_left >= 0) {
        --allocations_left;
        if (allocations_left < 0) {
            throw std::bad_alloc();
        }
    }
    if (void* memory = std::malloc(bytes != 0 ? bytes : 1)) {
        return memory;
    }
    throw std::bad_alloc();
}

} // namespace memfs

// operator new[] comes here too; so does the nothrow form in the C++ library, but a sanitizer has one of its own.
void* operator new(std::size_t bytes) {
    return memfs::allocate(bytes);
}
void* operator new(std::size_t bytes, const std::nothrow_t& /*unused*/) noexcept {
    try {
        return memfs::allocate(bytes);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
