// fuse/frame.hh - one FUSE request, its room for the reply, and its way back.
//
// A channel fills a frame with a request and gives it to the operation map; the operation map fills
// in the reply and gives the frame back to the channel it came from. A request keeps its channel: a
// reply on another descriptor is refused by the kernel (ENOENT, measured).
//
//   request    the bytes as the kernel wrote them
//   payload    page-aligned room for the data of the reply; it may overlap `request` behind its
//              first 4096 bytes, so it is used only by operations whose request is shorter
//              (reads and lists, never writes)
//   fixed      room for the structure of the reply, fixed_bytes_max bytes, aligned to 8; a channel may place it
//              inside `payload`, because no reply has both
//
// Units:      bytes.
// Ownership:  the channel's pool; lent to the operation map from handle() until reply() or drop().
// Threading:  the core of its channel.
#pragma once

#include "fuse/decode.hh"
#include "fuse/wire.hh"
#include "puffs/base/clock.hh"
#include "puffs/kmod/park.hh"

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
    // in flight on this core, for INTERRUPT
    boost::intrusive::unordered_set_member_hook<> by_unique;

    // The channel's own.
    boost::intrusive::list_member_hook<> hook;
};

// Where requests come from and replies go: one object a core.
class channel {
  public:
    virtual ~channel() = default;
    // Sends the reply that stands in the frame; the frame belongs to the channel again. A reply that the kernel does
    // not take goes to opmap::take_back first. Channel's core; never blocks.
    virtual void reply(frame& f) noexcept = 0;
    // The request wants no reply; the frame belongs to the channel again.
    virtual void drop(frame& f) noexcept = 0;
};

} // namespace puffs::fuse
