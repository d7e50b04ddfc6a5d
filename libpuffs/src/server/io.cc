// Open files and their data: open, close, inactive, read, write, fsync, seek, fallocate, readlink.
#include "call.hh"

#include <fcntl.h>
#include <unistd.h>

namespace puffs::handlers {

namespace {

// With a cache that collects writes the kernel completes pages by reading, through whatever handle, and knows itself
// where the end is.
int flags_for_server(const call& c, std::uint32_t asked) {
    if (!c.options().writeback_cache) {
        return static_cast<int>(asked);
    }
    const std::uint32_t mode = asked & O_ACCMODE;
    return static_cast<int>((asked & ~std::uint32_t{O_ACCMODE | O_APPEND}) |
                            (mode == O_WRONLY ? std::uint32_t{O_RDWR} : mode));
}

// What holds for each open file of a server whose files nobody else changes.
std::uint32_t implied_bits(const call& c, std::uint32_t said) {
    if (!c.options().sole_owner || (said & msg::open_direct_io) != 0) {
        return 0;
    }
    return c.n->is_dir() ? msg::open_keep_cache | msg::open_cache_dir : msg::open_keep_cache;
}

} // namespace

result<void> open(call& c) {
    auto& a = c.args().open;
    a.handle = 0;
    a.result_bits = 0;
    const bool changes = (a.flags & O_ACCMODE) != O_RDONLY || (a.flags & O_TRUNC) != 0;
    if (changes && c.n->is_dir()) {
        return fail(EISDIR);
    }
    if (changes && c.options().read_only) {
        return fail(EROFS);
    }
    if (!c.counts_opens()) {
        return c.is_not_asked_to_open() ? result<void>(fail(ENOSYS)) : result<void>();
    }
    auto opened = c.nodes().hold(c.n->cookie());
    if (!opened) {
        return fail(opened.error());
    }
    lock_set locks(c.how(), *c.n); // counted under it too: see close
    if (c.ops().open != nullptr) {
        const auto answer = c.ops().open(c.server(), c.ctx, *c.n, flags_for_server(c, a.flags));
        if (!answer) {
            return fail(answer.error());
        }
        if ((answer->bits & ~std::uint32_t{msg::open_bits_all}) != 0) {
            return nonsense(c, "the server answers open with bits that do not exist");
        }
        a.handle = answer->handle;
        a.result_bits = answer->bits;
    }
    a.result_bits |= implied_bits(c, a.result_bits);
    opened->into_open();
    return {};
}

result<void> inactive(call& c) {
    if (c.ops().inactive != nullptr) {
        lock_set locks(c.how(), *c.n);
        c.ops().inactive(c.server(), c.ctx, *c.n);
    }
    return {};
}

result<void> close(call& c) {
    const auto& a = c.args().close;
    if (!c.counts_opens()) {
        return {};
    }
    c.set_handle(a.handle);
    // One lock over all of it: no open comes between the count, the close and inactive, so that a server is not told
    // of the last close of a file that is open again.
    lock_set locks(c.how(), *c.n);
    // The open file's hold goes whatever the server does: nobody will close it again.
    const auto left = c.nodes().close_file(*c.n);
    result<void> done;
    if (c.ops().close != nullptr) {
        done = c.ops().close(c.server(), c.ctx, *c.n, flags_for_server(c, a.flags));
    }
    if (left == 0U && c.ops().inactive != nullptr) {
        c.ops().inactive(c.server(), c.ctx, *c.n);
    }
    return done;
}

result<void> read(call& c) {
    auto& a = c.args().io;
    a.done = 0;
    if (c.ops().read == nullptr) {
        return fail(ENOSYS);
    }
    if (c.n->is_dir()) {
        return fail(EISDIR);
    }
    const auto into = c.room(a.size);
    if (into.empty()) {
        return {};
    }
    c.set_handle(a.handle);
    lock_set locks(c.how(), *c.n);
    const auto count = c.ops().read(c.server(), c.ctx, *c.n, into, a.offset);
    if (!count) {
        return fail(count.error());
    }
    if (*count > into.size()) {
        return nonsense(c, "the server read more than it was asked for");
    }
    a.done = static_cast<std::uint32_t>(*count);
    c.out_bytes = *count;
    return {};
}

result<void> write(call& c) {
    auto& a = c.args().io;
    a.done = 0;
    if (c.ops().write == nullptr) {
        return fail(ENOSYS);
    }
    if (c.n->is_dir()) {
        return fail(EISDIR);
    }
    const auto from = c.take_bytes(a.size);
    if (!from) {
        return fail(from.error());
    }
    if (from->empty()) {
        return {};
    }
    c.set_handle(a.handle);
    lock_set locks(c.how(), *c.n);
    const auto count = c.ops().write(c.server(), c.ctx, *c.n, *from, a.offset);
    if (!count) {
        return fail(count.error());
    }
    if (*count > from->size()) {
        return nonsense(c, "the server wrote more than it was given");
    }
    a.done = static_cast<std::uint32_t>(*count);
    return {};
}

result<void> fsync(call& c) {
    const auto& a = c.args().fsync;
    if (c.ops().fsync == nullptr) {
        return {};
    }
    c.set_handle(a.handle);
    lock_set locks(c.how(), *c.n);
    return c.ops().fsync(c.server(), c.ctx, *c.n, a.datasync != 0);
}

result<void> seek(call& c) {
    auto& a = c.args().seek;
    if (c.ops().seek == nullptr) {
        return fail(ENOSYS);
    }
    if (a.whence > SEEK_HOLE) {
        return fail(EINVAL);
    }
    c.set_handle(a.handle);
    lock_set locks(c.how(), *c.n);
    const auto at = c.ops().seek(c.server(), c.ctx, *c.n, a.offset, static_cast<int>(a.whence));
    if (!at) {
        return fail(at.error());
    }
    a.offset = *at;
    return {};
}

result<void> fallocate(call& c) {
    const auto& a = c.args().fallocate;
    if (c.ops().fallocate == nullptr) {
        return fail(ENOSYS);
    }
    if (c.n->is_dir()) {
        return fail(EISDIR);
    }
    if (a.length == 0) {
        return fail(EINVAL);
    }
    c.set_handle(a.handle);
    lock_set locks(c.how(), *c.n);
    return c.ops().fallocate(c.server(), c.ctx, *c.n, static_cast<int>(a.mode), a.offset, a.length);
}

result<void> readlink(call& c) {
    auto& a = c.args().readlink;
    a.done = 0;
    if (c.ops().readlink == nullptr) {
        return fail(ENOSYS);
    }
    if (c.n->type() != vtype::lnk) {
        return fail(EINVAL);
    }
    const auto room = c.room(limits::symlink_bytes);
    lock_set locks(c.how(), *c.n);
    const auto count = c.ops().readlink(
        c.server(), c.ctx, *c.n, std::span(reinterpret_cast<char*>(room.data()), room.size()));
    if (!count) {
        return fail(count.error());
    }
    if (*count > room.size()) {
        return nonsense(c, "the server answers a longer link than there is room for");
    }
    a.done = static_cast<std::uint32_t>(*count);
    c.out_bytes = *count;
    return {};
}

} // namespace puffs::handlers
