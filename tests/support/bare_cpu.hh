// support/bare_cpu.hh - a cpu with nothing on it, played by the test's own thread.
//
// `as(c, f)` runs f as that cpu, in a critical section unless told otherwise: enough for tests that
// put two cpus through a protocol step by step.
#pragma once

#include "puffs/ipi/cpu.hh"
#include "puffs/ipi/domain.hh"
#include "puffs/ipi/send.hh"

namespace puffs::sim {

class bare_cpu final : public ipi::cpu {
  public:
    using cpu::cpu;
    unsigned doorbells = 0;

  private:
    void ring_doorbell() noexcept override { ++doorbells; }
};

template <class F>
void as_outside_crit(ipi::cpu& c, F&& f) {
    ipi::cpu* const before = ipi::cpu::current_or_null();
    ipi::cpu::set_current(&c);
    f();
    ipi::cpu::set_current(before);
}

// Leaves the critical section without serving, so that the test says when IPIs are served.
template <class F>
void as(ipi::cpu& c, F&& f) {
    as_outside_crit(c, [&] {
        c.set_crit_count(c.crit_count() + 1);
        f();
        c.set_crit_count(c.crit_count() - 1);
    });
}

inline void serve(ipi::cpu& c) {
    as(c, [&] { c.serve_ipis(); });
}

} // namespace puffs::sim
