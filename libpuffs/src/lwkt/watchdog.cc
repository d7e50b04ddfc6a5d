#include "puffs/lwkt/watchdog.hh"

#include "puffs/base/assert.hh"
#include "puffs/lwkt/core.hh"
#include "puffs/lwkt/thread.hh"

#include <algorithm>

namespace puffs::lwkt {

namespace {

constexpr int looks_per_limit = 4;

} // namespace

watchdog::watchdog(std::vector<const core*> cores, std::chrono::nanoseconds limit)
    : limit_(limit), interval_(limit / looks_per_limit) {
    PUFFS_ASSERT(interval_.count() > 0, "a watchdog has no limit");
    for (const core* c : cores) {
        cores_.push_back({c, {}});
    }
}

// Threads live as long as their core: what `running` refers to is there.
watchdog::sight watchdog::see(const core& c) noexcept {
    sight s;
    s.switches = c.sched_stats().switches.load(std::memory_order_relaxed);
    s.running = c.running_thread();
    if (s.running != nullptr) {
        s.what = s.running->note().what.load(std::memory_order_relaxed);
        s.on = s.running->note().on.load(std::memory_order_relaxed);
    }
    return s;
}

void watchdog::look(instant now, const std::function<void(const offence&)>& report) {
    const auto passed =
        looked_ ? std::min(now.since(last_look_), 2 * interval_) : std::chrono::nanoseconds(0);
    looked_ = true;
    last_look_ = now;
    for (watched& w : cores_) {
        const sight s = see(*w.c);
        if (s.what == 0 || s != w.last) {
            w.last = s;
            w.held = {};
            w.reported = false;
            continue;
        }
        w.held += passed;
        if (w.held >= limit_ && !w.reported) {
            w.reported = true;
            report({w.c->id(), s.what, s.on, w.held});
        }
    }
}

} // namespace puffs::lwkt
