// unit/lwkt/world.hh - scenarios of threads on explored cores.
#pragma once

#include "support/explore.hh"
#include "support/lwkt/machine_cores.hh"
#include "support/lwkt/rig.hh"

#include <cstdint>
#include <functional>
#include <memory>

namespace puffs::test {

// The cores of one execution.
struct world : machine_cores {
    world(sim::machine& m, core_id count) : machine_cores(count), machine(m) { put_on(m); }
    lwkt::thread* spawn(core_id i, std::function<void()> f, const lwkt::create_options& o = {}) {
        auto* copy = new std::function<void()>(std::move(f));
        ipi::cpu* before = ipi::cpu::current_or_null();
        ipi::cpu::set_current(cores[i].get());
        cores[i]->set_crit_count(cores[i]->crit_count() + 1);
        lwkt::thread* td = *lwkt::create(rig::run, copy, "test", o);
        cores[i]->set_crit_count(cores[i]->crit_count() - 1);
        ipi::cpu::set_current(before);
        return td;
    }
    unsigned live() const {
        unsigned count = 0;
        for (const auto& c : cores) {
            count += c->live_threads();
        }
        return count;
    }

    sim::machine& machine;
};

// Runs `setup` on a new world each time, under every schedule with at most `preemptions`, which must be `at_least` that
// many, then under random ones; at the end no thread may be left.
inline void run_all(std::uint64_t at_least, const std::function<void(world&)>& setup,
                    unsigned preemptions = 2, core_id cores = 2) {
    std::unique_ptr<world> w;
    const auto scenario = [&](sim::machine& m) {
        w = std::make_unique<world>(m, cores);
        setup(*w);
    };
    const auto verdict = [&](sim::machine& m) {
        m.check(w->live() == 0, "a thread sleeps for ever");
    };
    const sim::explore_options o{
        .cores = 0, .preemptions_max = preemptions, .executions_max = 20'000, .choices_max = 3000};
    const auto all = sim::explore(o, scenario, verdict);
    bool ok = all.ok();
    if (ok) {
        const auto some = sim::random_runs(o, sim::times(2000U, 20U), scenario, verdict);
        EXPECT_TRUE(some.ok()) << some.failure;
        ok = some.ok();
    }
    if (!ok) {
        static_cast<void>(w.release()); // its threads are in the middle of something
    }
    sim::expect_explored(all, at_least);
}

} // namespace puffs::test
