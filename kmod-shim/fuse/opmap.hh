// fuse/opmap.hh - the operation map: FUSE requests to puffs requests in parks, and their ends to FUSE replies.
//
// This is where the two vocabularies meet. One FUSE operation is one puffs request or a short fixed
// series (CREATE = create + open; if the open fails the object, if it is new, is removed again). Every request
// gets exactly one reply, except FORGET, BATCH_FORGET and INTERRUPT (spec X3, X4).
//
// Ownership:  refers to the mount; owns nothing of a request, whose state lives in its frame.
// Threading:  one object a mount, used on all its cores; handle() on a light thread of the frame's
//             core. Completion runs on the same core.
// Blocks:     handle() runs an in-process server's operation inline, and blocks its light thread when that blocks.
// Errors:     malformed requests are answered EIO (or dropped where no reply is wanted) and logged;
//             unknown ones ENOSYS; enxio of a dead mount becomes ENOTCONN. Errnos of the server that
//             no caller can be told have become eproto in msgif.
// Source:     spec X1 to X7, fuse-map section 2. Refused replies: Linux fs/fuse/dev.c, fuse_dev_do_write. ENOENT: the
//             request is gone, which it is only when the connection was aborted; any other errno: the reply was not
//             fit, and the caller gets EIO. In neither case does the kernel forget a node or release a file of it. A
//             caller that was interrupted after its request was read waits for the reply, and takes it.
#pragma once

#include "fuse/frame.hh"
#include "fuse/init.hh"
#include "puffs/kmod/msgif.hh"

#include <expected>
#include <functional>
#include <memory>
#include <string>

namespace puffs::fuse {

class opmap {
  public:
    // on_init: called once when INIT has been negotiated, before its reply is sent: the session logs it and marks the
    // mount running. An unexpected value is the one-line reason why the connection was refused (kernel too old).
    using init_hook = std::function<void(const std::expected<init_grant, std::string>& granted)>;

    opmap(kmod::puffs_mount& mount, const init_options& asked, init_hook on_init);
    ~opmap();
    opmap(const opmap&) = delete;
    opmap& operator=(const opmap&) = delete;

    // handle - one request; with `header` and `fixed` one whose parts lie apart, f.request being what stands behind
    // them (decode_parts). The frame comes back through its channel's reply() or drop(), perhaps before this returns.
    // Lifetime:  `fixed` is valid until then.
    void handle(frame& f);
    void handle(frame& f, const wire::in_header& header, bytes fixed);

    // take_back - the kernel refused the reply that stands in `f`, whatever the errno, and so holds nothing that it
    // gives: the server gets the lookups of the nodes that it names, and the file that it opened, back. What was
    // created stays. Called by the frame's channel inside reply(); a reply that gives nothing changes nothing.
    void take_back(const frame& f);

    // Requests of the current core that have not been answered.
    [[nodiscard]] std::size_t in_flight() const;

  private:
    struct implementation;
    std::unique_ptr<implementation> impl_;
};

} // namespace puffs::fuse
