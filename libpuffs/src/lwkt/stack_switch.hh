// lwkt/stack_switch.hh - the switch itself, inlined into the scheduler: Boost's jump leaves by an indirect jump, so
// every return after it is mispredicted by the processor, and each frame less between jump and thread counts.
#pragma once

#include "puffs/lwkt/stack.hh"

#if defined(__SANITIZE_ADDRESS__)
#define PUFFS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PUFFS_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define PUFFS_TSAN 1
#elif defined(__has_feature)
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

namespace puffs::lwkt::detail {

// Tells the sanitizers that the stack of `to` is about to be used. Inlined, so that TSan sees no function that is
// entered on one stack and left on the other.
[[gnu::always_inline]] inline void leave(switch_context& from, switch_context& to,
                                         bool from_dies) noexcept {
#ifdef PUFFS_ASAN
    __sanitizer_start_switch_fiber(from_dies ? nullptr : &from.asan_fake_stack, to.stack_bottom,
                                   to.stack_bytes);
#endif
#ifdef PUFFS_TSAN
    __tsan_switch_to_fiber(to.tsan_fiber, 0);
#endif
    static_cast<void>(from);
    static_cast<void>(to);
    static_cast<void>(from_dies);
}

// First thing on the stack switched to: notes where the previous context goes on, and on which stack it was.
[[gnu::always_inline]] inline void arrive(const boost::context::detail::transfer_t& t,
                                          [[maybe_unused]] switch_context& here) noexcept {
    auto& from = *static_cast<switch_context*>(t.data);
    from.registers = t.fctx;
#ifdef PUFFS_ASAN
    __sanitizer_finish_switch_fiber(here.asan_fake_stack, &from.stack_bottom, &from.stack_bytes);
#endif
}

[[gnu::always_inline]] inline void switch_inline(switch_context& from, switch_context& to,
                                                 bool from_dies = false) noexcept {
    // One state an operating-system thread, found through the context that runs: asking the ABI costs as much as the
    // jump.
    exception_state& exceptions = *from.exceptions;
    from.caught_exceptions = exceptions.caught;
    from.uncaught_exceptions = exceptions.uncaught;
    exceptions.caught = to.caught_exceptions;
    exceptions.uncaught = to.uncaught_exceptions;
    to.exceptions = &exceptions;
    from.successor = &to;
    leave(from, to, from_dies);
    const auto t = boost::context::detail::jump_fcontext(to.registers, &from);
    arrive(t, from);
}

} // namespace puffs::lwkt::detail
