// peer_memfs - a memory file system on libfuse's low-level API: the peer of examples/memfs.
//
//     peer_memfs [OPTIONS OF libfuse_server.hh] MOUNTPOINT
//
// Written to be quick with what libfuse offers: the kernel keeps names, attributes and pages for as
// long as it likes and opens files by itself (no OPEN, no OPENDIR), directories are read together
// with attributes, reads are answered from the file's memory without a copy of ours.
//
// Limits:     no extended attributes, fallocate, holes to seek, RENAME_EXCHANGE, times of access or limit of size; the
//             kernel checks permissions. All is gone after unmount.
// Threading:  the locks of memory_node.hh, and `moves_lock` of the file system.
#include "libfuse_server.hh"
#include "memory_node.hh"

#include <array>
#include <cerrno>
#include <cstdio>
#include <mutex>
#include <span>
#include <sys/statvfs.h>
#include <unordered_set>
#include <vector>

namespace puffs::bench {
namespace {

constexpr std::size_t max_payload_bytes = std::size_t{1} << 20;
constexpr double long_time_s =
    365.0 * 24 * 3600; // as examples/memfs: all changes come through this mount
constexpr unsigned background_requests = 64; // as the framework's default on few cores

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

memory_fs& fs_of(fuse_req_t req) {
    return *static_cast<memory_fs*>(fuse_req_userdata(req));
}

// The kernel knows the root by its number and every other node by its address.
memory_node& node_of(fuse_req_t req, fuse_ino_t id) {
    return id == FUSE_ROOT_ID ? fs_of(req).root : *reinterpret_cast<memory_node*>(id);
}

void answer_error(fuse_req_t req, int error) {
    fuse_reply_err(req, error);
}

// Requires: the caller has referred to the node for the kernel.
fuse_entry_param entry_of(memory_node& node) {
    fuse_entry_param entry{};
    entry.ino = reinterpret_cast<fuse_ino_t>(&node);
    entry.attr = node.locked_attributes();
    entry.attr_timeout = entry.entry_timeout = long_time_s;
    return entry;
}

void answer_entry(fuse_req_t req, memory_node& node) {
    const auto entry = entry_of(node);
    if (fuse_reply_entry(req, &entry) != 0) node.give_back();
}

void init(void*, fuse_conn_info* conn) {
    conn->max_write = max_payload_bytes;
    conn->max_background = background_requests;
    // With files that the kernel opens by itself, only SETATTR tells of O_TRUNC; and nobody else changes files behind
    // the pages that the kernel keeps.
    conn->want &= ~static_cast<unsigned>(FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_AUTO_INVAL_DATA);
    conn->want |= conn->capable & (FUSE_CAP_NO_OPEN_SUPPORT | FUSE_CAP_NO_OPENDIR_SUPPORT |
                                   FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_HANDLE_KILLPRIV);
    // A pipe between the kernel and memory costs more than the copy that it saves.
    conn->want &=
        ~static_cast<unsigned>(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
}

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

void forget(fuse_req_t req, fuse_ino_t id, std::uint64_t count) {
    if (id != FUSE_ROOT_ID) node_of(req, id).give_back(count);
    fuse_reply_none(req);
}

void forget_multi(fuse_req_t req, std::size_t count, fuse_forget_data* forgets) {
    for (const auto& one : std::span(forgets, count)) {
        if (one.ino != FUSE_ROOT_ID) node_of(req, one.ino).give_back(one.nlookup);
    }
    fuse_reply_none(req);
}

void getattr(fuse_req_t req, fuse_ino_t id, fuse_file_info*) {
    const auto st = node_of(req, id).locked_attributes();
    fuse_reply_attr(req, &st, long_time_s);
}

void setattr(fuse_req_t req, fuse_ino_t id, struct stat* wanted, int which, fuse_file_info*) {
    auto& node = node_of(req, id);
    struct stat st {};
    {
        const std::unique_lock hold(node.lock);
        if ((which & FUSE_SET_ATTR_MODE) != 0) {
            node.st.st_mode = node.type | (wanted->st_mode & 07777);
        }
        if ((which & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID | FUSE_SET_ATTR_SIZE)) != 0 &&
            (which & FUSE_SET_ATTR_MODE) == 0 && node.is_file()) {
            node.clear_set_id();
        }
        if ((which & FUSE_SET_ATTR_UID) != 0) node.st.st_uid = wanted->st_uid;
        if ((which & FUSE_SET_ATTR_GID) != 0) node.st.st_gid = wanted->st_gid;
        if ((which & FUSE_SET_ATTR_SIZE) != 0) {
            node.bytes.truncate(static_cast<std::uint64_t>(wanted->st_size));
            node.changed();
        }
        const auto time = time_of_day();
        if ((which & FUSE_SET_ATTR_ATIME) != 0) {
            node.st.st_atim = (which & FUSE_SET_ATTR_ATIME_NOW) != 0 ? time : wanted->st_atim;
        }
        if ((which & FUSE_SET_ATTR_MTIME) != 0) {
            node.st.st_mtim = (which & FUSE_SET_ATTR_MTIME_NOW) != 0 ? time : wanted->st_mtim;
        }
        node.st.st_ctim = time;
        st = node.attributes();
    }
    fuse_reply_attr(req, &st, long_time_s);
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

// ENOSYS: the kernel opens this and every other file and directory by itself, and keeps their pages.
void open(fuse_req_t req, fuse_ino_t, fuse_file_info*) {
    answer_error(req, ENOSYS);
}

void release(fuse_req_t req, fuse_ino_t, fuse_file_info*) {
    answer_error(req, 0);
}

void read(fuse_req_t req, fuse_ino_t id, std::size_t size, off_t offset, fuse_file_info*) {
    thread_local std::vector<iovec> places;
    places.clear();
    auto& node = node_of(req, id);
    const std::shared_lock hold(node.lock); // the kernel copies from the file's memory
    node.bytes.gather(static_cast<std::uint64_t>(offset), size, places);
    fuse_reply_iov(req, places.data(), static_cast<int>(places.size()));
}

void write(fuse_req_t req, fuse_ino_t id, const char* from, std::size_t size, off_t offset,
           fuse_file_info*) {
    auto& node = node_of(req, id);
    {
        const std::unique_lock hold(node.lock);
        node.bytes.write(from, size, static_cast<std::uint64_t>(offset));
        node.clear_set_id();
        node.changed();
    }
    fuse_reply_write(req, size);
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

void statfs(fuse_req_t req, fuse_ino_t) {
    constexpr fsblkcnt_t some_blocks = fsblkcnt_t{1} << 20;
    struct statvfs st {};
    st.f_bsize = st.f_frsize = 4096;
    st.f_blocks = st.f_bfree = st.f_bavail = some_blocks;
    st.f_files = st.f_ffree = st.f_favail = some_blocks;
    st.f_namemax = 255;
    fuse_reply_statfs(req, &st);
}

fuse_lowlevel_ops operations() {
    fuse_lowlevel_ops ops{};
    ops.init = init;
    ops.lookup = lookup;
    ops.forget = forget;
    ops.forget_multi = forget_multi;
    ops.getattr = getattr;
    ops.setattr = setattr;
    ops.mknod = mknod;
    ops.mkdir = mkdir;
    ops.symlink = symlink;
    ops.create = create;
    ops.readlink = readlink;
    ops.unlink = unlink;
    ops.rmdir = rmdir;
    ops.rename = rename;
    ops.link = link;
    ops.open = open;
    ops.release = release;
    ops.opendir = open;
    ops.releasedir = release;
    ops.read = read;
    ops.write = write;
    ops.readdir = readdir;
    ops.readdirplus = readdirplus;
    ops.statfs = statfs;
    return ops;
}

} // namespace
} // namespace puffs::bench

int main(int argc, char** argv) {
    using namespace puffs::bench;
    server_options opts;
    if (!parse_server(argc, argv, opts)) {
        std::fprintf(stderr,
                     "usage: peer_memfs [--loop single|mt|mt-clone] [--core N] MOUNTPOINT\n");
        return 2;
    }
    memory_fs fs;
    return serve(opts, operations(), &fs, "fsname=peer_memfs,subtype=libfuse,default_permissions");
}
