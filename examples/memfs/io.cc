// Data: reading, writing, holes.
#include "memfs/memfs.hh"
#include "puffs/lwkt/sched.hh"

#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

namespace memfs {

using puffs::fail;

namespace {

// Other requests of the core get their turn: zeroing gigabytes takes longer than a caller likes to wait. What runs is
// nothing of this node, which is locked.
void let_others_run() {
    if (puffs::lwkt::thread::current_or_null() != nullptr) {
        puffs::lwkt::yield();
    }
}

} // namespace

memfs::result<std::size_t> memfs::read(cc&, node& n, std::span<std::byte> into,
                                       std::uint64_t offset) {
    inode& i = at(n);
    if (i.contents == nullptr) {
        return fail(i.is_dir() ? EISDIR : EINVAL);
    }
    i.accessed();
    return i.contents->read(into, offset);
}

memfs::result<std::size_t> memfs::write(cc& c, node& n, std::span<const std::byte> from,
                                        std::uint64_t offset) {
    inode& i = at(n);
    if (i.contents == nullptr) {
        return fail(i.is_dir() ? EISDIR : EINVAL);
    }
    std::size_t done = 0;
    const auto written = with_space([&]() -> result<std::size_t> {
        const auto more = i.contents->write(from.subspan(done), offset + done);
        done += more.value_or(0);
        return more && done < from.size() ? fail(ENOSPC) : more;
    });
    if (done != 0) {
        if (c.kills_set_id()) {
            clear_set_id(i);
        }
        i.changed();
        return done;
    }
    return written;
}

memfs::result<std::uint64_t> memfs::seek(cc&, node& n, std::uint64_t offset, int whence) {
    const inode& i = at(n);
    if (i.contents == nullptr) {
        return fail(EINVAL);
    }
    if (whence == SEEK_DATA) {
        return i.contents->next_data(offset);
    }
    if (whence == SEEK_HOLE) {
        return i.contents->next_hole(offset);
    }
    return fail(EINVAL);
}

memfs::result<void> memfs::allocate(inode& i, std::uint64_t offset, std::uint64_t length) {
    return with_space([&] { return i.contents->allocate(offset, length, let_others_run); });
}

memfs::result<void> memfs::fallocate(cc& c, node& n, int mode, std::uint64_t offset,
                                     std::uint64_t length) {
    inode& i = at(n);
    if (i.contents == nullptr) {
        return fail(i.is_dir() ? EISDIR : ENODEV);
    }
    const bool keep_size = (mode & FALLOC_FL_KEEP_SIZE) != 0;
    switch (mode & ~FALLOC_FL_KEEP_SIZE) {
    case 0:
        if (auto allocated = allocate(i, offset, length); !allocated) {
            return allocated;
        }
        break;
    case FALLOC_FL_PUNCH_HOLE:
        if (!keep_size) {
            return fail(EOPNOTSUPP);
        }
        i.contents->punch(offset, length);
        break;
    case FALLOC_FL_ZERO_RANGE:
        if (auto allocated = allocate(i, offset, length); !allocated) {
            return allocated; // with the data as it was
        }
        i.contents->zero(offset, length, let_others_run);
        break;
    default:
        return fail(EOPNOTSUPP);
    }
    if (!keep_size) {
        i.contents->set_size_at_least(offset + length);
    }
    if (c.caller().uid != 0) {
        clear_set_id(i); // the protocol has no flag for it here
    }
    i.changed();
    return {};
}

} // namespace memfs
