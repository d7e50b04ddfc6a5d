// base/error.hh - errors as values: a strong type over a positive errno, and results that carry
// one.
//
// Units:      an errno as Linux numbers it, 1 to 4095; never 0 (success is the other side of a
//             result) and never negative.
// Ownership:  plain values.
// Threading:  none; immutable.
// Errors:     constructing an error from a number outside the range asserts: it is our bug, not the
//             peer's. Numbers that come from a peer pass through error::from_peer first.
// Source:     std::expected (C++23).
#pragma once

#include "puffs/base/assert.hh"

#include <cerrno>
#include <expected>
#include <optional>
#include <string_view>

namespace puffs {

class [[nodiscard]] error {
  public:
    static constexpr int max_number = 4095;

    constexpr explicit error(int number) : number_(number) {
        PUFFS_ASSERT(number > 0 && number <= max_number, "errno out of range");
    }

    // The number as a peer sent it, if it is one that an errno can have.
    static constexpr std::optional<error> from_peer(int number) {
        if (number <= 0 || number > max_number) {
            return std::nullopt;
        }
        return error(number);
    }

    [[nodiscard]] constexpr int number() const { return number_; }

    // The constant's name in lower case ("enoent"), or "errno" for a number that this build does
    // not know.
    [[nodiscard]] std::string_view name() const;

    friend constexpr bool operator==(error, error) = default;

  private:
    int number_;
};

template <class T>
using result = std::expected<T, error>;

// return fail(ENOENT);
[[nodiscard]] constexpr std::unexpected<error> fail(int number) {
    return std::unexpected<error>(error(number));
}
[[nodiscard]] constexpr std::unexpected<error> fail(error e) {
    return std::unexpected<error>(e);
}

// The errno of a system call that has just failed. Read it before any other call.
[[nodiscard]] inline std::unexpected<error> fail_errno() {
    return fail(errno);
}

// 0 for success, the errno otherwise: for message results and park values, where one int carries
// both.
template <class T>
[[nodiscard]] constexpr int errno_of(const result<T>& r) {
    return r ? 0 : r.error().number();
}

} // namespace puffs
