#include "support/fiber.hh"

#include "puffs/base/assert.hh"

#include <cxxabi.h>
#include <sys/mman.h>
#include <utility>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#define PUFFS_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define PUFFS_TSAN 1
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PUFFS_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define PUFFS_TSAN 1
#endif
#endif

#ifdef PUFFS_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef PUFFS_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace puffs::sim {
namespace {

namespace fc = boost::context::detail;

constexpr std::size_t stack_bytes = 256 * 1024;
constexpr std::size_t guard_bytes = 4096;

struct exception_state { // Itanium C++ ABI, section 2.2.2
    void* caught;
    unsigned uncaught;
};

exception_state& exceptions_here() {
    return *reinterpret_cast<exception_state*>(abi::__cxa_get_globals());
}

} // namespace

// Runners whose body has returned, and stacks of those whose body never did.
struct fiber::runner_pool {
    std::vector<runner*> idle;
    std::vector<std::byte*> stacks;
    ~runner_pool() {
        for (runner* r : idle) {
#ifdef PUFFS_TSAN
            __tsan_destroy_fiber(r->tsan_own);
#endif
            stacks.push_back(r->stack);
            delete r;
        }
        for (std::byte* s : stacks) {
            ::munmap(s - guard_bytes, guard_bytes + stack_bytes);
        }
    }
    static runner_pool& of_thread() {
        thread_local runner_pool pool;
        return pool;
    }
};

fiber::runner* fiber::take_runner() {
    runner_pool& pool = runner_pool::of_thread();
    if (!pool.idle.empty()) {
        runner* const r = pool.idle.back();
        pool.idle.pop_back();
        return r;
    }
    auto* const r = new runner;
    if (!pool.stacks.empty()) {
        r->stack = pool.stacks.back();
        pool.stacks.pop_back();
    } else {
        void* const area = ::mmap(nullptr, guard_bytes + stack_bytes, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
        PUFFS_ASSERT(area != MAP_FAILED, "no memory for a stack");
        PUFFS_ASSERT(::mprotect(area, guard_bytes, PROT_NONE) == 0, "no guard page");
        r->stack = static_cast<std::byte*>(area) + guard_bytes;
    }
#ifdef PUFFS_ASAN
    __asan_unpoison_memory_region(r->stack, stack_bytes);
#endif
    r->at.registers = fc::make_fcontext(r->stack + stack_bytes, stack_bytes, first_frame);
    r->at.stack_bottom = r->stack;
    r->at.stack_bytes = stack_bytes;
#ifdef PUFFS_TSAN
    r->tsan_own = __tsan_create_fiber(0);
    r->at.tsan_fiber = r->tsan_own;
#endif
    return r;
}

fiber::fiber(std::function<void()> body) : body_(std::move(body)), runner_(take_runner()) {
    runner_->now = this;
}

fiber::~fiber() {
    runner_pool& pool = runner_pool::of_thread();
    runner_->now = nullptr;
    if (finished_) {
        pool.idle.push_back(runner_);
        return;
    }
#ifdef PUFFS_TSAN
    __tsan_destroy_fiber(runner_->tsan_own);
#endif
    pool.stacks.push_back(runner_->stack);
    delete runner_;
}

[[gnu::always_inline]] inline void fiber::depart(place& from, place& to) {
    exception_state& e = exceptions_here();
    from.caught_exceptions = e.caught;
    from.uncaught_exceptions = e.uncaught;
    e = {to.caught_exceptions, to.uncaught_exceptions};
#ifdef PUFFS_ASAN
    __sanitizer_start_switch_fiber(&from.asan_fake_stack, to.stack_bottom, to.stack_bytes);
#endif
#ifdef PUFFS_TSAN
    from.tsan_fiber = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(to.tsan_fiber, 0);
#endif
}

void fiber::arrive([[maybe_unused]] place& here, [[maybe_unused]] place& from) {
#ifdef PUFFS_ASAN
    __sanitizer_finish_switch_fiber(here.asan_fake_stack, &from.stack_bottom, &from.stack_bytes);
#endif
}

void fiber::go(place& from, place& to) {
    depart(from, to);
    const fc::transfer_t t = fc::jump_fcontext(to.registers, this);
    // Back again, perhaps for the next body of this runner, whose fiber is another object.
    fiber& other_side = *static_cast<fiber*>(t.data);
    place& came_from = &from == &other_side.harness_ ? other_side.runner_->at : other_side.harness_;
    came_from.registers = t.fctx;
    arrive(from, came_from);
}

void fiber::resume() {
    PUFFS_ASSERT(!finished_, "resume of a finished fiber");
    go(harness_, runner_->at);
}

void fiber::suspend() {
    go(runner_->at, harness_);
}

void fiber::first_frame(fc::transfer_t t) {
    fiber& first = *static_cast<fiber*>(t.data);
    runner& r = *first.runner_;
    first.harness_.registers = t.fctx;
    arrive(r.at, first.harness_);
    for (;;) {
        fiber& f = *r.now;
        f.body_();
        f.finished_ = true;
        f.go(r.at, f.harness_); // the next resume of this runner is for another body
    }
}

} // namespace puffs::sim
