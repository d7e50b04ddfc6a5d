// crossing.hh - a core that has too much to do hands requests to cores that sleep.
//
// A request that is about to run while others wait behind it on its core (lwkt::core::waiting_work) is handed on when
// those would have to wait for longer than the limit: their number times how long the requests before it took. It goes
// as its own message to a core that sleeps, or that has one such guest and no more, runs there on a light thread, and
// its reply travels back. To a caller this costs a wake of that core; to the others it saves the time of a whole
// request. A core on which nothing waits spends one comparison here.
//
// Units:      time stamp ticks inside; the limit is real time.
// Full:       no core that sleeps: the request runs where it is.
// Ownership:  refers to the usermount; the messages belong to those who sent them.
// Threading:  take: a light thread of a core, or an ordinary thread, whose requests stay with it. handed_on: any
// thread.
// Blocks:     take blocks the core for up to a millisecond when it is first asked in earnest, within a millisecond
//             after construction.
// Source:     design.md 4, "Work also crosses cores".
#pragma once

#include "puffs/base/core_set.hh"
#include "puffs/base/limits.hh"
#include "puffs/base/ticks.hh"
#include "puffs/lwkt/core.hh"
#include "puffs/msg/putter.hh"
#include "served_port.hh"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

namespace puffs {

class usermount;

class crossing {
  public:
    crossing(usermount& um, core_id cores, std::chrono::nanoseconds limit);

    // Returns: true when the request is another core's now.
    [[nodiscard]] bool take(msg::delivery& d) {
        const lwkt::core* const here = lwkt::core::current_or_null();
        if (here == nullptr) {
            return false;
        }
        lane& mine = *lanes_[here->id()];
        if (here->waiting_work() == 0) {
            mine.began = 0;
            return false;
        }
        return hand_on(mine, *here, d);
    }

    [[nodiscard]] std::uint64_t handed_on(core_id from) const noexcept {
        return lanes_[from]->handed_on.load(std::memory_order_relaxed);
    }

  private:
    struct alignas(limits::cacheline_bytes) lane {
        lane(crossing& all, core_id c) : guests_port("guests", c, run_guest, &all) {}

        // owned by the core
        std::uint64_t began =
            0; // when the request before this one did; 0: it is not known how long that took
        std::uint64_t run =
            0; // how long the last ones took, of those with others behind them: a running mean
        std::uint64_t limit = 0;                 // 0: not known yet
        std::atomic<std::uint64_t> handed_on{0}; // relaxed: counts

        served_port guests_port;
        std::atomic<unsigned> guests{0}; // relaxed: a hint, on their way or running here
    };

    [[nodiscard]] bool hand_on(lane& mine, const lwkt::core& here, msg::delivery& d);
    [[nodiscard]] bool is_too_much(lane& mine, unsigned waiting) const;
    [[nodiscard]] lane* free_lane(core_id here) const noexcept;
    static void run_guest(void* all, msgport::msg& m);

    usermount& um_;
    const std::chrono::nanoseconds limit_;
    const tick_rate rate_;
    std::vector<std::unique_ptr<lane>> lanes_; // one a core
};

} // namespace puffs
