// base/limits.hh - limits of the runtime and of the message layers, each with what happens there: those that more than
// one source knows, or that say how much one core or one mount may have.
//
// Those of one class stand in it: core_options::workers_max, ring::kept_files_max and the like.
#pragma once

#include <cstddef>
#include <cstdint>

namespace puffs::limits {

// Runtime.
inline constexpr std::size_t cores = 256; // of one runtime; more: the constructor refuses (einval)
inline constexpr std::size_t cacheline_bytes = 64; // what two cores must not share
// of a ring between two cores; full: sender serves its own and waits
inline constexpr std::size_t ipiq_slots = 256;
inline constexpr int ipi_nesting = 20; // handlers in handlers; deeper: panic
// entries that a core may take aside while its handlers wait for room in a ring; more: panic
inline constexpr std::size_t ipi_aside = 65536;
// threads of a runtime for lwkt::offload; more work waits for one
inline constexpr unsigned offload_threads = 16;
inline constexpr std::size_t cached_threads = 64; // light threads kept by a core; more are freed
// times that a lwkt::mutex is left free to whoever comes first; then its first sleeper is handed it
inline constexpr unsigned mutex_overtakings = 64;
// takes of one light thread that are not released; more: panic
inline constexpr std::size_t tokens_held = 32;
// times that a lwkt::token is left free to whoever comes first; then the oldest of those that wait gets it
inline constexpr unsigned token_overtakings = 64;
// times, 10 ms apart, that lwkt::create_on looks for memory for a stack; then: panic
inline constexpr unsigned creation_attempts = 6000;
inline constexpr std::size_t stack_bytes = 128 * 1024; // of a light thread, plus one guard page

// Messages and parks.
// in flight, of one mount on one core; full: a request waits on its light thread for a free one
inline constexpr std::size_t parks_per_core = 4096;
inline constexpr std::size_t name_bytes = 255; // of one component; longer: enametoolong
inline constexpr std::size_t symlink_bytes = 4095;
inline constexpr std::size_t xattr_name_bytes = 255;
inline constexpr std::size_t xattr_value_bytes = 65536;
inline constexpr std::size_t payload_bytes = 1024 * 1024; // data of one read or write request

} // namespace puffs::limits
