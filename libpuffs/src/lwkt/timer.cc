#include "puffs/lwkt/timer.hh"

#include "puffs/base/assert.hh"

namespace puffs::lwkt {

timer::~timer() {
    PUFFS_ASSERT(!armed(), "a timer is cancelled before it dies");
}

void timer_queue::arm(timer& t, instant at) {
    cancel(t);
    t.at_ = at;
    armed_.insert(t);
}

void timer_queue::cancel(timer& t) noexcept {
    if (t.armed()) {
        armed_.erase(armed_.iterator_to(t));
    }
}

bool timer_queue::expire(instant now) {
    // A function may arm its timer again for an instant that is due: not more runs in one call than timers at entry.
    bool any = false;
    for (auto left = armed_.size(); left > 0 && !armed_.empty(); --left) {
        timer& t = *armed_.begin();
        if (now.before(t.at_)) {
            break;
        }
        armed_.erase(armed_.begin());
        any = true;
        t.fn_(t.arg_);
    }
    return any;
}

const instant* timer_queue::next() const noexcept {
    return armed_.empty() ? nullptr : &armed_.begin()->at_;
}

} // namespace puffs::lwkt
