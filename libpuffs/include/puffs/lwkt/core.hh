// lwkt/core.hh - one core: its run queues, its loop, the sources of its work.
//
// The loop of a core, one turn of which is step(): serve pending IPIs, expire timers, run threads
// (up to a budget), take new work from ingress sources when nothing is runnable or the budget is
// spent, and, in run(), sleep in the event source after publishing that it sleeps (spec H2, T5). A
// pinned thread calls run(); tests call step().
//
// Units:      budget in switches.
// Ownership:  a core owns its threads and stacks; it refers to its clock, event source and ingress
//             sources, which outlive it or are detached.
// Threading:  owner: the code that runs as this core. Calls marked [any] from any thread.
// Errors:     misuse panics.
// Source:     DragonFly lwkt_thread.c (idea); differs: no lock anywhere, other cores ask by message
//             (L1).
#pragma once

#include "puffs/base/assert.hh"
#include "puffs/base/clock.hh"
#include "puffs/ipi/cpu.hh"
#include "puffs/lwkt/thread.hh"
#include "puffs/lwkt/timer.hh"

#include <array>
#include <atomic>
#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

namespace puffs::lwkt {

class offload_pool;
class ring;

// Where a core sleeps and what wakes it: lwkt::ring on real cores, the harness's own in tests.
class event_source {
  public:
    virtual ~event_source() = default;
    // Delivers completed events without sleeping; true if there were any. Owner.
    virtual bool poll() noexcept = 0;
    // Sleeps until an event, wake(), or `deadline` if not null; delivers events. Owner; after
    // publish_asleep().
    virtual void sleep(const instant* deadline) noexcept = 0;
    // The ring that this is, for lwkt::io; null for others.
    [[nodiscard]] virtual ring* as_ring() noexcept { return nullptr; }
    virtual void wake() noexcept = 0; // [any] ends the current or next sleep()
};

// Where new work comes in. Work runs on the core's worker threads: a worker that blocks is replaced
// by the next idle one, one that does not block takes the next piece itself (leader and followers,
// spec H3).
class ingress {
  public:
    virtual ~ingress() = default;
    [[nodiscard]] virtual bool ready() noexcept = 0; // owner; cheap
    // on a worker; takes and runs one piece of work, may block the worker
    virtual void run_one() noexcept = 0;
};

struct core_options {
    std::size_t stack_bytes = limits::stack_bytes;
    std::size_t cached_threads = limits::cached_threads;
    unsigned switch_budget = 64; // switches between two looks at ingress
    unsigned workers_max = 1024; // worker threads of this core; beyond: work stays in its source
};

struct sched_counters { // owner writes, relaxed; [any] reads
    std::atomic<std::uint64_t> switches{0}, created{0}, reused{0}, remote_schedules{0}, sleeps{0},
        worker_takeovers{0};
};

class core final : public ipi::cpu {
  public:
    core(ipi::domain& d, core_id id, const clock& c, event_source& events,
         const core_options& options = {});
    // no thread runs; threads that have not exited are a leak and panic in debug builds
    ~core() override;

    [[nodiscard]] static core& current() noexcept {
        return static_cast<core&>(ipi::cpu::current());
    }
    [[nodiscard]] static core* current_or_null() noexcept {
        return static_cast<core*>(ipi::cpu::current_or_null());
    }

    // One turn; true if anything was done. Owner: the caller becomes this core for the duration.
    bool step();
    // Turns until stop_requested(); sleeps when idle.
    void run();
    void request_stop() noexcept; // [any]

    [[nodiscard]] instant now() const noexcept { return clock_.now(); }
    [[nodiscard]] timer_queue& timers() noexcept { return timers_; }
    [[nodiscard]] const sched_counters& sched_stats() const noexcept { return sched_stats_; }
    [[nodiscard]] event_source& events() noexcept { return events_; }
    // The threads that lwkt::offload hands its work to. Set before the core runs; a core that has none panics.
    void set_offload(offload_pool& pool) noexcept { offload_ = &pool; }
    [[nodiscard]] offload_pool& offload_threads() const noexcept {
        PUFFS_ASSERT(offload_ != nullptr, "a core without a pool is asked to offload");
        return *offload_;
    }
    [[nodiscard]] bool idle() const noexcept; // nothing runnable, pending or expired
    // [any]; null: the loop runs, or nothing.
    [[nodiscard]] const thread* running_thread() const noexcept {
        return running_.load(std::memory_order_acquire);
    }
    [[nodiscard]] unsigned live_threads() const noexcept { return live_threads_; }

    void attach(ingress& in);
    void detach(ingress& in); // requires: none of its work is running

    // How much work waits at the core's ingresses: what those of them say whose work nobody else would take. Owner.
    void work_came() noexcept { ++waiting_work_; }
    void work_taken(unsigned count = 1) noexcept { waiting_work_ -= count; }
    [[nodiscard]] unsigned waiting_work() const noexcept { return waiting_work_; }

    // Applies f to every live thread of the core, for listings.
    void for_each_thread(const std::function<void(const thread&)>& f) const;

  private:
    friend struct sched;
    friend class wait_queue;
    friend class thread;
    friend struct thread_test;
    bool turn();
    void ring_doorbell() noexcept override;
    void serve_requests() noexcept override;

    struct implementation; // run queues, loop context, cache, workers: core.cc
    // Null: the core's loop. Only a watchdog reads it from elsewhere, and believes what it reads twice; release: it may
    // be the first to see the thread.
    std::atomic<thread*> running_{nullptr};
    std::unique_ptr<implementation> impl_;
    const clock& clock_;
    event_source& events_;
    timer_queue timers_;
    sched_counters sched_stats_;
    unsigned live_threads_ = 0;
    unsigned waiting_work_ = 0;
    offload_pool* offload_ = nullptr;
};

inline thread* thread::current_or_null() noexcept {
    const core* const c = core::current_or_null();
    return c == nullptr ? nullptr : c->running_.load(std::memory_order_relaxed);
}

} // namespace puffs::lwkt
