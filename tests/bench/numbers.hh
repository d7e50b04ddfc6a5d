// bench/numbers.hh - numbers and lists of cores on the command lines of the bench programs.
//
// Errors:  every function returns false, and leaves its output unspecified, for text that is not
//          wholly what it reads.
#pragma once

#include <charconv>
#include <sched.h>
#include <string_view>
#include <system_error>
#include <vector>

namespace puffs::bench {

template <class Number>
[[nodiscard]] bool parse_number(std::string_view text, Number& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc{} && end == text.data() + text.size();
}

inline constexpr int any_core = -1; // not pinned

// A comma-separated list of core numbers; the word "any" stands for any_core.
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

} // namespace puffs::bench
