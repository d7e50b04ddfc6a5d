#include "memfs/directory.hh"

#include "puffs/base/assert.hh"

#include <functional>

namespace memfs {

std::uint64_t directory::key_of(std::string_view name) {
    const std::uint64_t hash = std::hash<std::string_view>()(name);
    const std::uint64_t key = (hash >> 9) << 8;
    return key < first_key ? first_key : key;
}

directory::map::const_iterator directory::at(std::string_view name) const {
    const std::uint64_t key = key_of(name);
    for (auto it = entries_.lower_bound(key); it != entries_.end() && it->first - key < 256; ++it) {
        if (it->second.name == name) {
            return it;
        }
    }
    return entries_.end();
}

inode* directory::find(std::string_view name) const {
    const auto it = at(name);
    return it == entries_.end() ? nullptr : it->second.node;
}

puffs::result<void> directory::add(std::string_view name, inode& node) {
    std::uint64_t key = key_of(name);
    const std::uint64_t end = key + 256;
    auto hint = entries_.lower_bound(key);
    for (; hint != entries_.end() && hint->first == key && key < end; ++hint) {
        ++key;
    }
    if (key == end) {
        return puffs::fail(ENOSPC);
    }
    entries_.emplace_hint(hint, key, entry{std::string(name), &node});
    return {};
}

void directory::remove(std::string_view name) {
    const auto it = at(name);
    PUFFS_ASSERT(it != entries_.end(), "removing a name that is not there");
    entries_.erase(it);
}

void directory::replace(std::string_view name, inode& node) {
    const auto it = at(name);
    PUFFS_ASSERT(it != entries_.end(), "replacing a name that is not there");
    entries_.find(it->first)->second.node = &node;
}

} // namespace memfs
