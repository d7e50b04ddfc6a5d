// server/dirents.hh - where a readdir operation puts its entries.
//
// Units:      `next` is the cookie that a later readdir gets to continue after this entry: any
//             number but 0, chosen by the server, stable while the directory is open.
// Ownership:  writes into the caller's buffer; keeps nothing.
// Threading:  the operation's light thread.
// Errors:     add() returns false when the entry does not fit: stop and return. A name that is
//             empty, longer than 255 bytes or holds '/' or NUL asserts nothing: it is left out,
//             logged, and the call returns true.
#pragma once

#include "puffs/msg/dirent.hh"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace puffs {

class dirents {
  public:
    dirents(std::span<std::byte> out, bool plus) noexcept : out_(out), plus_(plus) {}

    [[nodiscard]] bool add(std::string_view name, std::uint64_t ino, msg::vtype type,
                           std::uint64_t next);

    [[nodiscard]] std::size_t used_bytes() const noexcept { return used_; }
    // Whether add() has returned false.
    [[nodiscard]] bool refused() const noexcept { return refused_; }
    // entries will be looked up by the framework
    [[nodiscard]] bool plus() const noexcept { return plus_; }

  private:
    std::span<std::byte> out_;
    std::size_t used_ = 0;
    bool plus_;
    bool refused_ = false;
};

} // namespace puffs
