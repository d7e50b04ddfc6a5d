// base/core_set.hh - numbers of cores and sets of them.
//
// Units:      a core_id counts the cores of one runtime from 0; it is not a CPU number of the
//             machine.
// Full:       at most limits::cores cores a runtime.
// Ownership:  plain values.
// Threading:  none.
#pragma once

#include "puffs/base/assert.hh"
#include "puffs/base/limits.hh"

#include <array>
#include <bit>
#include <cstdint>
#include <initializer_list>

namespace puffs {

using core_id = std::uint16_t;
inline constexpr core_id no_core = 0xffff;

class core_set {
  public:
    constexpr core_set() = default;
    constexpr core_set(std::initializer_list<core_id> cores) {
        for (core_id c : cores) {
            add(c);
        }
    }
    static constexpr core_set first(core_id count) {
        core_set s;
        for (core_id c = 0; c < count; ++c) {
            s.add(c);
        }
        return s;
    }

    constexpr void add(core_id c) { word(c) |= bit(c); }
    constexpr void remove(core_id c) { word(c) &= ~bit(c); }
    [[nodiscard]] constexpr bool contains(core_id c) const {
        PUFFS_ASSERT(c < limits::cores, "core number out of range");
        return (words_[c / 64U] & bit(c)) != 0;
    }
    [[nodiscard]] constexpr unsigned count() const {
        unsigned n = 0;
        for (std::uint64_t w : words_) {
            n += static_cast<unsigned>(std::popcount(w));
        }
        return n;
    }
    [[nodiscard]] constexpr bool empty() const { return count() == 0; }

    // Calls f(core_id) for each member, lowest first.
    template <class F>
    constexpr void for_each(F&& f) const {
        for (std::size_t i = 0; i < words_.size(); ++i) {
            for (std::uint64_t w = words_[i]; w != 0; w &= w - 1) {
                f(static_cast<core_id>(i * 64U + static_cast<unsigned>(std::countr_zero(w))));
            }
        }
    }
    friend constexpr bool operator==(const core_set&, const core_set&) = default;

  private:
    static constexpr std::uint64_t bit(core_id c) { return std::uint64_t{1} << (c % 64U); }
    constexpr std::uint64_t& word(core_id c) {
        PUFFS_ASSERT(c < limits::cores, "core number out of range");
        return words_[c / 64U];
    }
    std::array<std::uint64_t, limits::cores / 64> words_{};
};

} // namespace puffs
