// The names of peer_memfs: finding, making, linking, moving, removing and reading them.
#include "memory_fs.hh"

#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <mutex>

namespace puffs::bench {
namespace {

void lookup(fuse_req_t req, fuse_ino_t parent, const char* name) {
    auto& dir = node_of(req, parent);
    memory_node* found = nullptr;
    {
        const std::shared_lock hold(dir.names_lock);
        found = dir.names.find(name);
        if (found != nullptr) found->refer();
    }
    if (found != nullptr) {
        answer_entry(req, *found);
        return;
    }
    fuse_entry_param absent{}; // node 0: the kernel may keep that there is no such name
    absent.entry_timeout = long_time_s;
    fuse_reply_entry(req, &absent);
}

// A new node under a new name, referred to by the name and for the kernel. nullptr when the name is there.
memory_node* make(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode,
                  const char* target = "", dev_t device = 0) {
    auto& dir = node_of(req, parent);
    auto node = std::make_unique<memory_node>();
    const auto* caller = fuse_req_ctx(req);
    node->type = mode & S_IFMT;
    node->target = target;
    node->st.st_ino = fs_of(req).next_ino.fetch_add(1, std::memory_order_relaxed);
    node->st.st_mode = mode;
    node->st.st_uid = caller->uid;
    node->st.st_gid = caller->gid;
    node->st.st_rdev = device;
    node->st.st_nlink = node->is_directory() ? 2 : 1;
    node->st.st_size = static_cast<off_t>(node->target.size());
    node->changed();
    node->st.st_atim = node->st.st_mtim;
    node->refer();
    const std::unique_lock names(dir.names_lock);
    if (dir.names.find(name) != nullptr) return nullptr;
    {
        const std::unique_lock hold(dir.lock);
        if ((dir.st.st_mode & S_ISGID) != 0) {
            node->st.st_gid = dir.st.st_gid;
            if (node->is_directory()) node->st.st_mode |= S_ISGID;
        }
        dir.changed(node->is_directory() ? 1 : 0);
    }
    dir.names.add(name, *node);
    return node.release();
}

void answer_made(fuse_req_t req, memory_node* node) {
    if (node == nullptr)
        answer_error(req, EEXIST);
    else
        answer_entry(req, *node);
}

void mknod(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode, dev_t device) {
    answer_made(req, make(req, parent, name, mode, "", device));
}

void mkdir(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode) {
    answer_made(req, make(req, parent, name, S_IFDIR | mode));
}

void symlink(fuse_req_t req, const char* target, fuse_ino_t parent, const char* name) {
    answer_made(req, make(req, parent, name, S_IFLNK | 0777, target));
}

void create(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode,
            fuse_file_info* file) {
    auto* node = make(req, parent, name, S_IFREG | mode);
    if (node == nullptr) {
        answer_error(req, EEXIST);
        return;
    }
    file->keep_cache = 1;
    const auto entry = entry_of(*node);
    if (fuse_reply_create(req, &entry, file) != 0) node->give_back();
}

void readlink(fuse_req_t req, fuse_ino_t id) {
    fuse_reply_readlink(req, node_of(req, id).target.c_str());
}

// The node lost a name. Gives back what the name referred to.
void unlinked(memory_node& node, bool was_directory) {
    {
        const std::unique_lock hold(node.lock);
        node.st.st_nlink -= was_directory ? 2 : 1;
        node.st.st_ctim = time_of_day();
    }
    node.give_back();
}

void unlink(fuse_req_t req, fuse_ino_t parent, const char* name) {
    auto& dir = node_of(req, parent);
    memory_node* node = nullptr;
    int error = 0;
    {
        const std::unique_lock names(dir.names_lock);
        node = dir.names.find(name);
        error = node == nullptr ? ENOENT : node->is_directory() ? EISDIR : 0;
        if (error == 0) {
            dir.names.remove(name);
            const std::unique_lock hold(dir.lock);
            dir.changed();
        }
    }
    if (error == 0) unlinked(*node, false);
    answer_error(req, error);
}

// 0, or why the directory cannot go. Requires: moves_lock.
int why_not_removable(memory_node* node) {
    if (node == nullptr) return ENOENT;
    if (!node->is_directory()) return ENOTDIR;
    const std::shared_lock names(node->names_lock);
    return node->names.empty() ? 0 : ENOTEMPTY;
}

void rmdir(fuse_req_t req, fuse_ino_t parent, const char* name) {
    auto& dir = node_of(req, parent);
    memory_node* node = nullptr;
    int error = 0;
    {
        const std::scoped_lock moves(fs_of(req).moves_lock);
        const std::unique_lock names(dir.names_lock);
        node = dir.names.find(name);
        error = why_not_removable(node);
        if (error == 0) {
            dir.names.remove(name);
            const std::unique_lock hold(dir.lock);
            dir.changed(-1);
        }
    }
    if (error == 0) unlinked(*node, true);
    answer_error(req, error);
}

// 0, or why `moved` cannot take the place of `replaced`, which may be nullptr. Requires: moves_lock.
int why_not_replaceable(const memory_node* moved, memory_node* replaced, unsigned flags) {
    if (moved == nullptr) return ENOENT;
    if (replaced == nullptr) return 0;
    if ((flags & RENAME_NOREPLACE) != 0) return EEXIST;
    if (moved->is_directory()) return why_not_removable(replaced);
    return replaced->is_directory() ? EISDIR : 0;
}

void rename(fuse_req_t req, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
            const char* new_name, unsigned flags) {
    if ((flags & ~static_cast<unsigned>(RENAME_NOREPLACE)) != 0) return answer_error(req, EINVAL);
    auto& from = node_of(req, parent);
    auto& to = node_of(req, new_parent);
    const std::scoped_lock moves(fs_of(req).moves_lock);
    std::unique_lock from_names(from.names_lock, std::defer_lock);
    std::unique_lock to_names(to.names_lock, std::defer_lock);
    if (&from == &to)
        from_names.lock();
    else
        std::lock(from_names, to_names);
    auto* moved = from.names.find(name);
    auto* replaced = to.names.find(new_name);
    if (moved != nullptr && moved == replaced) return answer_error(req, 0);
    const int error = why_not_replaceable(moved, replaced, flags);
    if (error != 0) return answer_error(req, error);
    from.names.remove(name);
    if (replaced != nullptr)
        to.names.replace(new_name, *moved);
    else
        to.names.add(new_name, *moved);
    const bool is_directory = moved->is_directory();
    {
        const std::unique_lock hold(from.lock);
        from.changed(is_directory ? -1 : 0);
    }
    {
        const std::unique_lock hold(to.lock);
        to.changed(is_directory && replaced == nullptr ? 1 : 0);
    }
    {
        const std::unique_lock hold(moved->lock);
        moved->st.st_ctim = time_of_day();
    }
    if (replaced != nullptr) unlinked(*replaced, is_directory);
    answer_error(req, 0);
}

void link(fuse_req_t req, fuse_ino_t id, fuse_ino_t parent, const char* name) {
    auto& node = node_of(req, id);
    auto& dir = node_of(req, parent);
    {
        const std::unique_lock names(dir.names_lock);
        if (dir.names.find(name) != nullptr) return answer_error(req, EEXIST);
        dir.names.add(name, node);
        node.refer(); // by the name
        node.refer(); // by the kernel
        const std::unique_lock hold(dir.lock);
        dir.changed();
    }
    {
        const std::unique_lock hold(node.lock);
        ++node.st.st_nlink;
        node.st.st_ctim = time_of_day();
    }
    answer_entry(req, node);
}

// Adds "." and ".." and then the names behind cookie `offset` until the reply is full; `plus`: with what LOOKUP says.
void read_names(fuse_req_t req, fuse_ino_t id, std::size_t size, off_t offset, bool plus) {
    thread_local std::vector<char> out;
    out.resize(size);
    std::size_t used = 0;
    const auto add = [&](const char* name, const fuse_entry_param& entry, std::uint64_t cookie) {
        const auto at = static_cast<off_t>(cookie);
        const auto room = size - used;
        const auto need =
            plus ? fuse_add_direntry_plus(req, out.data() + used, room, name, &entry, at)
                 : fuse_add_direntry(req, out.data() + used, room, name, &entry.attr, at);
        if (need <= room) used += need;
        return need <= room;
    };
    auto& dir = node_of(req, id);
    constexpr std::array<const char*, 2> dots{".", ".."};
    for (auto i = static_cast<std::size_t>(offset); i < dots.size(); ++i) {
        fuse_entry_param self{}; // node 0: the kernel is not told of these
        self.attr.st_ino = dir.st.st_ino;
        self.attr.st_mode = S_IFDIR;
        if (!add(dots[i], self, i + 1)) break;
    }
    const std::shared_lock names(dir.names_lock);
    for (auto it = dir.names.after(static_cast<std::uint64_t>(offset)); it != dir.names.end();
         ++it) {
        auto& node = *it->second.node;
        fuse_entry_param entry{};
        if (plus) {
            entry = entry_of(node);
        } else {
            entry.attr.st_ino = node.st.st_ino;
            entry.attr.st_mode = node.type;
        }
        if (!add(it->second.name.c_str(), entry, it->first)) break;
        if (plus) node.refer();
    }
    fuse_reply_buf(req, out.data(), used);
}

void readdir(fuse_req_t req, fuse_ino_t id, std::size_t size, off_t offset, fuse_file_info*) {
    read_names(req, id, size, offset, false);
}

void readdirplus(fuse_req_t req, fuse_ino_t id, std::size_t size, off_t offset, fuse_file_info*) {
    read_names(req, id, size, offset, true);
}

} // namespace

void add_name_operations(fuse_lowlevel_ops& ops) {
    ops.lookup = lookup;
    ops.mknod = mknod;
    ops.mkdir = mkdir;
    ops.symlink = symlink;
    ops.create = create;
    ops.readlink = readlink;
    ops.unlink = unlink;
    ops.rmdir = rmdir;
    ops.rename = rename;
    ops.link = link;
    ops.readdir = readdir;
    ops.readdirplus = readdirplus;
}

} // namespace puffs::bench
