// bench/cores.hh - on which cores the programs of the bench run.
#pragma once

#include "numbers.hh"

#include <pthread.h>
#include <sched.h>
#include <string_view>
#include <vector>

namespace puffs::bench {

inline constexpr int any_core = -1; // not pinned

// Reads a comma-separated list of core numbers; the word "any" stands for any_core.
// Errors: returns false, and leaves the output unspecified, for text that is not wholly such a list.
[[nodiscard]] inline bool parse_cores(std::string_view list, std::vector<int>& out) {
    out.clear();
    for (;;) {
        const auto comma = list.find(',');
        const auto item = list.substr(0, comma);
        int core = any_core;
        if (item != "any" && (!parse_number(item, core) || core < 0 || core >= CPU_SETSIZE))
            return false;
        out.push_back(core);
        if (comma == std::string_view::npos) return true;
        list.remove_prefix(comma + 1);
    }
}

// Binds the calling thread, and those that it starts from then on, to that core.
// Returns: 0, or an errno.
[[nodiscard]] inline int pin(int core) {
    if (core == any_core) return 0;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<unsigned>(core), &set);
    return pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

} // namespace puffs::bench
