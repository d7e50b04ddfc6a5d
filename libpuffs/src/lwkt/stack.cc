#include "puffs/lwkt/stack.hh"

#include "puffs/base/assert.hh"
#include "stack_switch.hh"

#include <cxxabi.h>
#include <sys/mman.h>
#include <unistd.h>

namespace puffs::lwkt {
namespace {

namespace fc = boost::context::detail;

std::size_t page_bytes() noexcept {
    static const auto bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return bytes;
}

void first_frame(fc::transfer_t t) noexcept {
    switch_context& here = *static_cast<switch_context*>(t.data)->successor;
    detail::arrive(t, here);
    here.entry(here.arg);
    PUFFS_PANIC("the first function of a stack returned");
}

} // namespace

stack::~stack() {
    unmap();
}

result<void> stack::map(std::size_t bytes) {
    if (mapped()) {
        return {};
    }
    const std::size_t page = page_bytes();
    const std::size_t usable = (bytes + page - 1) / page * page;
    if (usable == 0 || usable < bytes) {
        return fail(ENOMEM);
    }
    void* area = ::mmap(nullptr, usable + page, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (area == MAP_FAILED) {
        return fail(ENOMEM);
    }
    if (::mprotect(area, page, PROT_NONE) != 0) {
        ::munmap(area, usable + page);
        return fail(ENOMEM);
    }
    base_ = static_cast<std::byte*>(area) + page;
    bytes_ = usable;
    return {};
}

void stack::unmap() noexcept {
    if (!mapped()) {
        return;
    }
#ifdef PUFFS_ASAN
    __asan_unpoison_memory_region(base_, bytes_);
#endif
    ::munmap(base_ - page_bytes(), bytes_ + page_bytes());
    base_ = nullptr;
    bytes_ = 0;
}

void prepare(switch_context& to, stack& s, void (*entry)(void*), void* arg) {
    PUFFS_ASSERT(s.mapped(), "a context needs a mapped stack");
#ifdef PUFFS_ASAN
    // Frames that were on this stack when its last user ended have left their red zones.
    __asan_unpoison_memory_region(s.base(), s.bytes());
#endif
    to = switch_context{};
    to.registers = fc::make_fcontext(s.top(), s.bytes(), first_frame);
    to.stack_bottom = s.base();
    to.stack_bytes = s.bytes();
    to.entry = entry;
    to.arg = arg;
#ifdef PUFFS_TSAN
    to.tsan_fiber = __tsan_create_fiber(0);
#endif
}

void adopt_os_stack(switch_context& ctx) {
    ctx = switch_context{};
    ctx.exceptions = reinterpret_cast<exception_state*>(abi::__cxa_get_globals());
#ifdef PUFFS_TSAN
    ctx.tsan_fiber = __tsan_get_current_fiber();
#endif
}

void switch_stacks(switch_context& from, switch_context& to, bool from_dies) noexcept {
    detail::switch_inline(from, to, from_dies);
}

void destroy([[maybe_unused]] switch_context& ctx) noexcept {
#ifdef PUFFS_TSAN
    if (ctx.tsan_fiber != nullptr) {
        __tsan_destroy_fiber(ctx.tsan_fiber);
        ctx.tsan_fiber = nullptr;
    }
#endif
}

} // namespace puffs::lwkt
