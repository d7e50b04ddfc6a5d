// Operations whose answer names a node: lookup, create, mknod, mkdir, symlink, link.
#include "call.hh"

namespace puffs::handlers {

result<void> lookup(call& c) {
    auto& a = c.args().lookup;
    a.made = {};
    const auto name = c.take_name(a.name_bytes);
    if (!name) {
        return fail(name.error());
    }
    result<call::entry> e = [&] {
        lock_set locks(c.how(), *c.n);
        return c.find(*c.n, *name);
    }();
    if (e) {
        return c.name_node(a.made, std::move(*e), false);
    }
    if (e.error() == error(ENOENT) && c.options().negative_timeout.count() > 0) {
        a.made.entry_ttl = call::ttl_of(c.options().negative_timeout);
        return {}; // no node: the name does not exist, for that long
    }
    return fail(e.error());
}

namespace {

// The part that create, mknod, mkdir and symlink share; `make` calls the server.
template <class Make>
result<void> make(call& c, vtype type, Make&& make) {
    auto& a = c.args().make;
    a.made = {};
    const auto name = c.take_name(a.name_bytes);
    if (!name) {
        return fail(name.error());
    }
    make_request what;
    what.mode = (a.mode & ~msg::mode_of(static_cast<vtype>(0xf))) | msg::mode_of(type);
    what.rdev = a.rdev;
    what.uid = c.req.head.who.uid;
    what.gid = c.req.head.who.gid;
    what.umask = a.umask;
    result<call::entry> e = [&]() -> result<call::entry> {
        lock_set locks(c.how(), *c.n);
        const result<new_node> answer = make(*name, what);
        if (!answer) {
            return fail(answer.error());
        }
        new_node typed = *answer;
        if (typed.type == vtype::none) {
            typed.type = type;
        }
        if (typed.type != type) {
            return nonsense(c, "the server made a node of another type than asked");
        }
        return c.adopt(*c.n, typed, node_table::any_era);
    }();
    return e ? c.name_node(a.made, std::move(*e), false) : fail(e.error());
}

} // namespace

result<void> create(call& c) {
    const auto op = c.ops().create != nullptr ? c.ops().create : c.ops().mknod;
    // Enosys: the kernel makes files by mknod from then on, without an open file to be released.
    if (op == nullptr || (c.ops().create == nullptr && c.is_not_asked_to_open())) {
        return fail(ENOSYS);
    }
    return make(c, vtype::reg, [&](std::string_view name, const make_request& what) {
        return op(c.server(), c.ctx, *c.n, name, what);
    });
}

result<void> mknod(call& c) {
    if (c.ops().mknod == nullptr) {
        return fail(ENOSYS);
    }
    // No type bits means a regular file, as in mknod(2).
    const vtype asked = msg::vtype_of(c.args().make.mode);
    const vtype type = asked == vtype::none ? vtype::reg : asked;
    if (type == vtype::dir || type == vtype::lnk) {
        return fail(EINVAL);
    }
    return make(c, type, [&](std::string_view name, const make_request& what) {
        return c.ops().mknod(c.server(), c.ctx, *c.n, name, what);
    });
}

result<void> mkdir(call& c) {
    if (c.ops().mkdir == nullptr) {
        return fail(ENOSYS);
    }
    return make(c, vtype::dir, [&](std::string_view name, const make_request& what) {
        return c.ops().mkdir(c.server(), c.ctx, *c.n, name, what);
    });
}

result<void> symlink(call& c) {
    if (c.ops().symlink == nullptr) {
        return fail(ENOSYS);
    }
    const std::size_t target_bytes = c.args().make.target_bytes;
    if (target_bytes > limits::symlink_bytes) {
        return fail(ENAMETOOLONG);
    }
    // A link has no permissions of its own: symlink(2) shows all of them.
    c.args().make.mode = 0777;
    return make(c, vtype::lnk,
                [&](std::string_view name, const make_request& what) -> result<new_node> {
                    const auto target = c.take_chars(target_bytes);
                    if (!target) {
                        return fail(target.error());
                    }
                    if (target->empty()) {
                        return fail(ENOENT);
                    }
                    return c.ops().symlink(c.server(), c.ctx, *c.n, name, *target, what);
                });
}

result<void> link(call& c) {
    auto& a = c.args().link;
    a.made = {};
    if (c.ops().link == nullptr) {
        return fail(ENOSYS);
    }
    const auto name = c.take_name(a.name_bytes);
    if (!name) {
        return fail(name.error());
    }
    auto target = c.nodes().hold(a.target);
    if (!target) {
        return fail(target.error());
    }
    if ((*target)->is_dir()) {
        return fail(EPERM);
    }
    auto answered = c.nodes().hold(a.target);
    if (!answered) {
        return fail(answered.error());
    }
    lock_set locks(c.how());
    locks.lock({c.n.get(), target->get()});
    if (const auto done = c.ops().link(c.server(), c.ctx, *c.n, **target, *name); !done) {
        return done;
    }
    new_node answer;
    answer.id = (*target)->id();
    return c.name_node(a.made, call::entry{std::move(*answered), answer}, true);
}

} // namespace puffs::handlers
