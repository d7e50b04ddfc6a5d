// memfs/directory.hh - the names of a directory, in an order that stays while names come and go.
//
// Each name has a key made of its hash; keys order the directory and are the cookies of readdir, so that a reader that
// goes on after a pause sees every name that was there all the time exactly once, whatever was
// added or removed meanwhile.
//
// Units:      keys from first_key to 2^63 - 1; 55 bits of hash, and 8 of a number that tells names of one hash apart.
// Full:       256 names of one hash: the next is refused with enospc.
// Ownership:  owns the names; refers to the inodes.
// Threading:  one user at a time (the node's lock).
#pragma once

#include "puffs/base/error.hh"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace memfs {

struct inode;

class directory {
  public:
    struct entry {
        std::string name;
        inode* node;
    };
    using map = std::map<std::uint64_t, entry>;
    static constexpr std::uint64_t first_key = 256; // smaller ones are free for "." and ".."

    [[nodiscard]] inode* find(std::string_view name) const;
    // Requires: the name is not there.
    puffs::result<void> add(std::string_view name, inode& node);
    // Requires: the name is there.
    void remove(std::string_view name);
    void replace(std::string_view name, inode& node);
    // move - the name, which is there, becomes the name `to_name` of `to`, which is not there. Needs no memory but that
    // of a longer name. Errors: enospc as add; then, and when there is no memory (bad_alloc), nothing has changed.
    puffs::result<void> move(std::string_view name, directory& to, std::string_view to_name);
    [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }
    [[nodiscard]] map::const_iterator after(std::uint64_t key) const {
        return entries_.upper_bound(key);
    }
    [[nodiscard]] map::const_iterator end() const noexcept { return entries_.end(); }

    // What a name costs.
    [[nodiscard]] static std::uint64_t cost_bytes(std::string_view name) {
        return 112 + (name.size() > 15 ? name.size() + 17 : 0);
    }

  private:
    static constexpr std::uint64_t names_of_one_hash = 256;
    static std::uint64_t key_of(std::string_view name);
    [[nodiscard]] puffs::result<std::uint64_t> free_key(std::string_view name) const;
    [[nodiscard]] map::const_iterator at(std::string_view name) const;
    map entries_;
};

} // namespace memfs
