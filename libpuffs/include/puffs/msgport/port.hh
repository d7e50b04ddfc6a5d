// msgport/port.hh - what every kind of port can do, and the calls that senders and receivers use.
//
// A port kind overrides the vectors; the free functions below hold the rules that all kinds share.
// A kind that cannot do something panics naming the port and the call.
//
// Threading:  see each kind: thread_port.hh, core_port.hh, spin_port.hh, simple_ports.hh.
// Blocks:     waitport, waitmsg and domsg block the calling waiter (light thread or ordinary
//             thread), never a core.
// Errors:     positive errno as the message's error; what waiter::pending_signal says (eintr) only where
//             the caller asked for PCATCH.
// Source:     DragonFly lwkt_msgport.c (ideas), spec section 1.
#pragma once

#include "puffs/base/waiter.hh"
#include "puffs/msgport/msg.hh"

namespace puffs::msgport {

class port {
  public:
    explicit port(const char* name) noexcept : name_(name) {}
    port(const port&) = delete;
    port& operator=(const port&) = delete;
    virtual ~port() = default;

    [[nodiscard]] const char* name() const noexcept { return name_; }

    // putport - takes `m` over (returns easync) or completes it now (returns its error). Caller:
    // sendmsg_start, domsg and forwardmsg only, which give the error as a reply.
    virtual int putport(msg& m);
    // putport_oncpu - as putport; the caller promises to run on the port's core (P5).
    virtual int putport_oncpu(msg& m);
    // getport - oldest priority message, else oldest ordinary one, else null (P9). Never blocks.
    virtual msg* getport();
    // waitport - sleeps until non-empty, then as getport; null only with PCATCH and a signal (P10).
    virtual msg* waitport(sleep_flags flags);
    // waitmsg - on the reply port: sleeps until `m` is done; unlinks it; returns its error (P11,
    // P12).
    virtual int waitmsg(msg& m, sleep_flags flags);
    // replyport - `m` comes back to its originator through this port. Caller: replymsg only.
    virtual void replyport(msg& m);
    // dropmsg - on the target port: takes an unserved message back (P14). 0 or enoent.
    virtual int dropmsg(msg& m);

  protected:
    [[noreturn]] void unsupported(const char* call) const;

  private:
    const char* const name_;
};

// initmsg family: members of msg.

// sendmsg - asynchronous: the result always arrives at the reply port, also when the target
// completes at once (P2).
void sendmsg(port& target, msg& m);
// never an IPI; the caller runs on the port's core (P5)
void sendmsg_oncpu(port& target, msg& m);
void sendmsg_prepare(msg& m);             // first half: flags (P3)
void sendmsg_start(port& target, msg& m); // second half: put, reply if completed (P4)
// domsg - synchronous: returns the final error; never easync (P6).
int domsg(port& target, msg& m, sleep_flags flags = sleep_flags::none);
// replymsg - exactly once a send; by the current owner (P8).
void replymsg(msg& m, int error);
// waitmsg - for replies only: waits on the message's reply port (P11).
int waitmsg(msg& m, sleep_flags flags = sleep_flags::none);
int dropmsg(msg& m);
// forwardmsg - hands a message that is being served to another port; its reply port stays (P15).
void forwardmsg(port& target, msg& m);
// abortmsg - calls the abort function if the message is abortable and neither done nor replied
// (P16).
void abortmsg(msg& m);

} // namespace puffs::msgport
