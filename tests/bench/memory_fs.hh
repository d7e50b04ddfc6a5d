// bench/memory_fs.hh - what the operations of peer_memfs share: the file system and its answers.
//
// Threading:  the locks of memory_node.hh, and `moves_lock` here.
#pragma once

#include "libfuse_server.hh"
#include "memory_node.hh"

#include <atomic>
#include <mutex>
#include <unistd.h>
#include <unordered_set>
#include <vector>

namespace puffs::bench {

// As examples/memfs: all changes come through this mount.
inline constexpr double long_time_s = 365.0 * 24 * 3600;

struct memory_fs {
    memory_node root;
    std::mutex moves_lock; // taken by who locks the names of two directories
    std::atomic<std::uint64_t> next_ino{FUSE_ROOT_ID + 1}; // relaxed: only distinct

    memory_fs() {
        root.type = S_IFDIR;
        root.st.st_ino = FUSE_ROOT_ID;
        root.st.st_mode = S_IFDIR | 0755;
        root.st.st_uid = getuid();
        root.st.st_gid = getgid();
        root.st.st_nlink = 2;
        root.st.st_atim = time_of_day();
        root.changed();
    }
    memory_fs(const memory_fs&) = delete;
    memory_fs& operator=(const memory_fs&) = delete;
    // Requires: unmounted. What has a name is found from the root, however often the kernel was told of it.
    ~memory_fs() {
        std::unordered_set<memory_node*> found{&root};
        for (std::vector<memory_node*> left{&root}; !left.empty();) {
            auto& names = left.back()->names;
            left.pop_back();
            for (auto it = names.after(0); it != names.end(); ++it) {
                if (found.insert(it->second.node).second) left.push_back(it->second.node);
            }
        }
        found.erase(&root);
        for (auto* node : found)
            node->give_back(node->references.load(std::memory_order_relaxed));
    }
};

inline memory_fs& fs_of(fuse_req_t req) {
    return *static_cast<memory_fs*>(fuse_req_userdata(req));
}

// The kernel knows the root by its number and every other node by its address.
inline memory_node& node_of(fuse_req_t req, fuse_ino_t id) {
    return id == FUSE_ROOT_ID ? fs_of(req).root : *reinterpret_cast<memory_node*>(id);
}

inline void answer_error(fuse_req_t req, int error) {
    fuse_reply_err(req, error);
}

// Requires: the caller has referred to the node for the kernel.
inline fuse_entry_param entry_of(memory_node& node) {
    fuse_entry_param entry{};
    entry.ino = reinterpret_cast<fuse_ino_t>(&node);
    entry.attr = node.locked_attributes();
    entry.attr_timeout = entry.entry_timeout = long_time_s;
    return entry;
}

inline void answer_entry(fuse_req_t req, memory_node& node) {
    const auto entry = entry_of(node);
    if (fuse_reply_entry(req, &entry) != 0) node.give_back();
}

// Fills in the operations on names (memory_names.cc) and on extended attributes (memory_xattrs.cc).
void add_name_operations(fuse_lowlevel_ops& ops);
void add_xattr_operations(fuse_lowlevel_ops& ops);

} // namespace puffs::bench
