// support/os_cpu.hh - a bare core played by an operating-system thread, which sleeps on a futex.
#pragma once

#include "puffs/base/waiter.hh"
#include "puffs/ipi/cpu.hh"
#include "puffs/ipi/domain.hh"
#include "puffs/ipi/send.hh"

namespace puffs::sim {

class os_cpu final : public ipi::cpu {
  public:
    using cpu::cpu;

    // One turn of a core's loop, with nothing to run: serves what is pending, else sleeps. It never
    // does both, so that the caller sees what the handlers did before it sleeps.
    void idle_turn() {
        crit_enter();
        if (has_requests()) {
            serve_ipis();
        } else {
            doorbell_.arm();
            if (publish_asleep()) {
                doorbell_.sleep(sleep_flags::none);
                publish_awake();
            }
        }
        crit_exit();
    }

  private:
    void ring_doorbell() noexcept override { doorbell_.wake(); }
    os_waiter doorbell_;
};

} // namespace puffs::sim
