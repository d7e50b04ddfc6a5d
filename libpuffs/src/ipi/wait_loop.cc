#include "wait_loop.hh"

#include "puffs/base/log.hh"
#include "puffs/base/race_point.hh"
#include "puffs/ipi/domain.hh"

#include <algorithm>
#include <cstdio>

namespace puffs::ipi {
namespace {

constexpr unsigned turns_between_looks = 256; // at the clock, which costs more than a turn

} // namespace

void wait_loop::turn() noexcept {
    self_.spin_turn(turns_);
    check_patience();
}

void wait_loop::turn_without_serving() noexcept {
    relax_turn(turns_);
    check_patience();
}

void wait_loop::check_patience() noexcept {
    if (++turns_ % turns_between_looks != 0) {
        return;
    }
    const instant now = monotonic_clock().now();
    if (start_ == instant{}) {
        start_ = now;
        return;
    }
    const domain::wait_bounds& bounds = self_.owner_domain().waits();
    const auto waited = now.since(start_);
    if (waited >= std::max(bounds.warn, next_warning_)) {
        next_warning_ = waited + bounds.panic;
        PUFFS_LOG(warn, "core {} has waited {} ms for core {}: {}", self_.id(),
                  std::chrono::duration_cast<std::chrono::milliseconds>(waited).count(), target_,
                  what_);
    }
    if (waited >= bounds.panic && kind_ == waits_for::answer) {
        char text[120];
        std::snprintf(text, sizeof(text), "core %u waited too long for core %u: %s",
                      static_cast<unsigned>(self_.id()), static_cast<unsigned>(target_), what_);
        PUFFS_PANIC(text);
    }
}

} // namespace puffs::ipi
