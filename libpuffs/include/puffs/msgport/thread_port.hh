// msgport/thread_port.hh - the port of one light thread: no lock, messages reach its core by IPI.
//
// Ownership:  embedded in its owner thread (P17); type-stable memory (L29).
// Threading:  put and reply from any core, not from ordinary threads, which reply through a spin
//             port (H10); get, wait and drop only by the owner thread (panic otherwise, D3).
//             putport_oncpu only on the owner's core (P5).
// Full:       never: a message brings the link by which it travels.
// Ordering:   FIFO for each sending core; DONE is set on the owner's core only (D2).
// Source:     DragonFly lwkt_msgport.c, lwkt_thread_*port (idea).
#pragma once

#include "puffs/msgport/msg_queue.hh"
#include "puffs/msgport/port.hh"

namespace puffs::msgport {

class thread_port final : public port {
  public:
    // Lifetime:  `owner` embeds or outlives the port; its on_core() is a core, never no_core.
    thread_port(const char* name, waiter& owner) noexcept : port(name), owner_(owner) {}

    int putport(msg& m) override;
    int putport_oncpu(msg& m) override;
    msg* getport() override;
    msg* waitport(sleep_flags flags) override;
    int waitmsg(msg& m, sleep_flags flags) override;
    void replyport(msg& m) override;
    int dropmsg(msg& m) override;

  private:
    static void put_arrives(void* m, std::intptr_t port_address);
    static void reply_arrives(void* m, std::intptr_t port_address);
    void enqueue(msg& m);
    void finish_reply(msg& m);
    void sleep(sleep_flags flags);
    void wake();
    void assert_owner(const char* call) const;

    waiter& owner_;        // constant after construction
    msg_queue queue_;      // owned by the owner's core
    bool waiting_ = false; // owned by the owner's core; set and cleared by the sleeper (D3, D14)
};

} // namespace puffs::msgport
