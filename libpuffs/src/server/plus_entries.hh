// plus_entries.hh - walks the records of a readdir that carry a newinfo each (msg/dirent.hh).
//
// Ownership:  refers to the bytes.
// Threading:  none.
// Errors:     ends at the first record that is not whole.
#pragma once

#include "puffs/msg/dirent.hh"

#include <cstring>

namespace puffs {

class plus_entries {
  public:
    explicit plus_entries(std::span<std::byte> bytes) noexcept : rest_(bytes) {}

    // Goes to the next record; false at the end.
    bool next() noexcept {
        rest_ = rest_.subspan(at_.bytes);
        const auto found = msg::read_dirent(rest_, true);
        at_ = found.value_or(msg::dirent_view{});
        return found.has_value();
    }

    [[nodiscard]] std::string_view name() const noexcept { return at_.name; }
    [[nodiscard]] const msg::newinfo& info() const noexcept { return at_.made; }
    void set_info(const msg::newinfo& made) noexcept {
        std::memcpy(rest_.data(), &made, sizeof made);
    }

  private:
    std::span<std::byte> rest_;
    msg::dirent_view at_;
};

} // namespace puffs
