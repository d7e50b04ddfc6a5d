// Nodes: look-up, attributes, extended attributes, the end of an inode.
#include "memfs/memfs.hh"
#include "puffs/lwkt/sched.hh"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <sys/stat.h>
#include <sys/xattr.h>

namespace memfs {

using puffs::fail;

namespace {

// What an extended attribute costs besides its name and value.
constexpr std::uint64_t xattr_overhead_bytes = 128;

std::uint64_t xattr_cost(std::string_view attribute, std::size_t value_bytes) {
    return xattr_overhead_bytes + attribute.size() + value_bytes;
}

} // namespace

void inode::accessed() {
    const auto t = now();
    const auto not_after = [this](const puffs::msg::time_point& other) {
        return atime.sec < other.sec || (atime.sec == other.sec && atime.nsec <= other.nsec);
    };
    constexpr std::int64_t day_sec = 24 * 60 * 60;
    if (not_after(mtime) || not_after(ctime) || t.sec - atime.sec >= day_sec) {
        atime = t;
    }
}

puffs::new_node memfs::answer(const inode& i) const {
    puffs::new_node answer;
    answer.id = id_of(i);
    answer.type = i.type();
    return answer; // the framework asks getattr, with the node locked
}

memfs::result<puffs::new_node> memfs::lookup(cc&, node& dir, std::string_view name) {
    const inode* found = at(dir).names->find(name);
    if (found == nullptr) {
        return fail(ENOENT);
    }
    return answer(*found);
}

memfs::result<puffs::attr> memfs::getattr(cc&, node& n) {
    return at(n).attributes();
}

// What a file loses when somebody changes it who has no right to leave it privileged (FUSE_HANDLE_KILLPRIV_V2).
void memfs::clear_set_id(inode& i) {
    i.mode &= ~static_cast<std::uint32_t>(S_ISUID);
    if ((i.mode & S_IXGRP) != 0) {
        i.mode &= ~static_cast<std::uint32_t>(S_ISGID);
    }
    if (const auto found = i.xattrs.find(std::string_view("security.capability"));
        found != i.xattrs.end()) {
        space_.give(xattr_cost(found->first, found->second.size()));
        i.xattrs.erase(found);
    }
}

memfs::result<void> memfs::setattr(cc&, node& n, const puffs::setattr_request& r) {
    using namespace puffs::msg;
    inode& i = at(n);
    if ((r.valid & set_size) != 0) {
        if (i.contents == nullptr) {
            return fail(i.is_dir() ? EISDIR : EINVAL);
        }
        i.contents->truncate(r.va.size);
        i.changed();
    }
    if ((r.valid & set_mode) != 0) {
        i.mode = (i.mode & S_IFMT) | (r.va.mode & 07777);
    }
    if ((r.valid & set_uid) != 0) {
        i.uid = r.va.uid;
    }
    if ((r.valid & set_gid) != 0) {
        i.gid = r.va.gid;
    }
    if ((r.valid & set_kill_suidgid) != 0) {
        clear_set_id(i);
    }
    const time_point t = now();
    if ((r.valid & (set_atime | set_atime_now)) != 0) {
        i.atime = (r.valid & set_atime_now) != 0 ? t : r.va.atime;
    }
    if ((r.valid & (set_mtime | set_mtime_now)) != 0) {
        i.mtime = (r.valid & set_mtime_now) != 0 ? t : r.va.mtime;
    }
    i.ctime = (r.valid & set_ctime) != 0 ? r.va.ctime : t;
    return {};
}

// The kernel and all operations have let go of the node. What still has a name is found again by lookup.
void memfs::reclaim(cc&, node& n) {
    inode& i = at(n);
    if (i.nlink == 0 && &i != root_) {
        delete_inode(&i);
        forgotten_.fetch_add(1, std::memory_order_relaxed);
    }
}

void memfs::delete_inode(inode* i) {
    std::uint64_t cost = inode::cost_bytes + i->target.size();
    for (const auto& [attribute, value] : i->xattrs) {
        cost += xattr_cost(attribute, value.size());
    }
    delete i; // gives its data back first
    space_.give(cost);
    inodes_.fetch_sub(1, std::memory_order_relaxed); // a count, orders nothing
}

memfs::result<void> memfs::start(puffs::usermount& um) {
    may_wait_ = um.options().concurrency != puffs::policy::serial;
    return {};
}

// The kernel forgets a removed file when nobody has it open, and says so by and by: right after the unlink its space
// may still be missing. Waits a little for that, but in vain only once: whoever has a removed file open may keep it
// for long, and those who write or ask meanwhile need not wait each time. Under the policy serial nobody waits: an
// operation that sleeps would keep out the very one that brings the space back.
bool memfs::forgotten_soon(int tries, int tries_max) {
    const std::uint64_t removals = removals_.load(std::memory_order_relaxed);
    if (!may_wait_ || removals == forgotten_.load(std::memory_order_relaxed) ||
        removals == waited_in_vain_.load(std::memory_order_relaxed) ||
        puffs::lwkt::thread::current_or_null() == nullptr) {
        return false;
    }
    if (tries >= tries_max) {
        waited_in_vain_.store(removals, std::memory_order_relaxed);
        return false;
    }
    puffs::lwkt::sleep_for(std::chrono::milliseconds(1));
    return true;
}

memfs::result<puffs::fs_stats> memfs::statvfs(cc&) {
    constexpr int tries_max = 100; // who asks would rather know at once
    for (int tries = 0; forgotten_soon(tries, tries_max); ++tries) {
    }
    puffs::fs_stats s;
    const std::uint64_t used = std::min(space_.used(), space_.limit());
    s.bsize = s.frsize = 4096;
    s.blocks = space_.limit() / s.frsize;
    s.bfree = s.bavail = (space_.limit() - used) / s.frsize;
    const std::uint64_t inodes = inodes_.load(std::memory_order_relaxed);
    s.ffree = (space_.limit() - used) / inode::cost_bytes;
    s.files = inodes + s.ffree;
    return s;
}

memfs::result<std::size_t> memfs::getextattr(cc&, node& n, std::string_view attribute,
                                             std::span<std::byte> into) {
    const inode& i = at(n);
    const auto found = i.xattrs.find(attribute);
    if (found == i.xattrs.end()) {
        return fail(ENODATA);
    }
    const std::vector<std::byte>& value = found->second;
    if (into.empty()) {
        return value.size();
    }
    if (into.size() < value.size()) {
        return fail(ERANGE);
    }
    std::ranges::copy(value, into.begin());
    return value.size();
}

// Access lists (system.posix_acl_*) would have to be obeyed, and are not: so they are refused. The
// kernel has checked who may use the other namespaces.
memfs::result<void> memfs::setextattr(cc&, node& n, std::string_view attribute,
                                      std::span<const std::byte> value, int flags) {
    if (attribute.starts_with("system.")) {
        return fail(EOPNOTSUPP);
    }
    inode& i = at(n);
    const auto found = i.xattrs.find(attribute);
    if (found != i.xattrs.end() && (flags & XATTR_CREATE) != 0) {
        return fail(EEXIST);
    }
    if (found == i.xattrs.end() && (flags & XATTR_REPLACE) != 0) {
        return fail(ENODATA);
    }
    const std::uint64_t after = xattr_cost(attribute, value.size());
    const std::uint64_t before =
        found == i.xattrs.end() ? 0 : xattr_cost(attribute, found->second.size());
    reservation more(space_, after > before ? after - before : 0);
    if (!more) {
        return fail(ENOSPC);
    }
    std::vector<std::byte> bytes(value.begin(), value.end());
    if (found == i.xattrs.end()) {
        i.xattrs.emplace(attribute, std::move(bytes));
    } else {
        found->second = std::move(bytes);
    }
    more.keep();
    space_.give(before > after ? before - after : 0);
    i.touched();
    return {};
}

memfs::result<std::size_t> memfs::listextattr(cc&, node& n, std::span<char> into) {
    const inode& i = at(n);
    std::size_t total = 0;
    for (const auto& [attribute, value] : i.xattrs) {
        total += attribute.size() + 1;
    }
    if (into.empty()) {
        return total;
    }
    if (into.size() < total) {
        return fail(ERANGE);
    }
    char* at_byte = into.data();
    for (const auto& [attribute, value] : i.xattrs) {
        std::memcpy(at_byte, attribute.c_str(), attribute.size() + 1);
        at_byte += attribute.size() + 1;
    }
    return total;
}

memfs::result<void> memfs::deleteextattr(cc&, node& n, std::string_view attribute) {
    inode& i = at(n);
    const auto found = i.xattrs.find(attribute);
    if (found == i.xattrs.end()) {
        return fail(ENODATA);
    }
    space_.give(xattr_cost(attribute, found->second.size()));
    i.xattrs.erase(found);
    i.touched();
    return {};
}

} // namespace memfs
