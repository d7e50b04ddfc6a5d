// bench/numbers.hh - numbers in the options of the bench programs.
#pragma once

#include <charconv>
#include <string_view>
#include <system_error>

namespace puffs::bench {

// Errors: returns false, and leaves the output unspecified, for text that is not wholly a number.
template <class Number>
[[nodiscard]] bool parse_number(std::string_view text, Number& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc{} && end == text.data() + text.size();
}

} // namespace puffs::bench
