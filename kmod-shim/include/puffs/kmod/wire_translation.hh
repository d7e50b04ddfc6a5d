// kmod/wire_translation.hh - an older layout of the messages, for a server in another process that speaks no newer one.
//
// A mount that is constructed with a translation keeps a twin beside each park: the request as it goes over the wire,
// in the older layout. The park's own request stays in the current one throughout, so that what waits, calls back,
// checks and is reused never sees the older. A request is translated when it is queued. A reply is copied into the
// twin, raw, and translated from there: what a short one lacks is then as it was asked, as it is without a translation
// (F40). Only replies to requests that went out translated are translated back.
//
// The header is the same in every layout: it says to whom a frame belongs, and which row to translate it by. Only
// buflen differs, by the row's delta. The runs pass as they are: an operation whose names or data have another layout
// cannot be translated, and a front end must not ask such a server for it (readdir with plus, if newinfo differs). What
// the kernel half answers to something that the server sent, and ERROR messages, are but headers, and pass.
//
// Units:      bytes, of the fixed part of a message: header and arguments.
// Ownership:  the rows are borrowed and outlive the translation, which outlives the mount. Twins belong to the mount:
//             allocated with the parks, one a park, freed with them.
// Threading:  immutable; the functions of a row run on any core of the mount, in a critical section: they must not
//             block, and keep nothing.
// Errors:     to_old: the request cannot be said in the older layout (eoverflow: a number is too large for it); it then
//             fails before it is queued. to_new has none: the values are checked afterwards, as those of every server.
// Source:     NetBSD puffs_compat.c's part in puffs_msgif.c (idea); differs: request and twin never change places.
#pragma once

#include "puffs/base/error.hh"
#include "puffs/msg/request.hh"

#include <cstddef>
#include <cstdint>
#include <span>

namespace puffs::kmod {

// One operation that differs.
struct translated_operation {
    msg::opclass opclass = msg::opclass::vn; // vn or vfs
    std::uint32_t optype = 0;
    std::ptrdiff_t delta_bytes =
        0; // by which the older fixed part is longer than sizeof(msg::request)
    // to_old - writes the arguments of `asked` into `older`: zeroed, all that follows the header in the twin.
    result<void> (*to_old)(const msg::arguments& asked,
                           std::span<std::byte> older) noexcept = nullptr;
    // to_new - writes the values of a reply without error into `original`, which holds what was asked. What the older
    // layout does not have is left alone, or set to what its absence means.
    void (*to_new)(std::span<const std::byte> older, msg::arguments& original) noexcept = nullptr;

    [[nodiscard]] constexpr std::size_t twin_bytes() const noexcept {
        return static_cast<std::size_t>(static_cast<std::ptrdiff_t>(sizeof(msg::request)) +
                                        delta_bytes);
    }
};

class wire_translation {
  public:
    static constexpr std::size_t twin_bytes_max = 4096;

    // Requires: each operation once, of class vn or vfs, with both functions, its twin no shorter than a header and no
    // longer than twin_bytes_max (asserted).
    explicit wire_translation(std::span<const translated_operation> operations);

    // The row of an operation; null: it is the same in both layouts. `opclass` without flags.
    [[nodiscard]] const translated_operation* find(std::uint32_t opclass,
                                                   std::uint32_t optype) const noexcept;
    [[nodiscard]] std::size_t longest_twin_bytes() const noexcept { return longest_twin_bytes_; }

  private:
    // constant after construction
    const std::span<const translated_operation> operations_;
    std::size_t longest_twin_bytes_ = 0;
};

} // namespace puffs::kmod
