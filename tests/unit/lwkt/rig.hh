// unit/lwkt/rig.hh - a few virtual cores with threads, stepped by the test's own operating-system thread.
#pragma once

#include "puffs/base/clock.hh"
#include "puffs/ipi/domain.hh"
#include "puffs/lwkt/core.hh"
#include "puffs/lwkt/sched.hh"
#include "sched_private.hh"

#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

namespace puffs::lwkt {

// Looks into a thread, and puts it into states that no call leads to.
struct thread_test {
    static std::uint32_t flags(const thread& td) { return td.flags_; }
    static void set_flags(thread& td, std::uint32_t flags) { td.flags_ = flags; }
    static std::byte* stack_base(const thread& td) { return td.stack_.base(); }
    static int saved_crit_count(const thread& td) { return td.crit_count_; }
    static bool on_wait_queue(const thread& td) { return td.wait_.load() != nullptr; }
    static std::uint64_t requests(const thread& td) { return td.remote_requests_.load(); }
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
    static void move_to(thread& td, core& c) { td.core_.store(&c); }
};

} // namespace puffs::lwkt

namespace puffs::test {

class counting_events final : public lwkt::event_source {
  public:
    bool poll() noexcept override { return false; }
    void sleep(const instant*) noexcept override { ++sleeps; }
    void wake() noexcept override { ++wakes; }
    int sleeps = 0;
    int wakes = 0;
};

// N cores of one domain. step(n) gives core n one turn; settle() steps all until none has anything to do.
class rig {
  public:
    explicit rig(core_id count, const lwkt::core_options& options = {})
        : domain(count), events(count) {
        for (core_id i = 0; i < count; ++i) {
            cores.push_back(std::make_unique<lwkt::core>(domain, i, clock, events[i], options));
        }
    }
    lwkt::core& at(core_id i) { return *cores[i]; }
    bool step(core_id i) { return cores[i]->step(); }
    void settle() {
        for (int turn = 0; turn < turns_max; ++turn) {
            bool any = false;
            for (auto& c : cores) {
                any |= c->step();
            }
            if (!any) {
                return;
            }
        }
        FAIL() << "the cores do not come to rest";
    }
    // Runs f as core i, in a critical section, outside its threads; serves nothing.
    template <class F>
    void as(core_id i, F&& f) {
        ipi::cpu* before = ipi::cpu::current_or_null();
        ipi::cpu::set_current(&at(i));
        at(i).set_crit_count(at(i).crit_count() + 1);
        f();
        at(i).set_crit_count(at(i).crit_count() - 1);
        ipi::cpu::set_current(before);
    }
    // A thread on core i that runs f. Runs nothing yet. Null when it cannot be made.
    lwkt::thread* spawn(core_id i, std::function<void()> f, const lwkt::create_options& o = {},
                        std::string_view name = "test") {
        auto copy = std::make_unique<std::function<void()>>(std::move(f));
        lwkt::thread* td = nullptr;
        as(i, [&] {
            if (auto made = lwkt::create(run, copy.get(), name, o)) {
                static_cast<void>(copy.release()); // run() deletes it
                td = *made;
            }
        });
        return td;
    }

    static void run(void* f) {
        const std::unique_ptr<std::function<void()>> own(static_cast<std::function<void()>*>(f));
        (*own)();
    }
    static constexpr int turns_max = 100000;
    virtual_clock clock;
    ipi::domain domain;
    std::vector<counting_events> events;
    std::vector<std::unique_ptr<lwkt::core>> cores;
};

} // namespace puffs::test
