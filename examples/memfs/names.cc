// Names: making, linking, removing and renaming them, and reading directories.
#include "memfs/memfs.hh"

#include <algorithm>
#include <linux/fs.h>
#include <mutex>
#include <sys/stat.h>

namespace memfs {

using puffs::fail;
using puffs::msg::vtype;

namespace {

// Cookies of readdir that are no keys of the directory.
constexpr std::uint64_t after_dot = 1, after_dotdot = 2;

// A removed directory keeps its node while somebody stands in it; nothing can be made there any more.
puffs::result<void> must_exist(const inode& dir) {
    if (dir.nlink == 0) {
        return fail(ENOENT);
    }
    return {};
}

} // namespace

// Its cost is charged by who calls.
std::unique_ptr<inode> memfs::make_inode(const inode* dir, const puffs::make_request& r) {
    auto i = std::make_unique<inode>();
    i->ino = next_ino_.fetch_add(1, std::memory_order_relaxed); // only distinct, no order needed
    i->mode = r.mode;
    i->kind = puffs::msg::vtype_of(r.mode);
    i->uid = r.uid;
    i->gid = r.gid;
    i->rdev = r.rdev;
    i->nlink = 1;
    if (dir != nullptr && (dir->mode & S_ISGID) != 0) {
        i->gid = dir->gid; // the group is inherited, and by directories the bit too
        if (i->type() == vtype::dir) {
            i->mode |= S_ISGID;
        }
    }
    i->atime = i->mtime = i->ctime = now();
    if (i->type() == vtype::reg) {
        i->contents = std::make_unique<data>(space_, pool_);
    } else if (i->type() == vtype::dir) {
        i->names = std::make_unique<directory>();
        i->nlink = 2;
    }
    return i;
}

void memfs::drop_name(inode& dir, std::string_view name) {
    dir.names->remove(name);
    space_.give(directory::cost_bytes(name));
}

memfs::result<puffs::new_node> memfs::make(node& dir, std::string_view name,
                                           const puffs::make_request& r, std::string_view target) {
    return with_space([&] { return try_make(dir, name, r, target); });
}

memfs::result<puffs::new_node> memfs::try_make(node& dir_node, std::string_view name,
                                               const puffs::make_request& r,
                                               std::string_view target) {
    inode& dir = at(dir_node);
    if (auto gone = must_exist(dir); !gone) {
        return fail(gone.error());
    }
    if (dir.names->find(name) != nullptr) {
        return fail(EEXIST);
    }
    reservation cost(space_, inode::cost_bytes + target.size() + directory::cost_bytes(name));
    if (!cost) {
        return fail(ENOSPC);
    }
    auto made = make_inode(&dir, r);
    made->target = target;
    if (auto added = dir.names->add(name, *made); !added) {
        return fail(added.error());
    }
    cost.keep();
    inodes_.fetch_add(1, std::memory_order_relaxed); // a count, orders nothing
    inode& i = *made.release();
    if (i.is_dir()) {
        i.parent.store(&dir, std::memory_order_release); // pairs with is_below
        ++dir.nlink;
    }
    dir.changed();
    return answer(i);
}

memfs::result<puffs::new_node> memfs::mknod(cc&, node& dir, std::string_view name,
                                            const puffs::make_request& r) {
    return make(dir, name, r);
}
memfs::result<puffs::new_node> memfs::mkdir(cc&, node& dir, std::string_view name,
                                            const puffs::make_request& r) {
    return make(dir, name, r);
}
memfs::result<puffs::new_node> memfs::symlink(cc&, node& dir, std::string_view name,
                                              std::string_view target,
                                              const puffs::make_request& r) {
    return make(dir, name, r, target);
}

// One link less; at none the inode waits for its reclaim.
void memfs::unlinked(inode& dir, inode& i) {
    if (i.is_dir()) {
        i.nlink = 0;
        --dir.nlink;
    } else {
        --i.nlink;
    }
    if (i.nlink == 0) {
        removals_.fetch_add(1, std::memory_order_relaxed);
    }
    i.touched();
    dir.changed();
}

memfs::result<void> memfs::remove(cc&, node& dir_node, node& target, std::string_view name) {
    inode& dir = at(dir_node);
    inode& i = at(target);
    if (i.is_dir()) {
        return fail(EISDIR);
    }
    drop_name(dir, name);
    unlinked(dir, i);
    return {};
}

memfs::result<void> memfs::rmdir(cc&, node& dir_node, node& target, std::string_view name) {
    inode& dir = at(dir_node);
    inode& i = at(target);
    if (!i.is_dir()) {
        return fail(ENOTDIR);
    }
    if (!i.names->empty()) {
        return fail(ENOTEMPTY);
    }
    drop_name(dir, name);
    unlinked(dir, i);
    return {};
}

memfs::result<void> memfs::link(cc&, node& dir_node, node& target, std::string_view name) {
    inode& dir = at(dir_node);
    inode& i = at(target);
    if (i.is_dir()) {
        return fail(EPERM);
    }
    if (i.nlink == 0) {
        return fail(ENOENT);
    }
    if (auto gone = must_exist(dir); !gone) {
        return gone;
    }
    if (dir.names->find(name) != nullptr) {
        return fail(EEXIST);
    }
    reservation cost(space_, directory::cost_bytes(name));
    if (!cost) {
        return fail(ENOSPC);
    }
    if (auto added = dir.names->add(name, i); !added) {
        return added;
    }
    cost.keep();
    ++i.nlink;
    i.touched();
    dir.changed();
    return {};
}

bool memfs::is_below(const inode& candidate, const inode& ancestor) const {
    for (const inode* i = &candidate;; i = i->parent.load(std::memory_order_acquire)) {
        if (i == &ancestor) {
            return true;
        }
        if (i == root_) {
            return false;
        }
    }
}

void memfs::reparent(inode& i, inode& from, inode& to) {
    if (i.is_dir() && &from != &to) {
        --from.nlink;
        ++to.nlink;
        i.parent.store(&to, std::memory_order_release); // pairs with is_below
    }
}

memfs::result<void> memfs::exchange(const puffs::rename_request& r) {
    inode& from_dir = at(r.from_dir);
    inode& to_dir = at(r.to_dir);
    inode& a = at(r.from);
    inode& b = at(*r.to);
    from_dir.names->replace(r.from_name, b);
    to_dir.names->replace(r.to_name, a);
    reparent(a, from_dir, to_dir);
    reparent(b, to_dir, from_dir);
    a.touched();
    b.touched();
    from_dir.changed();
    to_dir.changed();
    return {};
}

memfs::result<void> memfs::rename(cc&, const puffs::rename_request& r) {
    inode& from_dir = at(r.from_dir);
    inode& to_dir = at(r.to_dir);
    inode& i = at(r.from);
    inode* victim = r.to != nullptr ? &at(*r.to) : nullptr;
    const bool swap = (r.flags & RENAME_EXCHANGE) != 0;
    if ((r.flags & ~static_cast<std::uint32_t>(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0) {
        return fail(EINVAL);
    }
    if (swap && victim == nullptr) {
        return fail(ENOENT);
    }
    if (victim != nullptr && (r.flags & RENAME_NOREPLACE) != 0) {
        return fail(EEXIST);
    }
    if (victim == &i) {
        return {}; // two names of one object: nothing happens
    }
    if (auto gone = must_exist(to_dir); !gone) {
        return gone;
    }
    std::unique_lock<puffs::lwkt::mutex> moving(moving_, std::defer_lock);
    if (&from_dir != &to_dir && (i.is_dir() || (swap && victim->is_dir()))) {
        moving.lock();
        if ((i.is_dir() && is_below(to_dir, i)) ||
            (swap && victim->is_dir() && is_below(from_dir, *victim))) {
            return fail(EINVAL);
        }
    }
    if (swap) {
        return exchange(r);
    }
    if (victim != nullptr) {
        if (victim->is_dir() != i.is_dir()) {
            return fail(victim->is_dir() ? EISDIR : ENOTDIR);
        }
        if (victim->is_dir() && !victim->names->empty()) {
            return fail(ENOTEMPTY);
        }
        to_dir.names->replace(r.to_name, i);
        drop_name(from_dir, r.from_name);
        unlinked(to_dir, *victim);
    } else {
        const std::uint64_t before = directory::cost_bytes(r.from_name);
        const std::uint64_t after = directory::cost_bytes(r.to_name);
        reservation more(space_, after > before ? after - before : 0, space::purpose::rename);
        if (!more) {
            return fail(ENOSPC);
        }
        if (auto moved = from_dir.names->move(r.from_name, *to_dir.names, r.to_name); !moved) {
            return moved;
        }
        more.keep();
        space_.give(before > after ? before - after : 0);
    }
    reparent(i, from_dir, to_dir);
    i.touched();
    from_dir.changed();
    to_dir.changed();
    return {};
}

memfs::result<void> memfs::readdir(cc&, node& dir_node, puffs::dirents& out, std::uint64_t cookie) {
    inode& dir = at(dir_node);
    dir.accessed();
    if (cookie < after_dot && !out.add(".", dir.ino, vtype::dir, after_dot)) {
        return {};
    }
    if (cookie < after_dotdot) {
        const inode* parent = dir.parent.load(std::memory_order_acquire);
        if (!out.add("..", parent->ino, vtype::dir, after_dotdot)) {
            return {};
        }
    }
    for (auto it = dir.names->after(cookie); it != dir.names->end(); ++it) {
        // Inode number and type never change, so the entry's node need not be held.
        if (!out.add(it->second.name, it->second.node->ino, it->second.node->type(), it->first)) {
            break;
        }
    }
    return {};
}

memfs::result<std::size_t> memfs::readlink(cc&, node& n, std::span<char> into) {
    inode& i = at(n);
    if (i.type() != vtype::lnk) {
        return fail(EINVAL);
    }
    i.accessed();
    const std::size_t bytes = std::min(into.size(), i.target.size());
    std::copy_n(i.target.begin(), bytes, into.begin());
    return bytes;
}

} // namespace memfs
