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
    for (auto it = entries_.lower_bound(key);
         it != entries_.end() && it->first - key < names_of_one_hash; ++it) {
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

puffs::result<std::uint64_t> directory::free_key(std::string_view name) const {
    std::uint64_t key = key_of(name);
    const std::uint64_t end = key + names_of_one_hash;
    for (auto it = entries_.lower_bound(key); it != entries_.end() && it->first == key; ++it) {
        ++key;
    }
    if (key >= end) {
        return puffs::fail(ENOSPC);
    }
    return key;
}

puffs::result<void> directory::add(std::string_view name, inode& node) {
    const auto key = free_key(name);
    if (!key) {
        return puffs::fail(key.error());
    }
    entries_.try_emplace(*key, entry{std::string(name), &node});
    return {};
}

puffs::result<void> directory::move(std::string_view name, directory& to,
                                    std::string_view to_name) {
    const auto it = at(name);
    PUFFS_ASSERT(it != entries_.end(), "moving a name that is not there");
    const auto key = to.free_key(to_name);
    if (!key) {
        return puffs::fail(key.error());
    }
    std::string fresh(to_name);
    auto moved = entries_.extract(it); // from here on nothing can fail
    moved.key() = *key;
    moved.mapped().name = std::move(fresh);
    to.entries_.insert(std::move(moved));
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
