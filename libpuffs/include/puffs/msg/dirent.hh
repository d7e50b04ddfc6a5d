// msg/dirent.hh - directory entries as they stand in the out bytes of a readdir.
//
// A packed sequence of records, each aligned to 8 bytes: dirent_head, name (no NUL), padding. With
// `plus` each record is preceded by a newinfo. The plain layout is the one that the FUSE front end
// hands to the kernel, so that it copies nothing; the plus form, which is longer there than in the
// kernel's protocol, is rewritten in place from left to right.
//
// Units:      next is the cookie with which a later readdir continues after this entry; opaque to
//             the framework.
// Ownership:  bytes in the caller's buffer.
#pragma once

#include "puffs/msg/types.hh"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

namespace puffs::msg {

struct dirent_head {
    std::uint64_t ino = 0;
    std::uint64_t next = 0;
    std::uint32_t name_bytes = 0;
    std::uint32_t type = 0; // vtype's number
};
static_assert(sizeof(dirent_head) == 24);
inline constexpr std::size_t dirent_plus_bytes = sizeof(newinfo);
static_assert(dirent_plus_bytes % 8 == 0);

[[nodiscard]] constexpr std::size_t dirent_bytes(std::size_t name_bytes, bool plus) {
    return (plus ? dirent_plus_bytes : 0) +
           ((sizeof(dirent_head) + name_bytes + 7) & ~std::size_t{7});
}

// One record as it stands in a buffer. `made` is meaningful with plus only.
struct dirent_view {
    dirent_head head;
    newinfo made;
    std::string_view name;
    std::size_t bytes = 0; // of the record, with its padding
};

// read_dirent - the record at the start of `rest`, which may come from a hostile server.
// Returns:   nothing when it is cut off, or its name is empty, too long, or holds a slash or a NUL.
// Lifetime:  the name points into `rest`.
[[nodiscard]] std::optional<dirent_view> read_dirent(std::span<const std::byte> rest, bool plus);

} // namespace puffs::msg
