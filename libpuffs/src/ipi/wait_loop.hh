// ipi/wait_loop.hh - the loop that every wait of this layer turns: serve, relax, lose patience.
//
// Threading:  the core that waits, in a critical section.
// Errors:     warns in the log after domain::waits().warn, panics after domain::waits().panic: a
//             core that does not poll for so long hangs (spec Q6).
#pragma once

#include "puffs/base/clock.hh"
#include "puffs/ipi/cpu.hh"

namespace puffs::ipi {

class wait_loop {
  public:
    // what: what is waited for, for the warning; a literal.
    wait_loop(cpu& self, core_id target, const char* what) noexcept
        : self_(self), target_(target), what_(what) {}

    // Serves own IPIs, then lets others run.
    void turn() noexcept;
    // Only lets others run; the caller has looked after its own queues.
    void turn_without_serving() noexcept;

  private:
    void check_patience() noexcept;

    cpu& self_;
    const core_id target_; // no_core: several
    const char* const what_;
    unsigned turns_ = 0;
    instant start_{};
    bool warned_ = false;
};

} // namespace puffs::ipi
