// ipi/send.hh - ways to make another core run a function.
//
//   trigger, trigger_multi    a registered handler, coalesced: many triggers, at least one run after
//                             the last (I5, I6)
//   unicast, multicast,       a function on each of a set, with a count to wait for; the message
//   broadcast, wait           lives on the caller's stack (I9-I13)
//   send, send_passive,       a function through the pair's ring, in order for the pair,
//   send_nowait, wait_sent,   asynchronous (Q1-Q6, Q10)
//   synchronize
//
// Requires:   all: the calling code runs as a cpu, in a critical section, so that it cannot change
//             core (spec I16, death otherwise). Calls from ordinary threads: see post_from_thread.
// Blocks:     where a mailbox or ring is full, and in the waits: the core, which serves its own
//             IPIs meanwhile. wait_sent and synchronize panic inside a handler: two handlers that
//             wait for each other's rings would never end.
// Full:       a ring above half: the target is kicked, the event counted, and the sender serves its
//             own IPIs until it is below a quarter; a sender inside a handler only takes them aside
//             (Q3). A full mailbox: counted once, then as above until a slot is free (I8, I15). Both for as long
//             as it takes, with a warning in the log from time to time: what may meet a core that does not poll, and
//             must not wait with it, is posted (post_from_thread) or given up (send_nowait).
// Errors:     a wait for an answer (wait, wait_sent, synchronize) that takes longer than domain::waits() panics (Q6).
// Threading:  the function runs on the target core with intr_nest raised, in a critical section; it
//             must not block.
// Source:     NetBSD subr_ipi.c, DragonFly lwkt_ipiq.c (ideas).
#pragma once

#include "puffs/base/core_set.hh"
#include "puffs/ipi/cpu.hh"
#include "puffs/ipi/domain.hh"

#include <cstdint>

namespace puffs::ipi {

void trigger(unsigned id, core_id target) noexcept;                // target is another core
void trigger_multi(unsigned id, const core_set& targets) noexcept; // self included: runs here, now

// unicast - posts to another core; `m` stays valid until wait(m) returned.
void unicast(sync_message& m, core_id target) noexcept;
// multicast - posts to each other member, then runs the function here if this core is a member.
void multicast(sync_message& m, const core_set& targets) noexcept;
void broadcast(sync_message& m) noexcept;
// wait - until every target has finished the function; serves own IPIs meanwhile.
void wait(sync_message& m) noexcept;

// send - appends to the ring towards `target` and makes it poll; on the core itself the function
// runs at once.
// Returns:  a sequence number for wait_sent.
std::uint64_t send(core_id target, ipi_function f, void* arg, std::intptr_t value = 0) noexcept;
// send_passive - as send to another core, without a kick: served at the target's next poll or tick
// (spec Q4).
std::uint64_t send_passive(core_id target, ipi_function f, void* arg,
                           std::intptr_t value = 0) noexcept;
// send_nowait - false, and nothing queued, when the ring is above two thirds full (spec Q5; the
// errno is enoent).
[[nodiscard]] bool send_nowait(core_id target, ipi_function f, void* arg,
                               std::intptr_t value = 0) noexcept;
// wait_sent - until the function with that sequence number has returned on `target` (spec Q6).
void wait_sent(core_id target, std::uint64_t sequence) noexcept;
// synchronize - until every other core has run everything that this core has sent to it by a ring (spec Q10).
void synchronize() noexcept;

// post_from_thread - the way for what must not wait for room (messages, requests to threads), and the door for
// ordinary threads: runs f(arg, value) on `target` soon, with intr_nest raised as for any other IPI. Any thread, also a
// cpu's own. Lock-free; never full, allocates nothing: the caller brings the node, which belongs to the target's inbox
// until f starts. Oldest first, and after what the same cpu sent by its ring before.
struct thread_post {
    ipi_function function = nullptr;
    void* arg = nullptr;
    std::intptr_t value = 0;
    thread_post* next = nullptr;
};
void post_from_thread(cpu& target, thread_post& node) noexcept;

} // namespace puffs::ipi
