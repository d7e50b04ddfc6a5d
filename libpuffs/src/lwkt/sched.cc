#include "puffs/lwkt/sched.hh"

#include "puffs/base/assert.hh"
#include "sched_private.hh"

namespace puffs::lwkt {
namespace {

// Runs f(core) in a critical section if `td` belongs to the calling core; false if it does not.
template <class F>
bool if_here(thread& td, F&& f) noexcept {
    core* here = static_cast<core*>(ipi::cpu::current_or_null());
    if (here == nullptr || &td.owner() != here) {
        return false;
    }
    here->crit_enter();
    f(*here);
    here->crit_exit();
    return true;
}

constexpr int crit_unit = 32; // one critical level in the priorities of set_priority (L21)

} // namespace

void sched::leave_wait_queue(thread& td) noexcept {
    // While this core runs this code, td cannot return from block(), so the queue it waits on exists (K4). Another core
    // may be signalling it: only under the lock is it certain that td is still on it.
    wait_queue* queue = td.wait_.load(std::memory_order_acquire);
    if (queue == nullptr) {
        return;
    }
    spin_guard guard(queue->mu_);
    if (td.wait_.load(std::memory_order_relaxed) == queue) {
        queue->unlink(td);
    }
}

void sched::schedule_here(core& c, thread& td) noexcept {
    if ((td.flags_ & td_exited) != 0) {
        return;
    }
    td.woken_ = true;
    leave_wait_queue(td);
    enqueue(c, td);
}

void sched::deschedule_here(core& c, thread& td) noexcept {
    dequeue(c, td);
    if ((td.flags_ & td_tokens) != 0 && c.running_.load(std::memory_order_relaxed) != &td) {
        abandon_tokens(td);
    }
}

void sched::set_priority_here(core& c, thread& td, int pri) noexcept {
    const int levels = pri / crit_unit;
    if (c.running_.load(std::memory_order_relaxed) == &td) {
        c.set_crit_count(c.crit_count() + levels);
    } else {
        td.crit_count_ += levels;
    }
    if ((td.flags_ & td_runq) == 0) {
        td.priority_ = pri % crit_unit;
        return;
    }
    const std::uint32_t flags = td.flags_;
    dequeue(c, td);
    td.priority_ = pri % crit_unit;
    push_tail(c, td); // no switch implied (L21)
    td.flags_ = flags;
}

void sched::signal_here(core& c, thread& td) noexcept {
    if ((td.flags_ & td_sintr) != 0 && td.pending_signal() != 0) {
        schedule_here(c, td);
    }
}

void schedule(thread& td) noexcept {
    if (!if_here(td, [&](core& c) { sched::schedule_here(c, td); })) {
        sched::request(td, ask_schedule);
    }
}

void deschedule(thread& td) noexcept {
    if (!if_here(td, [&](core& c) { sched::deschedule_here(c, td); })) {
        sched::request(td, ask_deschedule);
    }
}

void set_priority(thread& td, int pri) noexcept {
    PUFFS_ASSERT(pri >= 0, "a priority is not negative");
    if (!if_here(td, [&](core& c) { sched::set_priority_here(c, td, pri); })) {
        sched::request(td, ask_priority | static_cast<std::uint64_t>(pri) << ask_priority_shift);
    }
}

void set_priority_self(int pri) noexcept {
    PUFFS_ASSERT(pri >= 0 && pri <= priority::max, "own priority out of range");
    set_priority(thread::current(), pri);
}

void schedule_self() noexcept {
    schedule(sched::not_waiting(thread::current()));
}

void deschedule_self() noexcept {
    deschedule(sched::not_waiting(thread::current()));
}

void switch_away() noexcept {
    core& c = core::current();
    c.crit_enter();
    sched::leave_after_switch(sched::switch_from(c, sched::running(c)));
}

void yield() noexcept {
    core& c = core::current();
    thread& td = sched::running(c);
    c.crit_enter();
    sched::give_turn(c, td);
    sched::leave_after_switch(sched::switch_from(c, td));
}

void yield_quick() noexcept {
    core& c = core::current();
    c.crit_enter();
    c.crit_exit();
}

void sleep_for(std::chrono::nanoseconds d) noexcept {
    struct nap {
        thread& td;
        bool over = false;
    };
    nap n{thread::current()};
    timer t(
        [](void* arg) {
            auto& over = *static_cast<nap*>(arg);
            over.over = true;
            over.td.wake();
        },
        &n);
    core& c = core::current();
    c.timers().arm(t, c.now().after(d));
    for (;;) {
        n.td.arm();
        if (n.over) {
            n.td.disarm();
            return;
        }
        n.td.sleep(sleep_flags::none);
    }
}

} // namespace puffs::lwkt
