// unit/lwkt/thread_test.hh - what the tests of the scheduler see of a thread that nobody else does.
#pragma once

#include "puffs/lwkt/core.hh"
#include "puffs/lwkt/sched.hh"
#include "sched_private.hh"

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace puffs::lwkt {

// Looks into a thread, and puts it into states that no call leads to.
struct thread_test {
    static std::uint32_t flags(const thread& td) { return td.flags_; }
    static void set_flags(thread& td, std::uint32_t flags) { td.flags_ = flags; }
    static std::byte* stack_base(const thread& td) { return td.stack_.base(); }
    static int saved_crit_count(const thread& td) { return td.crit_count_; }
    static bool on_wait_queue(const thread& td) {
        return td.wait_.load(std::memory_order_acquire) != nullptr;
    }
    static std::uint64_t requests(const thread& td) {
        return td.remote_requests_.load(std::memory_order_acquire);
    }
    // Goes on in td, which nobody has scheduled.
    static void resume(thread& td) {
        core& c = core::current();
        thread& self = thread::current();
        c.crit_enter();
        self.crit_count_ = c.crit_count();
        c.running_.store(&td, std::memory_order_relaxed);
        thread::set_current(&td);
        c.set_crit_count(td.crit_count_);
        switch_stacks(self.context_, td.context_);
        c.set_crit_count(c.crit_count() - 1);
    }
    // Calls f as if td, which does not run, called it.
    static void pretend(thread& td, void (*f)()) {
        td.owner().running_.store(&td, std::memory_order_relaxed);
        f();
        td.owner().running_.store(nullptr, std::memory_order_relaxed);
    }
    // Preempts the running thread without asking whether that is allowed.
    static void preempt_by(thread& td) {
        core& c = core::current();
        c.crit_enter();
        sched::run_on_top(c, td);
        c.set_crit_count(c.crit_count() - 1);
    }
    // As a migration does to a thread that is switched out and not scheduled.
    static void move_to(thread& td, core& c) { td.core_.store(&c, std::memory_order_relaxed); }
};

} // namespace puffs::lwkt
