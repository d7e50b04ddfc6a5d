// memfs/inode.hh - one object of the file system: attributes, and what its type needs.
//
// Ownership:  an inode lives while it has links or the framework knows its node; reclaim of an
//             inode without links deletes it.
// Threading:  one user at a time (the node's lock); `parent` is read by others while directories move.
#pragma once

#include "memfs/data.hh"
#include "memfs/directory.hh"
#include "memfs/space.hh"
#include "puffs/msg/types.hh"

#include <atomic>
#include <cstdint>
#include <ctime>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace memfs {

inline puffs::msg::time_point now() {
    timespec t{};
    ::clock_gettime(CLOCK_REALTIME, &t);
    return {t.tv_sec, static_cast<std::uint32_t>(t.tv_nsec)};
}

struct inode {
    // What an inode costs besides its data, names and extended attributes.
    static constexpr std::uint64_t cost_bytes = 512;

    std::uint64_t ino = 0;
    std::uint32_t mode = 0;
    std::uint32_t nlink = 0;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint32_t rdev = 0;
    puffs::msg::time_point atime, mtime, ctime;

    std::unique_ptr<data> contents;   // regular files
    std::unique_ptr<directory> names; // directories
    std::string target;               // symbolic links
    std::map<std::string, std::vector<std::byte>, std::less<>> xattrs;
    std::atomic<inode*> parent{nullptr}; // directories; the root is its own

    // Constant, unlike `mode`: lookup and readdir read it with only the directory locked.
    puffs::msg::vtype kind = puffs::msg::vtype::none;

    [[nodiscard]] puffs::msg::vtype type() const { return kind; }
    [[nodiscard]] bool is_dir() const { return names != nullptr; }

    [[nodiscard]] puffs::msg::attr attributes() const {
        puffs::msg::attr a;
        a.ino = ino;
        a.size = contents ? contents->size() : is_dir() ? 4096 : target.size();
        a.blocks = contents ? (contents->allocated() + 511) / 512 : 0;
        a.atime = atime;
        a.mtime = mtime;
        a.ctime = ctime;
        a.mode = mode;
        a.nlink = nlink;
        a.uid = uid;
        a.gid = gid;
        a.rdev = rdev;
        return a;
    }
    void changed() { mtime = ctime = now(); } // contents
    void touched() { ctime = now(); }         // attributes
    // As the kernel's relatime: at most once a day unless it was changed since.
    void accessed();
};

} // namespace memfs
