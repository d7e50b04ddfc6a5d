// support/sanitized.hh - whether a sanitizer is compiled in, which makes what a test does ten or more times slower.
#pragma once

namespace puffs::sim {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool sanitized = true;
#elif defined(__has_feature)
inline constexpr bool sanitized =
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
inline constexpr bool sanitized = false;
#endif

// ThreadSanitizer keeps four bytes for each byte that a program touches.
#if defined(__SANITIZE_THREAD__)
inline constexpr bool thread_sanitized = true;
#elif defined(__has_feature)
inline constexpr bool thread_sanitized = __has_feature(thread_sanitizer);
#else
inline constexpr bool thread_sanitized = false;
#endif

// How often to do something: `count` times, under a sanitizer a `divisor`th of that.
template <class N>
constexpr N times(N count, N divisor) {
    return sanitized ? count / divisor : count;
}

} // namespace puffs::sim
