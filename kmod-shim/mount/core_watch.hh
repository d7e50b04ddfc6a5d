// mount/core_watch.hh - logs operations that hold their core, while they do.
//
// The thread that runs the mount's signals and timers looks at the cores four times in each limit; it needs no core for
// that, and a core that is stuck need not answer.
//
// Full:       lines_a_minute_max; what is more is counted and told with the next line.
// Ownership:  refers to the cores.
// Threading:  the thread that runs `io`.
#pragma once

#include "mount/line_limit.hh"
#include "puffs/lwkt/runtime.hh"
#include "puffs/lwkt/watchdog.hh"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <string>

namespace puffs::kmod {

class core_watch {
  public:
    static constexpr unsigned lines_a_minute_max = 10;

    // `name`: the file server's, for the log. Requires: limit > 0.
    core_watch(boost::asio::io_context& io, const lwkt::runtime& cores, std::string name,
               std::chrono::nanoseconds limit);
    // Looks until it is stopped or destroyed.
    void start();
    void stop() { timer_.cancel(); }

  private:
    void look();
    void report(const lwkt::watchdog::offence& o);

    const lwkt::runtime& cores_;
    const std::string name_;
    boost::asio::steady_timer timer_;
    monotonic_clock clock_;
    lwkt::watchdog dog_;
    line_limit limit_{lines_a_minute_max, std::chrono::minutes(1)};
};

// "memfs on /mnt: read of node 5.1 has held core 0 (CPU 2) for 1.2 s"
[[nodiscard]] std::string offence_text(const std::string& name, const lwkt::watchdog::offence& o,
                                       int cpu);

} // namespace puffs::kmod
