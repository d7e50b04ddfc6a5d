// bench/floor_proto.hh - a null file system in bare FUSE protocol, for the floor servers.
//
// Contents:   a root directory with one regular file, "file"; it reads as zeros and forgets what is
//             written to it, or keeps that when it is given the memory for it. Every timeout is 0, so that the kernel
//             asks again each time.
// Protocol:   Debian's linux/fuse.h (7.38); what the kernel offers beyond is declined in INIT.
// Ownership:  a reply borrows from its floor_proto and is valid until the next answer().
// Threading:  one floor_proto a thread; they share nothing but the file's memory, where writes to one
//             place at once leave the bytes of either.
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
    // `kept`: the file's memory, `file_bytes` of it, or nullptr.
    explicit floor_proto(std::uint64_t file_bytes, std::byte* kept = nullptr);

    // Answers one whole request as read from the channel. `data` is that of a WRITE whose request
    // does not have it whole.
    const floor_reply& answer(std::span<const std::byte> request,
                              std::span<const std::byte> data = {});

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
    std::byte* kept_;
    std::span<const std::byte> data_;
    pages zeros_;
    std::vector<std::byte> directory_;
    fuse_out_header header_{};
    body body_{};
    floor_reply reply_{};
};

} // namespace puffs::bench
