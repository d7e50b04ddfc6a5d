// bench/floor_proto.hh - a null file system in bare FUSE protocol, for the floor servers.
//
// Contents:   a root directory with one regular file, "file"; it reads as zeros and forgets what is
//             written to it. Every timeout is 0, so that the kernel asks again each time.
// Protocol:   Debian's linux/fuse.h (7.38); what the kernel offers beyond is declined in INIT.
// Ownership:  a reply borrows from its floor_proto and is valid until the next answer().
// Threading:  one floor_proto a thread; they share nothing.
// Errors:     an operation that a null file system lacks is answered ENOSYS, so that the kernel
//             stops asking. A request shorter than its header says is answered EIO.
#pragma once

#include "pages.hh"

#include <array>
#include <cstddef>
#include <cstdint>
#include <linux/fuse.h>
#include <span>
#include <string_view>
#include <sys/uio.h>
#include <vector>

namespace puffs::bench {

inline constexpr std::size_t max_payload_bytes = std::size_t{1} << 20;
// The kernel refuses a read into less than the largest WRITE with its headers.
inline constexpr std::size_t request_bytes = max_payload_bytes + 4096;

// The reply to one request, ready for writev(); iov_count 0 means that the request gets none.
struct floor_reply {
    std::array<iovec, 3> iov{};
    unsigned iov_count = 0;
};

class floor_proto {
  public:
    explicit floor_proto(std::uint64_t file_bytes);

    // Answers one whole request as read from the channel.
    const floor_reply& answer(std::span<const std::byte> request);

  private:
    union body {
        fuse_init_out init;
        fuse_entry_out entry;
        fuse_attr_out attr;
        fuse_open_out open;
        fuse_write_out write;
        fuse_statfs_out statfs;
    };

    void fail(int errno_value);
    // Reply with the first `size_bytes` of body_, or with none of it.
    void succeed(std::size_t size_bytes);
    void init(const fuse_init_in& in);
    void lookup(std::uint64_t parent, std::string_view name);
    void getattr(std::uint64_t node);
    void read(const fuse_read_in& in);
    void write(const fuse_write_in& in);
    void readdir(const fuse_read_in& in);
    void fill(fuse_attr& attr, std::uint64_t node) const;

    std::uint64_t file_bytes_;
    pages zeros_;
    std::vector<std::byte> directory_;
    fuse_out_header header_{};
    body body_{};
    floor_reply reply_{};
};

} // namespace puffs::bench
