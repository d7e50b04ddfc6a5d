// support/lwkt/machine_cores.hh - cores with threads on a machine of the exploring harness.
//
// Ownership:  refers to the machine, which may be destroyed first.
// Threading:  as support/sim_cores.hh.
#pragma once

#include "puffs/ipi/domain.hh"
#include "puffs/lwkt/core.hh"
#include "support/sim_cores.hh"

#include <memory>
#include <vector>

namespace puffs::test {

class machine_events final : public lwkt::event_source {
  public:
    machine_events(sim::machine& m, core_id id) : machine_(m), id_(id) {}
    bool poll() noexcept override { return false; }
    void sleep(const instant*) noexcept override {} // the machine sleeps for its cores
    void wake() noexcept override { machine_.ring(id_); }

  private:
    sim::machine& machine_;
    const core_id id_;
};

struct machine_cores {
    explicit machine_cores(core_id count) : domain(count) {}
    // Makes the cores, which the machine steps and whose clock is the machine's. Once.
    void put_on(sim::machine& m) {
        for (core_id i = 0; i < domain.size(); ++i) {
            events.push_back(std::make_unique<machine_events>(m, i));
            cores.push_back(std::make_unique<lwkt::core>(domain, i, m.clock(), *events.back()));
            lwkt::core& c = *cores.back();
            m.add_core(c, [&c] { return c.step(); });
        }
    }

    ipi::domain domain;
    std::vector<std::unique_ptr<machine_events>> events;
    std::vector<std::unique_ptr<lwkt::core>> cores;
};

} // namespace puffs::test
