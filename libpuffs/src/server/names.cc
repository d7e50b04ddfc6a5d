// Operations that take names away or move them: remove, rmdir, rename.
//
// The caller gives names; the server's operations get nodes. They are found with the server's own
// lookup while the directories are locked, and locked too before the operation runs.
#include "call.hh"
#include "puffs/base/log.hh"

#include <array>
#include <linux/fs.h>

namespace puffs::handlers {

namespace {

struct target {
    node* dir = nullptr;
    std::string_view name;
    bool may_be_missing = false;
    node_hold held; // none: the name does not exist
};

// Directories and the targets of names in them, all locked together.
class locked_names {
  public:
    explicit locked_names(call& c) noexcept : c_(c), locks_(c.how()) {}

    // lock - locks the directories, finds the targets and locks them. A target that somebody else has
    // is waited for in the order of addresses, with nothing else locked; its name may come to mean
    // another node meanwhile, so that the names are looked up again.
    // Errors: those of call::find; ebusy the names changed lock_tries_max times.
    result<void> lock(std::array<node*, 2> dirs, std::span<target> targets);

  private:
    result<void> find(std::span<target> targets);
    call& c_;
    std::array<node_hold, 2> before_; // targets of the try before: locked again, so held
    lock_set locks_;                  // goes first
};

result<void> locked_names::find(std::span<target> targets) {
    for (target& t : targets) {
        auto e = c_.find(*t.dir, t.name);
        if (e) {
            t.held = std::move(e->held);
        } else if (!t.may_be_missing || e.error() != error(ENOENT)) {
            return fail(e.error());
        }
    }
    return {};
}

result<void> locked_names::lock(std::array<node*, 2> dirs, std::span<target> targets) {
    for (int tries = 0; tries < lock_tries_max; ++tries) {
        const std::array<node*, 4> wanted{dirs[0], dirs[1], before_[0].get(), before_[1].get()};
        locks_.lock(wanted);
        if (const auto found = find(targets); !found) {
            return found;
        }
        bool all = true;
        for (const target& t : targets) {
            all = all && (!t.held || locks_.try_add(*t.held));
        }
        if (all) {
            return {};
        }
        locks_.unlock();
        for (std::size_t i = 0; i < targets.size(); ++i) {
            before_[i] = std::move(targets[i].held);
        }
    }
    PUFFS_LOG(warn, "'{}' in node {}: the name changed {} times: answering ebusy",
              printable(targets[0].name), targets[0].dir->id(), lock_tries_max);
    return fail(EBUSY);
}

using remove_operation = result<void> (*)(void*, cc&, node&, node&, std::string_view);

result<void> take_away(call& c, remove_operation op, bool directory) {
    if (op == nullptr) {
        return fail(ENOSYS);
    }
    const auto name = c.take_name(c.args().remove.name_bytes);
    if (!name) {
        return fail(name.error());
    }
    target t{c.n.get(), *name, false, {}};
    locked_names locked(c);
    if (const auto got = locked.lock({c.n.get(), nullptr}, {&t, 1}); !got) {
        return got;
    }
    if (t.held->is_dir() != directory) {
        return fail(directory ? ENOTDIR : EISDIR);
    }
    return op(c.server(), c.ctx, *c.n, *t.held, *name);
}

// The rules of rename that do not depend on the server. `to` is null when the new name is free.
result<void> check_rename(const node& from, const node& from_dir, const node* to,
                          const node& to_dir, std::uint32_t flags) {
    if (to == nullptr) {
        return (flags & RENAME_EXCHANGE) != 0 ? result<void>(fail(ENOENT))
               : &from == &to_dir             ? result<void>(fail(EINVAL))
                                              : result<void>();
    }
    if ((flags & RENAME_NOREPLACE) != 0) {
        return fail(EEXIST);
    }
    if (&from == &to_dir) {
        return fail(EINVAL); // a directory into itself
    }
    if (to == &from_dir) {
        return fail((flags & RENAME_EXCHANGE) != 0 ? EINVAL : ENOTEMPTY);
    }
    if ((flags & RENAME_EXCHANGE) == 0 && from.is_dir() != to->is_dir()) {
        return fail(from.is_dir() ? ENOTDIR : EISDIR);
    }
    return {};
}

} // namespace

result<void> remove(call& c) {
    return take_away(c, c.ops().remove, false);
}

result<void> rmdir(call& c) {
    return take_away(c, c.ops().rmdir, true);
}

result<void> rename(call& c) {
    const auto& a = c.args().rename;
    if (c.ops().rename == nullptr) {
        return fail(ENOSYS);
    }
    const std::uint32_t known = RENAME_NOREPLACE | c.ops().rename_flags;
    if ((a.flags & ~known) != 0 || a.flags == (RENAME_NOREPLACE | RENAME_EXCHANGE)) {
        return fail(EINVAL);
    }
    const auto from_name = c.take_name(a.name_bytes);
    if (!from_name) {
        return fail(from_name.error());
    }
    const auto to_name = c.take_name(a.target_name_bytes);
    if (!to_name) {
        return fail(to_name.error());
    }
    const auto to_dir = c.nodes().hold(a.target_dir);
    if (!to_dir) {
        return fail(to_dir.error());
    }
    if (!(*to_dir)->is_dir()) {
        return fail(ENOTDIR);
    }
    std::array<target, 2> t{target{c.n.get(), *from_name, false, {}},
                            target{to_dir->get(), *to_name, true, {}}};
    locked_names locked(c);
    if (const auto got = locked.lock({c.n.get(), to_dir->get()}, t); !got) {
        return got;
    }
    node& from = *t[0].held;
    node* const to = t[1].held.get();
    if (const auto good = check_rename(from, *c.n, to, **to_dir, a.flags); !good) {
        return good;
    }
    if (&from == to) {
        return {}; // two links of one file: POSIX has rename do nothing
    }
    const rename_request what{*c.n, from, *from_name, **to_dir, to, *to_name, a.flags};
    return c.ops().rename(c.server(), c.ctx, what);
}

} // namespace puffs::handlers
