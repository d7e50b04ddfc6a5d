// Extended attributes: getextattr, setextattr, listextattr, deleteextattr.
#include "call.hh"

#include <sys/xattr.h>

namespace puffs::handlers {

namespace {

static_assert(limits::xattr_name_bytes == limits::name_bytes);

// Linux answers erange, not enametoolong, for a name that is none.
result<std::string_view> take_xattr_name(call& c) {
    const std::size_t count = c.args().extattr.name_bytes;
    if (count == 0 || count > limits::xattr_name_bytes) {
        return fail(ERANGE);
    }
    return c.take_chars(count);
}

// Puts the outcome of getextattr or listextattr, asked for `room` bytes, into the reply.
result<void> answer_bytes(call& c, std::size_t room, const result<std::size_t>& count) {
    if (!count) {
        return fail(count.error());
    }
    if (room != 0 && *count > room) {
        return fail(ERANGE); // a server that says the length instead of erange
    }
    if (*count > limits::xattr_value_bytes) {
        return fail(E2BIG);
    }
    c.args().extattr.done = static_cast<std::uint32_t>(*count);
    c.out_bytes = room == 0 ? 0 : *count;
    return {};
}

} // namespace

result<void> getextattr(call& c) {
    auto& a = c.args().extattr;
    a.done = 0;
    if (c.ops().getextattr == nullptr) {
        return fail(ENOSYS);
    }
    const auto name = take_xattr_name(c);
    if (!name) {
        return fail(name.error());
    }
    const auto room = c.room(a.size);
    lock_set locks(c.how(), *c.n);
    return answer_bytes(c, room.size(), c.ops().getextattr(c.server(), c.ctx, *c.n, *name, room));
}

result<void> setextattr(call& c) {
    const auto& a = c.args().extattr;
    if (c.ops().setextattr == nullptr) {
        return fail(ENOSYS);
    }
    constexpr std::uint32_t both = XATTR_CREATE | XATTR_REPLACE;
    if ((a.flags & ~both) != 0 || a.flags == both) {
        return fail(EINVAL);
    }
    const auto name = take_xattr_name(c);
    if (!name) {
        return fail(name.error());
    }
    if (a.value_bytes > limits::xattr_value_bytes) {
        return fail(E2BIG);
    }
    const auto value = c.take_bytes(a.value_bytes);
    if (!value) {
        return fail(value.error());
    }
    lock_set locks(c.how(), *c.n);
    return c.ops().setextattr(c.server(), c.ctx, *c.n, *name, *value, static_cast<int>(a.flags));
}

result<void> listextattr(call& c) {
    auto& a = c.args().extattr;
    a.done = 0;
    if (c.ops().listextattr == nullptr) {
        return fail(ENOSYS);
    }
    const auto room = c.room(a.size);
    lock_set locks(c.how(), *c.n);
    return answer_bytes(
        c, room.size(),
        c.ops().listextattr(c.server(), c.ctx, *c.n,
                            std::span(reinterpret_cast<char*>(room.data()), room.size())));
}

result<void> deleteextattr(call& c) {
    if (c.ops().deleteextattr == nullptr) {
        return fail(ENOSYS);
    }
    const auto name = take_xattr_name(c);
    if (!name) {
        return fail(name.error());
    }
    lock_set locks(c.how(), *c.n);
    return c.ops().deleteextattr(c.server(), c.ctx, *c.n, *name);
}

} // namespace puffs::handlers
