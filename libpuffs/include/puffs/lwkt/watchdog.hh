// lwkt/watchdog.hh - sees from outside that a light thread holds its core.
//
// A core switches threads thousands of times a second when it has work, and when it has none no thread runs. A thread
// that is seen running at one look after another, without a switch in between and with the same work on its note, has
// not let go of the core. Threads that block properly are not running, however long their work takes.
//
// The cost is the looker's: cores and threads write only what they write anyway, and their note.
//
// Units:      a hold is as long as the time between the looks that saw it, so up to one interval shorter than it was.
//             Of one pause between looks at most two intervals count: a machine that stood still accuses nobody.
// Ownership:  refers to the cores.
// Threading:  one ordinary thread, while the cores live.
// Ordering:   relaxed everywhere. What is read may be old or torn; nothing is concluded from it but that two looks, a
//             quarter of the limit apart, read the same.
#pragma once

#include "puffs/base/clock.hh"
#include "puffs/base/core_set.hh"

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

namespace puffs::lwkt {

class core;
class thread;

class watchdog {
  public:
    struct offence {
        core_id on_core = no_core;
        std::uint64_t what = 0, on = 0; // its note: never 0 in `what`
        std::chrono::nanoseconds held{0};
    };
    // Requires:  limit > 0.
    watchdog(std::vector<const core*> cores, std::chrono::nanoseconds limit);

    // How often to look.
    [[nodiscard]] std::chrono::nanoseconds interval() const noexcept { return interval_; }
    // look - `report` is called for each thread that has held its core for the limit, working on something; once for
    // each time that it does.
    void look(instant now, const std::function<void(const offence&)>& report);

  private:
    struct sight {
        const thread* running = nullptr;
        std::uint64_t switches = 0, what = 0, on = 0;
        friend bool operator==(const sight&, const sight&) = default;
    };
    struct watched {
        const core* c;
        sight last;
        std::chrono::nanoseconds held{0};
        bool reported = false;
    };
    [[nodiscard]] static sight see(const core& c) noexcept;

    const std::chrono::nanoseconds limit_, interval_;
    std::vector<watched> cores_;
    instant last_look_;
    bool looked_ = false;
};

} // namespace puffs::lwkt
