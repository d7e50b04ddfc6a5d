// fuse/uring_channel.hh - requests over FUSE's queues in the io_uring of a core.
//
// The kernel has one queue a CPU and puts a request into an entry of the queue of its caller's CPU. An entry is a
// header and a payload buffer that are lent to the kernel; the answer goes into the same buffers, and one command
// commits it and lends the entry again. A READ's data is written by the server straight into the payload, a WRITE's is
// read from it: nothing is copied here. What the kernel still sends by /dev/fuse (FORGET, INTERRUPT) is a dev_channel's
// business.
//
//   entry  | where                  | how it leaves
//   lent   | with the kernel        | completion: ready; with an error: ended
//   ready  | in ready_              | run_one: served; close: ended
//   served | the operation map has  | reply: lent; after close: ended
//   ended  | here, for good         |
//
// Units:      bytes; entries of one queue.
// Full:       while all entries of a queue are served the kernel keeps its further requests.
// Ownership:  owns its entries and their memory; refers to the descriptor, core, ring and operation map.
// Threading:  open, close, reply: its core. Construction and destruction: an ordinary thread while the core does not
//             run it. Destruction when all entries are here or the core's thread has ended, which takes back what the
//             kernel still has.
// Errors:     create: enomem, when the memory cannot be had at once: it is populated, so that no access faults later.
//             An entry that the kernel refuses is logged; when all are refused the channel ends with that errno.
// Source:     Linux fs/fuse/dev_uring.c, Documentation/filesystems/fuse/fuse-io-uring.rst.
#pragma once

#include "fuse/frame.hh"
#include "fuse/opmap.hh"
#include "fuse/wire_dev.hh"
#include "puffs/lwkt/core.hh"
#include "puffs/lwkt/ring.hh"

#include <boost/intrusive/list.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace puffs::fuse {

struct uring_channel_options {
    std::vector<std::uint16_t> queues; // CPU numbers
    unsigned entries = 1;              // of each queue
    // Of each entry: uring_payload_bytes() of what INIT was asked. With less the kernel takes no entry, and a mount
    // whose entries are all refused is over; an attribute that does not fit would be erange to a caller with room.
    std::size_t payload_bytes = 0;
};

class uring_channel final : public channel, public lwkt::ingress {
  public:
    // `fd`: a descriptor of the connection that outlives the channel; the ring keeps its file from open() to the end,
    // so that no command looks it up. `ring` has big entries. `ended`: called once, on the core, when no more requests
    // will come: with the errno that ended the channel (enotconn: unmounted or aborted), or with 0 after close().
    [[nodiscard]] static result<std::unique_ptr<uring_channel>>
    create(int fd, lwkt::core& core, lwkt::ring& ring, opmap& map, const uring_channel_options& o,
           std::function<void(int cause)> ended);
    ~uring_channel() override; // requires: ended, nothing served

    void open();  // lends all entries; INIT has been answered
    void close(); // takes no more requests; who still waits gets an error when the connection goes

    // ingress
    [[nodiscard]] bool ready() noexcept override { return !ready_.empty(); }
    void run_one() noexcept override;

    // channel
    void reply(frame& f) noexcept override;
    void drop(frame& f) noexcept override;

  private:
    struct entry;
    using entry_list = boost::intrusive::list<
        frame,
        boost::intrusive::member_hook<frame, boost::intrusive::list_member_hook<>, &frame::hook>,
        boost::intrusive::constant_time_size<false>>;

    uring_channel(int fd, lwkt::core& core, lwkt::ring& ring, opmap& map,
                  const uring_channel_options& o, std::function<void(int cause)> ended);
    result<void> make_entries();
    static void completed(lwkt::ring_op& op, int result, std::uint32_t flags);
    void forget_ready() noexcept;
    void send_answers() noexcept;
    void lend(entry& e, wire::uring_cmd command) noexcept;
    void end_entry(int cause) noexcept;
    void tell_end(int cause) noexcept;

    // constant after construction
    const int fd_;
    lwkt::core& core_;
    lwkt::ring& ring_;
    opmap& map_;
    const uring_channel_options options_;
    const std::function<void(int cause)> ended_;
    std::byte* memory_ = nullptr; // payloads, one behind the other
    std::size_t memory_bytes_ = 0;
    std::unique_ptr<entry[]> entries_;
    std::size_t entries_count_ = 0;

    // owned by the core
    entry_list ready_;
    std::size_t entries_left_ = 0; // not ended
    std::uint64_t began_ = 0;      // ticks: the request that runs, if there were answers before it
    std::optional<int> slot_;      // of fd_ among the files that the ring keeps
    bool open_ = false;
    bool end_told_ = false;
};

} // namespace puffs::fuse
