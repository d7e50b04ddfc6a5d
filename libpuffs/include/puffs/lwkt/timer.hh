// lwkt/timer.hh - timers of one core: a function at an instant.
//
// Units:      instants of the core's clock; order is order of deadlines, also across a wrap of the
//             counter (T14).
// Ownership:  a timer belongs to its user, who cancels it before it dies; the destructor asserts
//             that.
// Threading:  owner core only. The function runs on the core's loop, must not block, and may arm
//             timers.
// Source:     Boost.Intrusive for the tree.
#pragma once

#include "puffs/base/clock.hh"

#include <boost/intrusive/set.hpp>

namespace puffs::lwkt {

class timer : public boost::intrusive::set_base_hook<> {
  public:
    using function = void (*)(void* arg);
    timer(function fn, void* arg) noexcept : fn_(fn), arg_(arg) {}
    ~timer();
    timer(const timer&) = delete;
    timer& operator=(const timer&) = delete;
    [[nodiscard]] bool armed() const noexcept { return is_linked(); }
    friend bool operator<(const timer& a, const timer& b) noexcept { return a.at_.before(b.at_); }

  private:
    friend class timer_queue;
    const function fn_;
    void* const arg_;
    instant at_{};
};

// All armed timers of a core.
class timer_queue {
  public:
    void arm(timer& t, instant at); // re-arms if armed
    void cancel(timer& t) noexcept; // no effect if not armed
    // Runs the functions of all timers due at `now`; true if there were any.
    bool expire(instant now);
    [[nodiscard]] const instant* next() const noexcept; // null: none armed
    [[nodiscard]] bool empty() const noexcept { return armed_.empty(); }

  private:
    boost::intrusive::multiset<timer> armed_;
};

} // namespace puffs::lwkt
