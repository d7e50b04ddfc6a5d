#include "mount/cpus.hh"

#include "puffs/base/limits.hh"

#include <algorithm>
#include <cstddef>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sched.h>

namespace puffs::kmod {

namespace {

// On /dev/fuse the kernel wakes every core that waits, and all but one find nothing: more cores than this cost a caller
// more than they serve.
constexpr std::size_t dev_cores_max = 4;

std::vector<int> usable_cpus() {
    cpu_set_t set;
    CPU_ZERO(&set);
    std::vector<int> cpus;
    if (::sched_getaffinity(0, sizeof(set), &set) == 0) {
        for (int c = 0; c < CPU_SETSIZE; ++c) {
            if (CPU_ISSET(c, &set)) {
                cpus.push_back(c);
            }
        }
    }
    return cpus;
}

} // namespace

std::expected<std::vector<int>, std::string> cpus_of_cores(const std::vector<int>& asked,
                                                           bool uring) {
    std::vector<int> usable = usable_cpus();
    for (const int cpu : asked) {
        if (std::ranges::find(usable, cpu) == usable.end()) {
            return std::unexpected(fmt::format(
                "option '--cores': CPU {} is not one of those that this process may use: {}", cpu,
                fmt::join(usable, ",")));
        }
    }
    if (!asked.empty()) {
        return asked;
    }
    usable.resize(std::min(usable.size(), uring ? std::size_t{limits::cores} : dev_cores_max));
    return usable;
}

} // namespace puffs::kmod
