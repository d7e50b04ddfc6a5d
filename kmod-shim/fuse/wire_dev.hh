// fuse/wire_dev.hh - the FUSE protocol as bytes: ioctls of /dev/fuse and the structures of FUSE
// over io_uring.
//
// Units:      sizes in bytes.
// Layout:     as wire.hh.
// Threading:  none; values only.
// Source:     Linux include/uapi/linux/fuse.h, protocol 7.45 (facts: numbers and layouts).
#pragma once

#include "fuse/wire.hh"

#include <sys/ioctl.h>

namespace puffs::fuse::wire {

struct backing_map {
    std::int32_t fd;
    std::uint32_t flags;
    std::uint64_t padding;
};
static_assert(sizeof(backing_map) == 16);

inline constexpr unsigned dev_ioc_magic = 229;
// Argument: the descriptor of the connection that the fresh one shall join.
inline constexpr unsigned long dev_ioc_clone = _IOR(dev_ioc_magic, 0, std::uint32_t);
inline constexpr unsigned long dev_ioc_backing_open = _IOW(dev_ioc_magic, 1, backing_map); // 7.40
inline constexpr unsigned long dev_ioc_backing_close = _IOW(dev_ioc_magic, 2, std::uint32_t);
// Before mounting: mount(2) returns only when INIT is answered. Linux 6.18.
inline constexpr unsigned long dev_ioc_sync_init = _IO(dev_ioc_magic, 3);
static_assert(dev_ioc_clone == 0x8004e500);
static_assert(dev_ioc_backing_open == 0x4010e501);
static_assert(dev_ioc_backing_close == 0x4004e502);
static_assert(dev_ioc_sync_init == 0xe503);

inline constexpr std::size_t uring_in_out_header_bytes = 128;
inline constexpr std::size_t uring_op_in_out_bytes = 128;

struct uring_ent_in_out {
    std::uint64_t flags;
    std::uint64_t commit_id; // to be handed back in uring_cmd_req
    std::uint32_t payload_sz;
    std::uint32_t padding;
    std::uint64_t reserved;
};
static_assert(sizeof(uring_ent_in_out) == 32 && offsetof(uring_ent_in_out, payload_sz) == 16);

struct uring_req_header {
    std::byte in_out[uring_in_out_header_bytes]; // in_header, then out_header
    std::byte op_in[uring_op_in_out_bytes];      // the fixed part of the operation
    uring_ent_in_out ring_ent_in_out;
};
static_assert(sizeof(uring_req_header) == 288);
static_assert(offsetof(uring_req_header, op_in) == 128);
static_assert(offsetof(uring_req_header, ring_ent_in_out) == 256);

enum class uring_cmd : std::uint32_t {
    invalid = 0,
    enlist = 1,           // the kernel's CMD_REGISTER: gives a buffer and waits for a request
    commit_and_fetch = 2, // answers the request in the entry and waits for the next
};

// Lies in the command area of a 128-byte submission entry.
struct uring_cmd_req {
    std::uint64_t flags;
    std::uint64_t commit_id;
    std::uint16_t qid; // the number of the CPU
    std::uint8_t padding[6];
};
static_assert(sizeof(uring_cmd_req) == 24 && offsetof(uring_cmd_req, qid) == 16);

} // namespace puffs::fuse::wire
