// Attributes and permission: getattr, setattr, access.
#include "call.hh"

#include <unistd.h>

namespace puffs::handlers {

result<void> getattr(call& c) {
    auto& a = c.args().getattr;
    c.set_handle(a.handle);
    lock_set locks(c.how(), *c.n);
    const auto got = c.attributes(*c.n, a.va);
    a.attr_ttl = c.attr_ttl();
    return got;
}

result<void> setattr(call& c) {
    auto& a = c.args().setattr;
    if (c.ops().setattr == nullptr) {
        return fail(ENOSYS);
    }
    if ((a.valid & msg::set_size) != 0 && c.n->is_dir()) {
        return fail(EISDIR);
    }
    c.set_handle(a.handle);
    lock_set locks(c.how(), *c.n);
    if (a.valid != 0) {
        const setattr_request what{a.valid, a.va};
        if (const auto done = c.ops().setattr(c.server(), c.ctx, *c.n, what); !done) {
            return done;
        }
    }
    const auto got = c.attributes(*c.n, a.va);
    a.attr_ttl = c.attr_ttl();
    return got;
}

result<void> access(call& c) {
    const auto mode = c.args().access.mode;
    if (c.ops().access == nullptr) {
        return fail(ENOSYS);
    }
    if ((mode & ~std::uint32_t{R_OK | W_OK | X_OK}) != 0) {
        return fail(EINVAL);
    }
    if ((mode & W_OK) != 0 && c.options().read_only) {
        return fail(EROFS);
    }
    lock_set locks(c.how(), *c.n);
    return c.ops().access(c.server(), c.ctx, *c.n, static_cast<int>(mode));
}

} // namespace puffs::handlers
