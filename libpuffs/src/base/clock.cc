#include "puffs/base/clock.hh"

#include <ctime>

namespace puffs {

instant monotonic_clock::now() const noexcept {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t); // cannot fail for this clock
    return {static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000U +
            static_cast<std::uint64_t>(t.tv_nsec)};
}

} // namespace puffs
