// lwkt/thread.hh - a light-weight thread: a stack, a priority, a message port, a place on at most
// one queue.
//
//   state        | on queue | RUNQ | how it leaves
//   running      | run      | set  | switch (stays queued), deschedule + switch (blocks), exit
//   runnable     | run      | set  | chosen by the scheduler
//   waiting      | wait     | -    | signalled: unlinked, then scheduled
//   descheduled  | none     | -    | schedule
//   exited       | none     | -    | reaped after its last switch; then cached or freed (L29)
//
// Units:      priorities 0 (idle) to 31; higher runs first (L23).
// Ownership:  threads belong to the core that created them; memory is type-stable until the core is
//             destroyed (L29, K4).
// Threading:  functions without a note: the owner core. schedule, deschedule, set_priority,
//             post_signal: any core, any ordinary thread; from elsewhere they travel by IPI and
//             chase the thread (L19-L21): return does not mean done.
// Source:     DragonFly lwkt_thread.c (idea); differs: priority and critical count are two fields
//             (L21).
#pragma once

#include "puffs/base/waiter.hh"
#include "puffs/ipi/send.hh"
#include "puffs/lwkt/stack.hh"
#include "puffs/lwkt/token.hh"
#include "puffs/msgport/thread_port.hh"

#include <atomic>
#include <boost/intrusive/list_hook.hpp>
#include <cstdint>
#include <string_view>

namespace puffs::lwkt {

class core;
class wait_queue;

// What a light thread works on, in two words whose meaning is that of whoever gave it the work; `what` is 0 while it
// works on nothing. Relaxed: the thread writes, a watchdog reads and believes what it reads twice.
struct work_note {
    std::atomic<std::uint64_t> what{0}, on{0};
};

// Priorities (L23).
namespace priority {
inline constexpr int idle_work = 1, request = 10, server = 12, sop = 12, ingress = 14, timers = 16,
                     exiting = 19, support = 20, interrupt_low = 27, interrupt_high = 29, max = 31;
inline constexpr int levels = 32;
} // namespace priority

enum thread_flag : std::uint32_t { // owner core only (L31)
    td_running = 0x01,
    td_exited = 0x02,
    td_runq = 0x04,
    td_stopreq = 0x08, // created, not scheduled
    td_allocated_thread = 0x10,
    td_allocated_stack = 0x20,
    td_verbose = 0x40,
    td_sintr = 0x80,         // in an interruptible wait
    td_preempt_lock = 0x200, // preempts, or is preempted
    td_preempt_done = 0x400, // the one that preempted it has switched away
    td_tokens = 0x800,       // has taken tokens, or waits for some
    td_fenced = 0x100, // exited, kept from reuse while a request of another core is on its way
};

class thread final : public waiter {
  public:
    using function = void (*)(void* arg);
    static constexpr std::size_t name_bytes_max = 31; // longer names are truncated

    // The running light thread; null in a core's loop and on ordinary threads.
    [[nodiscard]] static inline thread* current_or_null() noexcept; // lwkt/core.hh
    [[nodiscard]] static thread& current() noexcept;

    [[nodiscard]] std::string_view name() const noexcept { return name_; }
    [[nodiscard]] core& owner() const noexcept { return *core_.load(std::memory_order_relaxed); }
    [[nodiscard]] int priority() const noexcept { return priority_; }
    [[nodiscard]] std::uint32_t flags() const noexcept { return flags_; }
    [[nodiscard]] work_note& note() noexcept { return note_; }             // its own
    [[nodiscard]] const work_note& note() const noexcept { return note_; } // any thread
    [[nodiscard]] msgport::thread_port& port() noexcept { return port_; }  // td_msgport (P17)

    // Any core or thread. A signal number 1..64; important ones (INT TERM KILL HUP QUIT) end
    // interruptible waits.
    void post_signal(int number) noexcept;
    void clear_signals() noexcept;
    // Replaces the mask of blocked signals, returns the old one (bit number-1).
    std::uint64_t set_signal_mask(std::uint64_t mask) noexcept;

    // waiter
    void arm() noexcept override;
    void disarm() noexcept override;
    void sleep(sleep_flags flags) noexcept override;
    void wake() noexcept override;
    [[nodiscard]] int pending_signal() const noexcept override;
    [[nodiscard]] core_id on_core() const noexcept override;

  private:
    friend class core;
    friend class token;
    friend class wait_queue;
    friend struct sched;       // the scheduling calls of lwkt/sched.hh
    friend struct thread_test; // tests: puts a thread into states that no call leads to
    explicit thread(core& owner) noexcept;
    ~thread() = default;

    // constant after creation
    char name_[name_bytes_max + 1] = {};
    function entry_ = nullptr;
    void* arg_ = nullptr;

    // owned by the owner core
    std::uint32_t flags_ = 0;
    int priority_ = 0;
    int crit_count_ = 1; // saved at a switch; every switched-out thread has at least 1 (L6)
    thread* preempted_ =
        nullptr;         // runs on top of that one, and goes back to it at its first switch (L8)
    bool woken_ = false; // scheduled since arm(): the next sleep() returns at once (D14)
    bool usual_stack_ = false; // of the core's default size: only such are cached
    stack stack_;
    switch_context context_; // where it goes on
    msgport::thread_port port_;

    // The place on a queue: run queue and cache are the owner core's, a wait queue's is guarded by its lock.
    boost::intrusive::list_member_hook<> hook_; // at most one (V8)
    std::atomic<wait_queue*> wait_{
        nullptr}; // written under the queue's lock; release pairs with acquire in schedule
    int wait_message_ =
        0; // under the queue's lock: non-zero while it must stay asleep in block (K2, B22)

    // atomic
    work_note note_;
    std::atomic<core*> core_; // changes only by migration
    std::atomic<std::uint64_t> signals_{
        0}; // release in post_signal pairs with acquire in pending_signal
    std::atomic<std::uint64_t> signal_mask_{
        0}; // relaxed: written and read by the thread itself and its core
    // What others have asked of this thread and is not yet done; zero: no request is on its way (L19, L29). Acq_rel RMW
    // by the asker and by the handler that takes all of it. The asker that finds zero posts schedule_post_.
    std::atomic<std::uint64_t> remote_requests_{0};
    ipi::thread_post
        schedule_post_; // belongs to the target's inbox from the post until the handler starts

    held_tokens tokens_{*this};
};

} // namespace puffs::lwkt
