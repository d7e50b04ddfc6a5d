// support/lwkt/rig.hh - a few virtual cores with threads, stepped by the test's own operating-system thread.
#pragma once

#include "puffs/base/clock.hh"
#include "puffs/ipi/domain.hh"
#include "puffs/lwkt/core.hh"
#include "puffs/lwkt/sched.hh"

#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

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
