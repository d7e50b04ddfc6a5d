// mount/cpus.hh - the CPUs on which the cores of a mount run.
//
// Units:      CPU numbers.
// Threading:  ordinary threads.
// Errors:     one line that names the option and the cause.
#pragma once

#include <expected>
#include <string>
#include <vector>

namespace puffs::kmod {

// cpus_of_cores - those that were asked for; where none were, the first of those that this process may use, on
// /dev/fuse (not `uring`) at most four.
// Errors:  one that was asked for is not one of those that this process may use.
[[nodiscard]] std::expected<std::vector<int>, std::string>
cpus_of_cores(const std::vector<int>& asked, bool uring);

} // namespace puffs::kmod
