// fuse/wire_notify.hh - the FUSE protocol as bytes: notifications, which a server sends unasked.
//
// A notification is an out_header with unique 0 and a notify_code as its error, and one of these
// structures.
//
// Units:      integers in host order, offsets and lengths in bytes.
// Layout:     as wire.hh.
// Threading:  none; values only.
// Source:     Linux include/uapi/linux/fuse.h, protocol 7.45 (facts: numbers and layouts).
#pragma once

#include "fuse/wire.hh"

namespace puffs::fuse::wire {

enum class notify_code : std::int32_t {
    poll = 1,
    inval_inode = 2,
    inval_entry = 3,
    store = 4,
    retrieve = 5,
    remove = 6,    // the kernel's NOTIFY_DELETE
    resend = 7,    // 7.40
    inc_epoch = 8, // 7.44
    prune = 9,     // 7.45
};

struct notify_poll_wakeup_out {
    std::uint64_t kh;
};
static_assert(sizeof(notify_poll_wakeup_out) == 8);

struct notify_inval_inode_out {
    std::uint64_t ino; // a nodeid
    std::int64_t off;  // negative: attributes only
    std::int64_t len;  // 0: to the end
};
static_assert(sizeof(notify_inval_inode_out) == 24);

// notify_inval_entry_out.flags: the entry is looked up again at its next use instead of being
// dropped; 7.38.
inline constexpr std::uint32_t expire_only = 1U << 0;

struct notify_inval_entry_out {
    std::uint64_t parent;
    std::uint32_t namelen;
    std::uint32_t flags;
    // The name and a NUL follow.
};
static_assert(sizeof(notify_inval_entry_out) == 16);

struct notify_delete_out {
    std::uint64_t parent;
    std::uint64_t child;
    std::uint32_t namelen;
    std::uint32_t padding;
    // The name and a NUL follow.
};
static_assert(sizeof(notify_delete_out) == 24);

struct notify_store_out {
    std::uint64_t nodeid;
    std::uint64_t offset;
    std::uint32_t size;
    std::uint32_t padding;
    // `size` bytes follow.
};
static_assert(sizeof(notify_store_out) == 24);

struct notify_retrieve_out {
    std::uint64_t notify_unique;
    std::uint64_t nodeid;
    std::uint64_t offset;
    std::uint32_t size;
    std::uint32_t padding;
};
static_assert(sizeof(notify_retrieve_out) == 32);

// What NOTIFY_REPLY carries; the same places as write_in.
struct notify_retrieve_in {
    std::uint64_t dummy1;
    std::uint64_t offset;
    std::uint32_t size; // of the data that follow
    std::uint32_t dummy2;
    std::uint64_t dummy3;
    std::uint64_t dummy4;
};
static_assert(sizeof(notify_retrieve_in) == 40 && offsetof(notify_retrieve_in, size) == 16);

struct notify_prune_out {
    std::uint32_t count;
    std::uint32_t padding;
    std::uint64_t spare;
    // `count` nodeids follow.
};
static_assert(sizeof(notify_prune_out) == 16);

} // namespace puffs::fuse::wire
