// mount/statistics_text.hh - the statistics of a mount, as lines for the log.
//
// Threading:  an ordinary thread, at any time: nothing is stopped, and what happens meanwhile is in it or not.
#pragma once

#include "mount/channels.hh"
#include "puffs/kmod/msgif.hh"
#include "puffs/lwkt/runtime.hh"
#include "puffs/server/usermount.hh"

#include <span>
#include <string>
#include <vector>

namespace puffs::kmod {

// operation_lines - a table of what was asked, of all cores together and, where there are several, of each: how often,
// how often in vain, and, where times are kept, median, 99th percentile and maximum of each part of them.
[[nodiscard]] std::vector<std::string>
operation_lines(std::span<const operation_statistics* const> cores, double ns_per_tick);

// statistics_lines - counters of each core's channels, parks, library and scheduler, then operation_lines.
[[nodiscard]] std::vector<std::string> statistics_lines(const lwkt::runtime& cores,
                                                        const channels& channels,
                                                        const puffs_mount& mount,
                                                        const usermount& library);

} // namespace puffs::kmod
