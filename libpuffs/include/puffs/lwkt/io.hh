// lwkt/io.hh - system calls that block the light thread and not its core.
//
// A call goes into the ring of the core that its caller runs on, with the core's next enter, and the caller sleeps
// until it has completed; the core does other work meanwhile. What a read finds in the page cache it takes at once,
// without the ring and without a switch. What has no call here is for lwkt::offload (offload.hh).
//
// Units:      bytes; offsets from the beginning of the file, or at_position for the file's own position, for pipes and
//             for sockets.
// Ownership:  paths, buffers and results are borrowed until the call returns. The kernel may use them until then, and a
//             call returns only when the kernel is done with it, whatever ended it.
// Threading:  a light thread of a core that has a ring (lwkt::runtime's have).
// Blocks:     the light thread.
// Errors:     those of the system call; etimedout: `limit` passed before it was done; eintr: an important signal came
//             (spec T10) and `flags` catch signals. After these two the call had no effect, or is one that may stop
//             half way (a read, write or send of many bytes).
// Source:     io_uring_enter(2); each call's own page of section 2.
#pragma once

#include "puffs/base/error.hh"
#include "puffs/base/waiter.hh"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>

namespace puffs::lwkt::io {

inline constexpr std::uint64_t at_position = std::numeric_limits<std::uint64_t>::max();

// What may end a wait before the call is done.
struct patience {
    std::optional<std::chrono::nanoseconds> limit;
    sleep_flags flags = sleep_flags::none;
};

result<int> openat(int dir, const char* path, int flags, mode_t mode = 0, const patience& p = {});
result<void> close(int fd); // never cut short
result<void> statx(int dir, const char* path, int flags, unsigned mask, struct ::statx& out,
                   const patience& p = {});
result<void> unlinkat(int dir, const char* path, int flags, const patience& p = {});
result<void> renameat(int from_dir, const char* from, int to_dir, const char* to, unsigned flags,
                      const patience& p = {});
result<void> mkdirat(int dir, const char* path, mode_t mode, const patience& p = {});
result<void> symlinkat(const char* target, int dir, const char* path, const patience& p = {});
result<void> linkat(int from_dir, const char* from, int to_dir, const char* to, int flags,
                    const patience& p = {});

// read, write - as pread(2) and pwrite(2): how many bytes; 0 at the end of the file.
result<std::size_t> read(int fd, std::span<std::byte> into, std::uint64_t offset,
                         const patience& p = {});
result<std::size_t> write(int fd, std::span<const std::byte> from, std::uint64_t offset,
                          const patience& p = {});
result<void> fsync(int fd, bool data_only, const patience& p = {});
result<void> fallocate(int fd, int mode, std::uint64_t offset, std::uint64_t length,
                       const patience& p = {});

result<void> connect(int socket, const sockaddr& to, socklen_t to_bytes, const patience& p = {});
// The new socket is closed on exec.
result<int> accept(int socket, const patience& p = {});
result<std::size_t> send(int socket, std::span<const std::byte> from, int flags,
                         const patience& p = {});
result<std::size_t> recv(int socket, std::span<std::byte> into, int flags, const patience& p = {});
// poll - waits for any of `events` (poll(2)); those that are there.
result<unsigned> poll(int fd, unsigned events, const patience& p = {});

} // namespace puffs::lwkt::io
