#include "puffs/msg/dirent.hh"

#include "puffs/base/limits.hh"

#include <algorithm>

namespace puffs::msg {

std::optional<dirent_view> read_dirent(std::span<const std::byte> rest, bool plus) {
    dirent_view v;
    const std::size_t head_at = plus ? dirent_plus_bytes : 0;
    if (rest.size() < head_at + sizeof v.head) {
        return std::nullopt;
    }
    if (plus) {
        std::memcpy(&v.made, rest.data(), sizeof v.made);
    }
    std::memcpy(&v.head, rest.data() + head_at, sizeof v.head);
    if (v.head.name_bytes == 0 || v.head.name_bytes > limits::name_bytes) {
        return std::nullopt;
    }
    v.bytes = dirent_bytes(v.head.name_bytes, plus);
    if (rest.size() < v.bytes) {
        return std::nullopt;
    }
    v.name = {reinterpret_cast<const char*>(rest.data()) + head_at + sizeof v.head,
              v.head.name_bytes};
    const auto is_separator = [](char c) { return c == '/' || c == '\0'; };
    if (std::any_of(v.name.begin(), v.name.end(), is_separator)) {
        return std::nullopt;
    }
    return v;
}

} // namespace puffs::msg
