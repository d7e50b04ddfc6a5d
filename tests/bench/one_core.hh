// bench/one_core.hh - a single core that runs on the calling thread, for what needs no other core and no kernel.
//
// Ownership:  owns its core and all that the core refers to.
// Threading:  one ordinary thread constructs it, calls run() and destroys it.
// Errors:     a thread that run() cannot make panics.
#pragma once

#include "puffs/base/clock.hh"
#include "puffs/ipi/domain.hh"
#include "puffs/lwkt/core.hh"
#include "puffs/lwkt/sched.hh"

#include <utility>

namespace puffs::bench {

// Has no events: whoever runs on this core never waits for anything outside it.
class no_events final : public lwkt::event_source {
  public:
    bool poll() noexcept override { return false; }
    void sleep(const instant*) noexcept override {}
    void wake() noexcept override {}
};

class one_core {
  public:
    // Runs `body` on a light thread, and turns the core until it has returned.
    template <class Body>
    void run(Body&& body) {
        struct task {
            Body& body;
            bool over = false;
        };
        task t{body};
        lwkt::create_on(
            core_,
            [](void* arg) {
                auto& mine = *static_cast<task*>(arg);
                mine.body();
                mine.over = true;
            },
            &t, "bench");
        while (!t.over)
            core_.step();
    }

    [[nodiscard]] ipi::domain& domain() noexcept { return domain_; }

  private:
    ipi::domain domain_{1};
    monotonic_clock clock_;
    no_events events_;
    lwkt::core core_{domain_, 0, clock_, events_};
};

} // namespace puffs::bench
