// support/seed.hh - the seed of a random test: PUFFS_SEED, or a new one; printed, so that a failure
// can be run again.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace puffs::sim {

inline std::uint64_t test_seed() {
    const char* const given = std::getenv("PUFFS_SEED");
    const std::uint64_t seed =
        given != nullptr ? std::strtoull(given, nullptr, 0)
                         : static_cast<std::uint64_t>(
                               std::chrono::system_clock::now().time_since_epoch().count());
    std::printf("PUFFS_SEED=%llu\n", static_cast<unsigned long long>(seed));
    std::fflush(stdout);
    return seed;
}

} // namespace puffs::sim
