// mount/channels.hh - the channels of one connection: made, opened, closed and counted together.
//
// Each core has a descriptor of its own and a dev_channel on it; on transport uring a uring_channel besides, and of the
// dev channels only the first is open, for what the kernel does not send through the queues.
//
// Ownership:  owns descriptors and channels; refers to runtime and operation map.
// Threading:  one ordinary thread; close_all() never waits for a core, the others may.
// Errors:     one line for the user.
#pragma once

#include "fuse/opmap.hh"
#include "puffs/kmod/mount_options.hh"
#include "puffs/lwkt/runtime.hh"

#include <expected>
#include <functional>
#include <memory>
#include <string>

namespace puffs::kmod {

class channels {
  public:
    struct end {
        bool uring; // of a uring_channel
        int cause;  // its errno, 0 after close_all()
    };
    // `ended` is called on a core, once for each channel that was opened.
    static std::expected<std::unique_ptr<channels>, std::string>
    create(int fd, lwkt::runtime& cores, fuse::opmap& map, const mount_options& o, bool uring,
           std::function<void(end)> ended);
    ~channels();
    channels(const channels&) = delete;
    channels& operator=(const channels&) = delete;

    // open_first - the one that INIT comes on. open_others - when INIT has been answered, so that what it agreed on is
    // known to every core before its first request.
    // Returns:   how many have been opened.
    std::size_t open_first();
    std::size_t open_others(bool uring);
    // Closes them on their cores; `closed` is called on each core when it has. Returns the number of cores.
    std::size_t close_all(const std::function<void()>& closed);

    [[nodiscard]] std::size_t frames_out() const noexcept;
    // Of transport uring: "2 queues of 8 entries, 16 MiB".
    [[nodiscard]] const std::string& uring_size() const noexcept;
    // Counters of one core, for the statistics.
    [[nodiscard]] std::string stats_of(core_id c) const;

  private:
    channels();
    struct implementation;
    std::unique_ptr<implementation> impl_;
};

} // namespace puffs::kmod
