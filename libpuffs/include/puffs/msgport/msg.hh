// msgport/msg.hh - a message: what one thread asks of another, and the flags that say whose it is.
//
//   state      | owner         | sendmsg  | getport   | replymsg  | waitmsg         | dropmsg
//   idle (DONE)| originator    | queued   | -         | invalid   | returns at once | enoent
//   in transit | nobody        | invalid  | -         | invalid   | waits           | enoent
//   queued     | target port   | invalid  | serving   | invalid   | waits           | idle
//   serving    | receiver      | invalid  | -         | replied   | waits           | enoent
//   replied    | reply port    | invalid  | idle      | invalid   | idle            | enoent
//
// Units:      error is 0 or a positive errno.
// Ownership:  one owner at a time: originator before send and after reply, target from put to
//             reply; nobody in transit (spec M1). The flags say who it is, and every call of this
//             layer checks them.
// Threading:  fields and flags are written by the owner only, flags without read-modify-write; who
//             sleeps on a message is recorded in its reply port, not in the flags (M12). Flags are
//             atomic for the originator, which polls DONE, and for chasers, which read them and
//             the target pointer at any time (M9).
// Ordering:   DONE is stored with release after error and result, and read with acquire (M5, M7).
// Errors:     misuse (double send, double reply, put while linked) panics.
// Source:     DragonFly sys/msgport.h (idea); differs: DONE is set only on the reply port's side
//             (D2, B4).
#pragma once

#include "puffs/base/assert.hh"
#include "puffs/ipi/send.hh"

#include <atomic>
#include <boost/intrusive/list_hook.hpp>
#include <cstdint>

namespace puffs::msgport {

class port;
class msg;

enum msg_flag : std::uint32_t {
    msg_done = 0x0001,      // in the originator's hands (M7)
    msg_reply = 0x0002,     // replying has begun (M8)
    msg_queued = 0x0004,    // linked on the target's or the reply port's queue (M9)
    msg_sync = 0x0008,      // the originator waits on the message itself (M10)
    msg_intransit = 0x0010, // inside an IPI (M11)
    msg_dropable = 0x0100,  // static (M13)
    msg_abortable = 0x0200, // static (M14)
    msg_priority = 0x0400,  // static while linked (M15)
    msg_receipt = 0x0800,   // the receipt function is due (M16)
    msg_static = msg_dropable | msg_abortable | msg_priority,
    msg_user0 = 0x00010000, // high 16 bits: free for handlers, never read or cleared here (M17)
    msg_user_mask = 0xffff0000,
};

// Returned by a port's put for "taken over, the reply comes later"; outside the range of errnos
// (P7).
inline constexpr int easync = 0x10000;

using abort_function = void (*)(msg&);
using receipt_function = void (*)(msg&, port&);

union msg_result {
    void* pointer;
    int number;
    long long_number;
    int descriptors[2];
    std::uint32_t u32;
    std::uint64_t u64;
    std::int64_t offset;
};

class alignas(8) msg {
  public:
    msg() = default;
    msg(const msg&) = delete;
    msg& operator=(const msg&) = delete;

    // init - flags become DONE plus the given static ones; reply port, abort and receipt functions
    // are set; user flags (M17) and every other field are left alone (P1). Panics while the message
    // is sent.
    // Lifetime:  `reply_port` outlives every send of the message.
    void init(port& reply_port, std::uint32_t static_flags = 0) noexcept;
    void init_abortable(port& reply_port, abort_function fn,
                        std::uint32_t static_flags = 0) noexcept;
    void reinit() noexcept; // keeps only the static and the user bits
    // set_receipt - fn(message, port) is called once in the next send, by whoever has put the message on its target's
    // queue; not at all if the target completes it at once (M16). Null: nobody is told.
    // Requires:  the message is the caller's, and not sent.
    // Context:   where nobody else can take the message from the queue and give it back to be freed: on a core in a
    //            critical section, as an IPI handler (blocking panics), and on a spin port under the port's lock. So fn
    //            is short, and calls neither the port nor anything that waits.
    void set_receipt(receipt_function fn) noexcept;

    [[nodiscard]] std::uint32_t flags() const noexcept {
        return flags_.load(std::memory_order_acquire);
    }
    [[nodiscard]] bool done() const noexcept { return (flags() & msg_done) != 0; } // checkmsg (P13)
    [[nodiscard]] port* target() const noexcept { return target_.load(std::memory_order_acquire); }
    [[nodiscard]] port* reply_port() const noexcept { return reply_port_; }

    // Owner, like every other field.
    void set_user_flags(std::uint32_t bits) noexcept;
    void clear_user_flags(std::uint32_t bits) noexcept;

    int error = 0;          // owner; 0 or a positive errno (M5)
    msg_result result = {}; // owner (M6)

    boost::intrusive::list_member_hook<> node; // on at most one queue (M2)

  private:
    friend class port;
    friend struct port_access; // the port kinds of this layer
    std::atomic<port*> target_{nullptr};
    port* reply_port_ = nullptr;
    ipi::thread_post travel_; // in transit: its place in the inbox of the core it goes to
    abort_function abort_ = nullptr;
    receipt_function receipt_ = nullptr;
    std::atomic<std::uint32_t> flags_{msg_done};
};
static_assert(sizeof(msg) <= 128, "a message fits two cache lines (G1)");

} // namespace puffs::msgport
