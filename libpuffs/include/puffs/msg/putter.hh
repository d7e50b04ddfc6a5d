// msg/putter.hh - the interface between the two halves: how requests leave the kernel half and
// replies enter it.
//
// Implemented by kmod-shim/msgif (puffs_mount), for transports to other processes; today the tests are one
// (support/msgif). The in-process transport takes parks as they are, and uses this only where it has no memory for a
// thread.
//
// Ownership:  a frame got out belongs to the caller until releaseout; the request and its runs stay
//             valid until the reply is dispatched, or for fire-and-forget until releaseout.
// Threading:  on a core of the mount: getout takes from that core's queue; dispatch may be called
//             on any core, replies travel to the home core of their id.
// Blocks:     getout without nonblock: the light thread. dispatch of a reply to a request of another core: the core,
//             which serves its messages until that core has taken the reply. close: the core, or the ordinary thread.
//             Others never.
// Source:     NetBSD sys/dev/putter (five operations).
#pragma once

#include "puffs/base/error.hh"
#include "puffs/msg/request.hh"
#include "puffs/msgport/msg.hh"

#include <cstddef>
#include <span>

namespace puffs::msg {

// A request on its way: the message that the server's port receives. Embedded in the kernel half's park. When it comes
// back, its error is the request's rv (or, if 0, head.rv is). If rv is 0, result.u64 is the bytes of `out` that the
// reply uses.
struct delivery : msgport::msg {
    request* req = nullptr;
    payload data;
    // When the server got it and when it came back, in ticks; 0 while nobody measures. A server that keeps requests
    // for later may set `began`, if it is not 0, anew.
    std::uint64_t began = 0, ended = 0;
};

struct frame {
    delivery* handle = nullptr;
    std::size_t length = 0; // copylen: of fixed and the request's `in` run
    // The request's bytes as they go over the wire, before the run: what handle->req points to or, on a mount whose
    // server speaks an older layout of the messages, its twin (F2). After dispatch a twin holds the raw reply.
    std::span<const std::byte> fixed;
};

class putter {
  public:
    virtual ~putter() = default;
    // getout - oldest request of this core's queue to the server (F30).
    // Errors:   enxio the mount does not run; ewouldblock nothing there and nonblock; e2big the
    //           next one is longer than maxsize (it stays queued); eintr the wait was interrupted.
    virtual result<frame> getout(std::size_t maxsize, bool nonblock) = 0;
    // releaseout - the frame has been handed over (status 0) or could not be (an errno, which
    // completes the request) (F31).
    virtual void releaseout(delivery& handle, int status) = 0;
    // waitcount - requests waiting on this core's queue (F32).
    [[nodiscard]] virtual std::size_t waitcount() const = 0;
    // dispatch - something the server sends: a reply (class vn or vfs), a flush call, an unmount
    // request (F37). `length` is the frame's length as received; `req` holds its first bytes,
    // as many as fit, whatever layout they have; `out_bytes` is the rest.
    virtual void dispatch(const request& req, std::span<const std::byte> out_bytes,
                          std::size_t length) = 0;
    // close - the server is gone: everything in flight ends with enxio, the mount goes (U12, U13).
    // Idempotent.
    virtual void close() = 0;
};

} // namespace puffs::msg
