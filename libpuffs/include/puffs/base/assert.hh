// base/assert.hh - the always-on assertion, for our own bugs only.
//
// Bytes from the kernel, a peer or a file are checked and refused, never asserted. An assertion
// that fails prints one line (file, line, condition, text) to standard error and aborts; death
// tests expect that line.
//
// Threading:  any.
// Source:     NetBSD KASSERT and panic(9) (idea).
#pragma once

namespace puffs {

// panic - print "panic: TEXT (file:line)" and abort.
// Requires:  nothing; safe on a light thread's stack and in a signal handler (write(2) only, no
//            allocation).
[[noreturn]] void panic(const char* text, const char* file, int line) noexcept;

} // namespace puffs

#define PUFFS_PANIC(text) ::puffs::panic((text), __FILE__, __LINE__)
#define PUFFS_ASSERT(condition, text)                                                              \
    ((condition) ? static_cast<void>(0)                                                            \
                 : ::puffs::panic(text " [" #condition "]", __FILE__, __LINE__))

// Checks that cost something on the way of a request: compiled in where race points are (dev, asan,
// tsan presets).
#ifdef PUFFS_RACE_POINTS
#define PUFFS_DEBUG_ASSERT(condition, text) PUFFS_ASSERT(condition, text)
#else
#define PUFFS_DEBUG_ASSERT(condition, text) static_cast<void>(0)
#endif
