// lwkt/sched_private.hh - what the sources of this layer share: a core's run queues, and the steps of scheduling.
//
// Threading:  everything but request() and request_arrives(): the owner core, in a critical section.
#pragma once

#include "puffs/base/assert.hh"
#include "puffs/base/bump.hh"
#include "puffs/lwkt/core.hh"
#include "puffs/lwkt/sched.hh"
#include "puffs/lwkt/thread.hh"
#include "puffs/lwkt/wait_queue.hh"

#include <array>
#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <optional>
#include <vector>

namespace puffs::lwkt {

struct core::implementation {
    using thread_list = boost::intrusive::list<
        thread,
        boost::intrusive::member_hook<thread, boost::intrusive::list_member_hook<>, &thread::hook_>,
        boost::intrusive::constant_time_size<false>>;

    explicit implementation(const core_options& o) : options(o) {}

    // constant after construction
    const core_options options;

    // owned by the core: run queues (L2-L6)
    std::array<thread_list, priority::levels> queues;
    std::uint32_t queue_mask = 0; // a non-empty queue has its bit set; a set bit may be stale (L5)
    thread* exiting =
        nullptr; // left its stack for good; the context that comes next reaps it (L29)
    switch_context loop;
    int loop_crit_count = 0;
    unsigned budget_left = 0; // switches until the loop looks at its sources again
    bool stepping = false;

    // owned by the core: threads
    std::vector<thread*>
        threads;       // all that were ever made; freed by the core's destructor (type-stable)
    thread_list cache; // exited, with a stack of the default size
    std::size_t cached_count = 0;
    thread_list bare; // exited, without a stack

    // owned by the core: ingress
    std::vector<ingress*> ingresses;
    std::size_t next_ingress = 0; // where the next look begins, so that no source starves another
    std::vector<thread*> idle_workers;
    thread* leader =
        nullptr; // the worker that takes the next piece; it may be blocked in the last one
    unsigned workers_count = 0;
    std::optional<timer> worker_retry; // armed after a worker could not be made

    std::atomic<bool> stop{false}; // seq_cst in request_stop and run (T5)
};

// What another core or thread asks of a light thread; bits of thread::remote_requests_.
enum remote_request : std::uint64_t {
    ask_schedule = 1,
    ask_deschedule = 2,
    ask_deschedule_last = 4, // the deschedule came after the schedule
    ask_signal = 8,
    ask_priority = 16,
    ask_tokens = 32,        // what it waits for may be had
    ask_priority_shift = 8, // from here: 5 bits of priority, then the critical levels to add
};

struct sched {
    static core::implementation& of(core& c) noexcept { return *c.impl_; }
    static thread& running(core& c) noexcept {
        thread* const td = c.running_.load(std::memory_order_relaxed);
        PUFFS_ASSERT(td != nullptr, "this is not a light thread");
        return *td;
    }
    static thread& not_waiting(thread& td) noexcept { // L16
        PUFFS_ASSERT(td.wait_.load(std::memory_order_relaxed) == nullptr,
                     "a thread changes its own place while it is on a wait queue");
        return td;
    }
    // Leaves a critical section right after a switch: what was pending has just been served, the rest waits for the
    // next poll. A crit_exit() here could switch again, and again, each time deeper on this stack.
    static void leave_after_switch(core& c) noexcept { c.set_crit_count(c.crit_count() - 1); }

    // Run queues: run_queue.cc
    static void
    enqueue(core& c,
            thread& td) noexcept; // asks for a switch if td outranks the running thread (L3)
    static void dequeue(core& c, thread& td) noexcept;
    // td is interrupted, not out of its turn: it goes on before its equals (L13).
    static void keep_turn(core& c, thread& td) noexcept;
    // td stays scheduled, behind all its equals, also those that came while it ran (L15).
    static void give_turn(core& c, thread& td) noexcept;
    static bool runnable(const core& c) noexcept;
    // Requires crit count > 0. Returns when td is chosen again: the core it is on then (T2).
    static core& switch_from(core& c, thread& td) noexcept;
    // Runs `target`, a switched-out thread of this core, on top of the running thread until it switches (L8). Whether
    // that is allowed is its caller's business. Requires crit count > 0.
    static void run_on_top(core& c, thread& target) noexcept;
    // From the loop, until none is runnable or the budget is spent; false if none ran.
    static bool run_threads(core& c) noexcept;
    // First thing after every switch.
    static void arrived(core& c) noexcept {
        PUFFS_ASSERT(c.crit_count() > 0, "a switched-out context is in a critical section");
        if (of(c).exiting != nullptr) {
            reap_exited(c);
        }
    }

    // Local halves of the calls: sched.cc
    static void schedule_here(core& c, thread& td) noexcept;
    static void deschedule_here(core& c, thread& td) noexcept;
    static void set_priority_here(core& c, thread& td, int pri) noexcept;
    static void signal_here(core& c, thread& td) noexcept;
    static void leave_wait_queue(thread& td) noexcept;

    // Requests from elsewhere: remote.cc. [any]
    static void request(thread& td, std::uint64_t ask) noexcept;
    static void request_arrives(void* td, std::intptr_t unused);

    // Life: life.cc
    static result<thread*> create(core& c, thread::function entry, void* arg, std::string_view name,
                                  const create_options& o);
    static void leave_for_good(core& c,
                               thread& td) noexcept; // does not return to its caller's stack
    static void reap(core& c, thread& td) noexcept;
    static void recycle(core& c, thread& td) noexcept;
    static void free_thread(thread* td) noexcept;

    // Tokens: token.cc. While a thread with td_tokens is not running it has given up its tokens, or takes them.
    static void wait_for_token(token& t) noexcept; // the running thread's; ends with all its tokens
    static void give_up_tokens(thread& td) noexcept;
    // False: td waits for one, and has left the run queue until it is called.
    static bool take_tokens(core& c, thread& td) noexcept;
    static void abandon_tokens(thread& td) noexcept; // td is not to run after all
    static void tokens_call_here(core& c, thread& td) noexcept;
    static void call_for_tokens(thread& td) noexcept; // from any core
    static void ask_to_look(core& holders, thread& td) noexcept;
    static void look_arrives(void* td, std::intptr_t unused);

    // Ingress: workers.cc
    static bool dispatch_ingress(core& c);
    static bool
    ingress_waits(const core& c) noexcept; // some source is ready and a worker can be had for it
    static void dismiss_workers(core& c) noexcept;

    static void set_current_waiter(thread* td) noexcept { thread::set_current(td); }
    static sched_counters& counters(core& c) noexcept { return c.sched_stats_; }
    static unsigned& live(core& c) noexcept { return c.live_threads_; }

  private:
    static thread* head(core& c) noexcept;
    static void to_tail(core& c, thread& td) noexcept;
    static thread* pick(core& c) noexcept;
    static thread* pick_with_tokens(core& c) noexcept;
    static core& leave_to(core& c, thread& td, thread* next, bool dies) noexcept;
    static void push_tail(core& c, thread& td) noexcept;
    static void poll(core& c) noexcept;
    static void reap_exited(core& c) noexcept;
    static thread* allocate(core& c, bool with_cached_stack);
    static void thread_main(void* td) noexcept;
    static void worker_main(void* unused);
    static ingress* next_ready(core& c) noexcept;
    static thread* new_worker(core& c);
    static void park_worker(core& c, thread& td) noexcept;
};

// The core that runs this code, with one call; read anew after anything that may switch (T2).
inline core& this_core() noexcept {
    return static_cast<core&>(*ipi::cpu::current_or_null());
}

} // namespace puffs::lwkt
