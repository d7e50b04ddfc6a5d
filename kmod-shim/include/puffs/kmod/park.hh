// kmod/park.hh - a request of a caller, parked between the kernel half and the server.
//
//   state | where                        | flags            | references besides the caller's
//   N     | new or reused                | -                | -
//   E     | failed before it was queued  | HASERROR         | -
//   Q1    | on touser                    | ONQUEUE1         | flight
//   T     | got out, not yet released    | -                | flight, access
//   Q2    | in the replywait table       | ONQUEUE2         | flight
//   D     | finished, rv is valid        | DONE             | -
//   X     | freed                        |                  |
// The full table of transitions is spec section 4.1; shard.cc implements it row by row. A park that its transport holds
// after D (ended by userdead while the server works on it) is D with an access reference.
//
// Units:      copylen and maxlen as in msg/request.hh.
// Ownership:  counted: one reference for the caller, one while in flight (Q1, T, Q2), one a transient access; freed
//             into its home core's pool when all are gone (V12). A request that lies with a server of this process is
//             such an access until its message comes back, so that the server never writes into a park of somebody
//             else. The runs are borrowed until the park is freed: an interrupted caller may be gone while the server
//             still writes. Who cannot promise that sets a release hook.
// Threading:  a park belongs to its home core, where it was allocated and enqueued; nothing of it
//             is touched elsewhere but the request's contents, by the server, between getout and
//             dispatch (H7, H8).
// Source:     NetBSD puffs_msgif.c struct puffs_msgpark (idea).
#pragma once

#include "puffs/base/core_set.hh"
#include "puffs/ipi/send.hh"
#include "puffs/kmod/statistics.hh"
#include "puffs/lwkt/thread.hh"
#include "puffs/msg/putter.hh"

#include <algorithm>
#include <boost/intrusive/list_hook.hpp>
#include <cstddef>
#include <cstdint>
#include <span>

namespace puffs::kmod {

class puffs_mount;
class shard;
struct translated_operation;

enum park_flag : std::uint32_t {
    park_waitergone = 0x01,
    park_done = 0x02,
    park_onqueue1 = 0x04,
    park_onqueue2 = 0x08,
    park_call = 0x10,
    park_wantreply = 0x20,
    park_haserror = 0x40,
};

// What was asked, kept where the server cannot write: a reply is checked against it (F40, F41).
struct question {
    std::uint64_t id = 0;
    msg::cookie node = msg::cookie::none;
    msg::cookie target = msg::cookie::none; // of a link
    std::uint32_t opclass = 0;              // class bits only
    std::uint32_t optype = 0;
    std::uint32_t size = 0; // bytes asked of a read, offered by a write, room for an attribute
    std::uint32_t mode = 0; // of the object to make
    bool plus = false;      // readdir: entries carry nodes
};

class park {
  public:
    // Called once for a CALL park when it ends, whatever the outcome: rv is 0 or a positive errno,
    // the request holds the reply's values only if rv is 0. On the home core, outside all locks;
    // must not block; may release the park and send the next one.
    using callback = void (*)(park& p, int rv, void* arg);
    // Called when the last reference is gone, before the park goes back to the pool. Must not block.
    using release_hook = void (*)(park& p);

    park() = default;
    park(const park&) = delete;
    park& operator=(const park&) = delete;

    [[nodiscard]] msg::request& req() noexcept { return req_; }
    [[nodiscard]] msg::payload& data() noexcept { return delivery_.data; }
    [[nodiscard]] std::uint32_t flags() const noexcept { return flags_; }
    [[nodiscard]] std::size_t maxlen() const noexcept { return maxlen_; }
    [[nodiscard]] std::size_t copylen() const noexcept { return copylen_; }
    [[nodiscard]] core_id home() const noexcept { return home_; }
    [[nodiscard]] unsigned references() const noexcept { return refs_; }
    [[nodiscard]] std::uint64_t id() const noexcept { return req_.head.id; }
    // Bytes that the reply carried in `out`, once it is done without error.
    [[nodiscard]] std::size_t reply_out_bytes() const noexcept { return reply_out_bytes_; }

    // Before enqueue, by the caller:
    // sets copylen and maxlen
    void set_runs(std::span<const std::byte> in, std::span<std::byte> out) noexcept {
        delivery_.data = {in, out};
        maxlen_ = sizeof(msg::request) + std::max(in.size(), out.size());
        copylen_ = sizeof(msg::request) + in.size();
    }
    void setfaf(); // panics if CALL (F10)
    // copylen = maxlen - delta; panics unless delta < maxlen (F11)
    void setdelta(std::size_t delta);
    // class bits only (F12)
    void setinfo(msg::opclass c, std::uint32_t type, msg::cookie node) noexcept {
        req_.head.opclass = static_cast<std::uint32_t>(c) & msg::opclass_mask;
        req_.head.optype = type;
        req_.head.node = node;
    }
    void setcall(callback fn, void* arg); // panics unless WANTREPLY (F13)
    void set_release_hook(release_hook fn) noexcept { release_hook_ = fn; }

    void* owner = nullptr; // free for the front end that allocated the park

  private:
    friend class puffs_mount;
    friend class shard;

    // constant after construction
    core_id home_ = no_core;
    std::uint32_t slot_ = 0; // of the home core's table: part of the id
    puffs_mount* mount_ = nullptr;

    // the caller's before enqueue, the server's between getout and reply, the home core's otherwise
    msg::delivery delivery_; // the message to the server's port (H6)
    msg::request req_;

    // owned by the home core
    question asked_;
    std::size_t maxlen_ = sizeof(msg::request), copylen_ = sizeof(msg::request);
    std::size_t reply_out_bytes_ = 0;
    const translated_operation* older_ = nullptr; // its row, if its twin goes out (F2)
    std::uint32_t flags_ = 0;
    std::uint32_t refs_ = 0;
    std::uint32_t generation_ = 0; // of the slot: grows at each enqueue that wants a reply
    int rv_ = 0;
    bool taken_ = false;    // state T
    bool answered_ = false; // D by a reply of the server that was believed (F27)
    callback call_ = nullptr;
    void* call_arg_ = nullptr;
    release_hook release_hook_ = nullptr;
    lwkt::thread* waiter_ = nullptr;            // sleeps in wait()
    lwkt::thread* drainer_ = nullptr;           // is inside the server's put with it
    std::uint64_t enqueued_ = 0;                // ticks
    operation_kind kind_ = 0;                   // of the request on its way
    boost::intrusive::list_member_hook<> hook_; // touser or free list
    ipi::thread_post post_;                     // way home for a reply that is given elsewhere
};

} // namespace puffs::kmod
