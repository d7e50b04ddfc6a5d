// ipi/cpu.hh - the part of a core that other cores talk to: pending word, mailbox, rings; critical
// sections.
//
// A cpu is one core of a runtime as the inter-processor layers see it; lwkt::core adds threads to
// it. A domain is the set of cpus that can reach each other, together with the table of registered
// handlers. Messages carry no interrupt: they are served when the target polls, which it does at
// the end of its outermost critical section, at each switch, when idle, and in every wait loop of
// this layer.
//
// Units:      core_id from 0; 32 pending bits (bit 0 mailbox, bit 1 rings, 2..31 registered
//             handlers, spec I2).
// Ownership:  a domain owns nothing; cpus are owned by the runtime (or the harness) and outlive
//             their domain's use.
// Threading:  functions say "owner" (the code that runs as this cpu), "remote" (any other cpu) or
//             "any".
// Ordering:   a request is published by fetch_or(seq_cst) on the pending word and read by
//             exchange(acq_rel); everything written before the request is visible to its handler.
// Errors:     misuse asserts.
// Source:     NetBSD subr_ipi.c, DragonFly lwkt_ipiq.c (ideas); differs: polling instead of
//             interrupts, seq_cst instead of load-then-or (spec I5, B11), unregister acknowledged
//             after the pass (I4, B12).
#pragma once

#include "puffs/base/core_set.hh"
#include "puffs/base/limits.hh"
#include "puffs/base/thread_safety.hh"
#include "puffs/ipi/ipiq.hh"
#include "puffs/ipi/mailbox.hh"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>

namespace puffs::ipi {

class domain;
struct thread_post;

// Per-core counters (spec T15): written by the owner with relaxed stores, summed by readers.
struct counters {
    std::atomic<std::uint64_t> kicks{0};        // doorbells that this cpu rang at others
    std::atomic<std::uint64_t> avoided{0};      // sends that found the target awake
    std::atomic<std::uint64_t> mailbox_full{0}; // I15
    std::atomic<std::uint64_t> ring_full{0};    // Q3
    std::atomic<std::uint64_t> handled{0};      // functions run for other cores
};

class cpu {
  public:
    cpu(domain& d, core_id id);
    virtual ~cpu();
    cpu(const cpu&) = delete;
    cpu& operator=(const cpu&) = delete;

    // The cpu whose code this is, or null on an ordinary thread. Read it anew after anything that
    // may switch (spec T2).
    [[nodiscard]] static cpu* current_or_null() noexcept { return current_; }
    [[nodiscard]] static cpu& current() noexcept { // asserts that there is one
        cpu* const c = current_;
        PUFFS_ASSERT(c != nullptr, "called from a thread that is not a core");
        return *c;
    }
    static void set_current(cpu* c) noexcept; // scheduler loop and harness only

    [[nodiscard]] core_id id() const noexcept { return id_; }
    [[nodiscard]] domain& owner_domain() const noexcept { return domain_; }
    [[nodiscard]] bool is_current() const noexcept { return current_or_null() == this; }
    void assert_here() const noexcept; // debug builds: panics unless is_current()
    [[nodiscard]] counters& stats() noexcept { return stats_; }

    // Critical sections (spec T3, L12). Owner only. While the count is above 0 nothing is served on
    // this cpu except in an explicit wait. The count belongs to the running thread: the scheduler
    // saves and restores it at a switch.
    void crit_enter() noexcept { ++crit_count_; }
    // The outermost exit serves what is pending and may yield.
    void crit_exit() noexcept {
        PUFFS_ASSERT(crit_count_ > 0, "critical section left that was not entered");
        if (--crit_count_ == 0 && has_requests()) [[unlikely]] {
            serve_requests();
        }
    }
    // The outermost exit serves IPIs but leaves the thread running.
    void crit_exit_noyield() noexcept;
    [[nodiscard]] int crit_count() const noexcept { return crit_count_; }
    void set_crit_count(int count) noexcept { crit_count_ = count; } // scheduler only, at a switch
    [[nodiscard]] int intr_nest() const noexcept { return intr_nest_; }

    // True when serve() would do something. Owner; two loads.
    [[nodiscard]] bool has_requests() const noexcept {
        return pending_.load(std::memory_order_relaxed) != 0 || resched_;
    }
    // The next poll looks whether another thread should run: RESCHED of spec T4, by the owner for itself. There is no
    // TIMER: the loop expires timers, to which a core comes back after a bounded number of switches.
    void post_resched() noexcept { resched_ = true; }
    [[nodiscard]] bool take_resched() noexcept { return std::exchange(resched_, false); }

    // Serves the pending word until it is empty: registered handlers lowest first, mailbox, rings
    // (spec I7, Q7). Owner, crit count above 0. Handlers run with intr_nest raised and must not
    // block (spec T6). Re-entrant: a handler that waits serves what is left; the same registered
    // handler never runs inside itself, its new trigger is run after it.
    void serve_ipis() noexcept;

    // One turn of a wait loop of this layer: serves own IPIs, then lets others run: spins, then
    // yields to the operating system; under the harness, runs other virtual cores (spec I8, I13,
    // H13).
    void spin_turn(unsigned turn) noexcept;

    // Sleep handshake (spec T5). Owner: publish_asleep(); if it returns false something is pending:
    // do not sleep. After waking: publish_awake().
    [[nodiscard]] bool publish_asleep() noexcept;
    void publish_awake() noexcept;
    [[nodiscard]] bool is_asleep() const noexcept {
        return asleep_.load(std::memory_order_relaxed);
    }

    // Any thread: makes this cpu poll soon; rings the doorbell only if it has published that it
    // sleeps. The only place that wakes another core (spec I17). Returns whether the doorbell was
    // rung.
    bool kick() noexcept;

    // Any thread: sets a pending bit and kicks when the bit was clear (spec I5).
    void post(unsigned bit) noexcept;

  protected:
    // Wakes the operating-system thread that sleeps for this cpu. Any thread.
    virtual void ring_doorbell() noexcept = 0;
    // The outermost critical section was left with requests pending. Owner, crit count 0. Default:
    // serve_ipis in a critical section of its own; lwkt adds timers and rescheduling.
    virtual void serve_requests() noexcept;

  private:
    friend class domain;
    // A request asks for it dozens of times. Initial-exec: each read is one load relative to the thread's segment, so
    // that no address is there to be kept over a switch; and a switch, being a call into another object, makes the
    // compiler read the value again.
    [[gnu::tls_model("initial-exec")]] static constinit thread_local cpu* current_;

    friend struct sender; // ipi/send.cc
    friend class crit_section;

    // One entry of a ring towards this cpu that was taken and not run yet.
    struct aside {
        ipiq::entry entry;
        core_id source;
    };
    template <class F>
    void run_handler(F&& f) noexcept; // with intr_nest raised (Q8); ipi/run_handler.hh
    void serve_pass() noexcept;
    void serve_mailbox() noexcept;
    void serve_rings() noexcept;
    bool take_ring_entry(aside& out) noexcept;
    void take_thread_posts() noexcept;
    // Empties the rings towards this cpu without running anything. A handler whose send finds its
    // ring full does this instead of serving: the peer gets room, so both move on (V23), and no
    // handler is re-entered by a mere send. Limit: limits::ipi_aside.
    void take_aside() noexcept;

    // constant after construction
    domain& domain_;
    const core_id id_;

    // owned by this cpu
    int crit_count_ = 0;
    int intr_nest_ = 0;
    bool resched_ = false;
    std::uint32_t unserved_ = 0; // taken from pending_, not served yet; nested passes go on with it
    std::uint32_t running_ = 0;  // registered handlers in progress
    std::uint64_t sources_[limits::cores / 64]{}; // taken from ring_sources_, ring not found empty
    std::deque<aside> aside_;
    thread_post* posts_ = nullptr; // taken from inbox_, oldest first
    counters stats_;
    // one a sending core, indexed by its id; written by that core
    std::unique_ptr<ipiq[]> rings_in_;

    // atomic, written by other cores
    // seq_cst RMW pairs with exchange in serve
    alignas(limits::cacheline_bytes) std::atomic<std::uint32_t> pending_{0};
    std::atomic<bool> asleep_{false}; // spec T5
    // which rings may hold something
    std::atomic<std::uint64_t> ring_sources_[limits::cores / 64]{};
    // posts of ordinary threads, bit 1
    std::atomic<thread_post*> inbox_{nullptr};
    // a cache line of its own
    mailbox mailbox_;
};

// A critical section of the current cpu, for a scope; maybe_crit_section below where there may be none.
class crit_section {
  public:
    crit_section() noexcept { cpu::current().crit_enter(); }
    // The running thread may have changed core meanwhile: the accessor is read anew (spec T2).
    ~crit_section() { cpu::current_->crit_exit(); }
    crit_section(const crit_section&) = delete;
    crit_section& operator=(const crit_section&) = delete;
};

// A critical section where the caller may also be an ordinary thread, which needs none.
class maybe_crit_section {
  public:
    maybe_crit_section() noexcept : on_core_(cpu::current_or_null() != nullptr) {
        if (on_core_) {
            cpu::current().crit_enter();
        }
    }
    ~maybe_crit_section() {
        if (on_core_) {
            cpu::current().crit_exit();
        }
    }
    maybe_crit_section(const maybe_crit_section&) = delete;
    maybe_crit_section& operator=(const maybe_crit_section&) = delete;

  private:
    const bool on_core_;
};

} // namespace puffs::ipi
