// fuse/dev_channel.hh - requests over one clone of /dev/fuse.
//
// A worker of the core reads a request, runs it, writes the reply, and tries to read the next one
// at once; only when there is none does the channel wait for the descriptor in the core's ring. A
// request that blocks its worker does not stop the channel: the core puts another worker to it.
//
// Units:      bytes; frames are read buffers of max_write plus two pages.
// Full:       with frames_max requests unanswered, or without memory for another, the channel stops reading until one
//             is answered; the kernel keeps the others in its queue. It has one frame from the start, and never lets go
//             of its last idle one: without a frame out there is one to read into.
// Ownership:  owns its descriptor and its frames; refers to core, ring and operation map.
// Threading:  open, close, reply, drop: its core. Construction and destruction: an ordinary thread
//             while the core does not run it.
// Errors:     a read that fails with ENODEV or ECONNABORTED ends the channel (unmounted, aborted);
//             other errors end it too. Who is told by `ended` logs it.
// Source:     Linux fs/fuse/dev.c; spec X2.
#pragma once

#include "fuse/frame.hh"
#include "fuse/opmap.hh"
#include "puffs/lwkt/core.hh"
#include "puffs/lwkt/ring.hh"

#include <boost/intrusive/list.hpp>
#include <functional>
#include <memory>

namespace puffs::fuse {

struct dev_channel_options {
    std::size_t max_write_bytes = limits::payload_bytes;
    unsigned frames_max = 256; // unanswered requests of one core
    unsigned frames_kept = 16; // idle frames that keep their memory; at least 1
};

class dev_channel final : public channel, public lwkt::ingress {
  public:
    // `fd`: an open, nonblocking /dev/fuse descriptor of the connection; owned from here on.
    // `ended`: called once, on the core, when no more requests will come, with the errno of the read that said so
    // (enodev: unmounted; econnaborted) or 0 after close(). Throws bad_alloc: no memory for the first frame.
    dev_channel(int fd, lwkt::core& core, lwkt::ring& ring, opmap& map,
                const dev_channel_options& o, std::function<void(int cause)> ended);
    ~dev_channel() override; // requires: ended, nothing in flight

    void open();  // attaches to the core
    void close(); // stops reading; `ended` follows if it has not been called

    // ingress
    [[nodiscard]] bool ready() noexcept override { return readable_ && !stalled_; }
    void run_one() noexcept override;

    // channel
    void reply(frame& f) noexcept override;
    void drop(frame& f) noexcept override;

  private:
    struct dev_frame;
    using frame_list = boost::intrusive::list<
        frame,
        boost::intrusive::member_hook<frame, boost::intrusive::list_member_hook<>, &frame::hook>,
        boost::intrusive::constant_time_size<true>>;
    static void poll_done(lwkt::ring_op& op, int result, std::uint32_t flags);
    void wait_readable() noexcept;
    void read_failed(int number) noexcept;
    void end_reading(int cause) noexcept;
    void not_taken(frame& f, std::size_t length, int number) noexcept;
    dev_frame* make_frame() noexcept;
    dev_frame* take_frame() noexcept;
    void give_back(frame& f) noexcept;

    // constant after construction
    const int fd_;
    lwkt::core& core_;
    lwkt::ring& ring_;
    opmap& map_;
    const dev_channel_options options_;
    const std::function<void(int cause)> ended_;

    // owned by the core
    struct poll_op : lwkt::ring_op {
        dev_channel* self = nullptr;
    };
    poll_op poll_;
    bool polling_ = false;  // the ring waits for the descriptor
    bool readable_ = false; // worth a read
    bool stalled_ = false;  // no frame to read into
    frame_list idle_;
    std::size_t made_ = 0;
    bool open_ = false;
    bool end_told_ = false;
};

} // namespace puffs::fuse
