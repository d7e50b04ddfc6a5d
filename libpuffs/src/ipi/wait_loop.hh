// ipi/wait_loop.hh - the loop that every wait of this layer turns: serve, relax, lose patience.
//
// Threading:  the core that waits, in a critical section.
// Errors:     warns in the log after domain::waits().warn. A wait for an answer panics after domain::waits().panic: a
//             core that does not answer for so long hangs (spec Q6). A wait for room goes on, with a warning each time
//             that long (Q3, I8): the target may be held by a blocking call, and whatever it is, ends no sooner.
#pragma once

#include "puffs/base/clock.hh"
#include "puffs/ipi/cpu.hh"

namespace puffs::ipi {

class wait_loop {
  public:
    enum class waits_for { answer, room };

    // what: what is waited for, for the warning; a literal.
    wait_loop(cpu& self, core_id target, waits_for kind, const char* what) noexcept
        : self_(self), target_(target), kind_(kind), what_(what) {}

    // Serves own IPIs, then lets others run.
    void turn() noexcept;
    // Only lets others run; the caller has looked after its own queues.
    void turn_without_serving() noexcept;

  private:
    void check_patience() noexcept;

    cpu& self_;
    const core_id target_; // no_core: several
    const waits_for kind_;
    const char* const what_;
    unsigned turns_ = 0;
    instant start_{};
    std::chrono::nanoseconds next_warning_{0}; // 0: none given yet
};

} // namespace puffs::ipi
