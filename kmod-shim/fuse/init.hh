// fuse/init.hh - INIT: from what the kernel offers and what the mount asks to what both will do.
//
// Units:      bytes; pages of init_options::page_bytes.
// Ownership:  plain values.
// Threading:  none; pure functions.
// Errors:     a line for the user: the kernel's protocol is not 7 or older than 7.31, or an option is
//             out of its range. A flag that was asked and not offered is no error: it is not granted,
//             and describe() lists it.
// Source:     Linux fs/fuse/inode.c (process_init_reply), protocol 7.45.
#pragma once

#include "fuse/decode.hh"
#include "fuse/wire_init.hh"
#include "puffs/base/limits.hh"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>

namespace puffs::fuse {

enum class readdirplus_use : std::uint8_t {
    never,
    automatic, // the kernel asks for attributes when somebody looked them up before
    always,
};

enum class page_inval : std::uint8_t {
    automatic, // pages are dropped when mtime or size changed behind the kernel's back
    told,      // pages are dropped only when the server says so
};

// The kernel learns max_read_bytes from the mount option max_read=, which must say the same.
struct init_options {
    std::uint32_t page_bytes = 4096;
    std::uint32_t max_write_bytes = limits::payload_bytes;     // multiple of the page, up to that
    std::uint32_t max_read_bytes = 0;                          // the same; 0: limits::payload_bytes
    std::uint32_t max_readahead_bytes = limits::payload_bytes; // the kernel's own limit holds too
    std::uint16_t max_background = 64;      // requests that nobody waits for, in flight at once
    std::uint16_t congestion_threshold = 0; // of those, when the kernel slows down; 0: 3 quarters

    bool async_read = true;          // several reads of one open file at once
    bool async_dio = true;           // the same for O_DIRECT
    bool parallel_dirops = true;     // several lookups and readdirs in one directory at once
    bool big_writes = true;          // writes of more than a page
    bool writeback_cache = false;    // the kernel delays writes and keeps mtime and size itself
    bool posix_acl = false;          // the server keeps access lists in extended attributes
    bool handle_killpriv_v2 = false; // the server drops set-id bits on write, truncate and chown
    bool cache_symlinks = true;      // targets are kept like pages
    bool io_uring = false;           // FUSE over io_uring
    readdirplus_use readdirplus = readdirplus_use::automatic;
    page_inval invalidation = page_inval::automatic;
};

struct init_grant {
    std::uint32_t kernel_minor = 0;
    std::uint64_t offered = 0, asked = 0, granted = 0; // init_flag
    std::uint32_t max_pages = 0;
    std::uint32_t max_write_bytes = 0, max_read_bytes = 0, max_readahead_bytes = 0;
    session_limits limits;
    wire::init_out reply{};

    [[nodiscard]] bool has(std::uint64_t flag) const { return (granted & flag) == flag; }
    // Several lines for the log: versions, sizes, flags granted, refused and left alone.
    [[nodiscard]] std::string describe() const;
};

// What is wrong with the options, as a line for the user that names option, value and range.
[[nodiscard]] std::optional<std::string> problem_of(const init_options& asked);

// uring_payload_bytes - of an entry of FUSE over io_uring: room for the largest read or write, and for the name and
// the value of an extended attribute, which no option makes smaller. INIT asks for as many pages a request. The kernel
// takes no entry below that, nor below 8 KiB (FUSE_MIN_READ_BUFFER), and of a larger one it uses no more
// (fs/fuse/dev_uring.c, fuse_uring_create and fuse_uring_args_to_ring). A SETXATTR that does not fit stops Linux 6.18
// with a BUG in fuse_copy_fill: its caller, the server's core and the mount stay for good.
[[nodiscard]] std::size_t uring_payload_bytes(const init_options& asked);

// negotiate - the whole of INIT, without sending anything.
[[nodiscard]] std::expected<init_grant, std::string> negotiate(const wire::init_in& offer,
                                                               const init_options& asked);

// Names of the flags that are set, in ascending order: "async_read big_writes"; "none" for 0. A bit
// that the protocol does not know appears as "bit43".
[[nodiscard]] std::string flag_names(std::uint64_t flags);

} // namespace puffs::fuse
