// fuse/frame.hh - one FUSE request, its room for the reply, and its way back.
//
// A channel fills a frame with a request and gives it to the operation map; the operation map fills
// in the reply and gives the frame back to the channel it came from. A request keeps its channel: a
// reply on another descriptor is refused by the kernel (ENOENT, measured).
//
//   request    the bytes as the kernel wrote them; of a request in parts, those behind header and structure
//   payload    page-aligned room for the data of the reply; it may overlap what a request brings as data, because no
//              operation has data both ways, but nothing else of a request that is answered with data
//   fixed      room for the structure of the reply, fixed_bytes_max bytes, aligned to 8, apart from `request`: a series
//              fills it before it has read its last name
//
// Units:      bytes.
// Ownership:  the channel's pool; lent to the operation map from handle() until reply() or drop().
// Threading:  the core of its channel.
#pragma once

#include "fuse/decode.hh"
#include "fuse/wire.hh"
#include "puffs/base/bump.hh"
#include "puffs/base/clock.hh"
#include "puffs/kmod/park.hh"

#include <atomic>
#include <boost/intrusive/list_hook.hpp>
#include <boost/intrusive/unordered_set_hook.hpp>
#include <cstddef>
#include <cstdint>
#include <span>

namespace puffs::fuse {

class channel;

// Which request of a series is in flight: CREATE is create, open, and if the open fails remove.
enum class series_stage : std::uint8_t { first, open_created, remove_created };

struct frame {
    static constexpr std::size_t fixed_bytes_max = 256;

    frame() = default;
    frame(const frame&) = delete;
    frame& operator=(const frame&) = delete;

    // Set by the channel.
    channel* origin = nullptr;
    std::span<std::byte> request; // writable: the map moves names together in place
    std::span<std::byte> payload;

    std::span<std::byte> fixed;

    // Set by the operation map before reply(). error: 0 or a positive errno; with an error nothing else is sent. One of
    // fixed_bytes and payload_bytes is 0.
    int error = 0;
    std::size_t fixed_bytes = 0;
    std::size_t payload_bytes = 0;

    // The operation map's own, from handle() to reply().
    decoded op;
    kmod::park* parked = nullptr; // the request in flight
    series_stage stage = series_stage::first;
    msg::cookie made = msg::cookie::none; // what the first stage of CREATE created
    bool interrupted = false;             // before it had a park
    // in flight on this core, for INTERRUPT
    boost::intrusive::unordered_set_member_hook<> by_unique;

    // The channel's own.
    boost::intrusive::list_member_hook<> hook;
};

// The head of a reply to the frame's request: with an errno of the caller's (0: none), and so many bytes behind it.
[[nodiscard]] inline wire::out_header reply_head(const frame& f, int number,
                                                 std::size_t bytes_behind) noexcept {
    return {.len = static_cast<std::uint32_t>(sizeof(wire::out_header) + bytes_behind),
            .error = -number,
            .unique = f.op.header.unique};
}

struct channel_counters { // the core writes, relaxed; any thread reads
    std::atomic<std::uint64_t> requests{0}, replies{0}, gone{0}, refused{0}, stalls{0}, waits{0};
    std::atomic<std::uint64_t> interrupts_lost{0}; // one for each core that had no room for it
};

// Where requests come from and replies go: one object a core.
class channel {
  public:
    virtual ~channel() = default;
    // Frames that the operation map has. Any thread.
    [[nodiscard]] std::size_t frames_out() const noexcept {
        return out_.load(std::memory_order_acquire);
    }
    [[nodiscard]] const channel_counters& stats() const noexcept { return stats_; }

    // Sends the reply that stands in the frame; the frame belongs to the channel again. A reply of which the kernel
    // says that it does not take it goes to opmap::take_back first. Channel's core; never blocks.
    virtual void reply(frame& f) noexcept = 0;
    // The request wants no reply; the frame belongs to the channel again.
    virtual void drop(frame& f) noexcept = 0;
    // Channel's core.
    void count_lost_interrupt() noexcept { bump(stats_.interrupts_lost); }

  protected:
    void frame_leaves() noexcept {
        bump(stats_.requests);
        out_.store(out_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
    // Release: whoever sees that a frame is back sees what was done with it.
    void frame_is_back() noexcept {
        out_.store(out_.load(std::memory_order_relaxed) - 1, std::memory_order_release);
    }
    channel_counters stats_;

  private:
    std::atomic<std::size_t> out_{0};
};

} // namespace puffs::fuse
