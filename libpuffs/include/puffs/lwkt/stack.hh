// lwkt/stack.hh - the memory a light thread runs on, and the switch from one stack to another.
//
// Units:      bytes, rounded up to pages; one guard page below.
// Ownership:  a stack owns its mapping.
// Threading:  a stack is used by one operating-system thread only.
// Notes:      every switch tells the sanitizers (fiber hooks of TSan, start/finish switch of ASan),
//             and saves and restores the C++ ABI's per-thread exception state: without that two
//             threads that switch inside `catch` would swap exceptions.
// Source:     Boost.Context for the switch itself; Itanium C++ ABI section 2.2.2 for
//             __cxa_eh_globals.
#pragma once

#include "puffs/base/error.hh"

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>
#include <cstdint>

namespace puffs::lwkt {

class stack {
  public:
    stack() = default;
    ~stack();
    stack(const stack&) = delete;
    stack& operator=(const stack&) = delete;

    // Maps it if it is not mapped yet. Errors: enomem.
    [[nodiscard]] result<void> map(std::size_t bytes);
    void unmap() noexcept;
    [[nodiscard]] bool mapped() const noexcept { return base_ != nullptr; }
    [[nodiscard]] std::byte* top() const noexcept { return base_ + bytes_; }
    // lowest usable byte, above the guard page
    [[nodiscard]] std::byte* base() const noexcept { return base_; }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

  private:
    std::byte* base_ = nullptr;
    std::size_t bytes_ = 0;
};

// The layout of __cxa_eh_globals, which <cxxabi.h> only declares (Itanium C++ ABI, section 2.2.2).
struct exception_state {
    void* caught;
    unsigned uncaught;
};

// Where a stack goes on, with what belongs to it besides registers.
struct switch_context {
    boost::context::detail::fcontext_t registers = nullptr;
    void* caught_exceptions = nullptr; // while it does not run
    unsigned uncaught_exceptions = 0;
    exception_state* exceptions = nullptr; // while it runs: those of the operating-system thread
    void* tsan_fiber = nullptr;
    void* asan_fake_stack = nullptr;
    const void* stack_bottom = nullptr; // for ASan
    std::size_t stack_bytes = 0;
    switch_context* successor = nullptr; // during a switch: where it goes
    void (*entry)(void*) = nullptr;      // what runs at the first switch
    void* arg = nullptr;
};

// prepare - makes `to` start entry(arg) on `s` at its first switch. entry does not return.
void prepare(switch_context& to, stack& s, void (*entry)(void*), void* arg);
// adopt_os_stack - makes `ctx` stand for the stack that the operating system gave the calling
// thread.
void adopt_os_stack(switch_context& ctx);
// switch_stacks - saves the running stack in `from` and goes on in `to`. `from_dies`: the running
// stack never runs again.
void switch_stacks(switch_context& from, switch_context& to, bool from_dies = false) noexcept;
// sanitizer bookkeeping of a stack that will not run again
void destroy(switch_context& ctx) noexcept;

} // namespace puffs::lwkt
