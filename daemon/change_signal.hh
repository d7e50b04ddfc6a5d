// daemon/change_signal.hh - lets coroutines wait until "something changed" and then look again.
//
// Ownership:  owns nothing; must outlive its waiters.
// Threading:  the thread that runs the executor.
// Ordering:   raise() wakes every coroutine that waits at that moment; they run later, never inside raise().
// Errors:     none.
// Source:     a timer that never expires, the condition variable of Boost.Asio.
#pragma once

#include "daemon/awaitable.hh"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

namespace puffs::daemon {

class change_signal {
  public:
    explicit change_signal(boost::asio::io_context& context)
        : never_(context, boost::asio::steady_timer::time_point::max()) {}

    void raise() { never_.cancel(); }

    [[nodiscard]] awaitable<void> wait() {
        boost::system::error_code cancelled;
        co_await never_.async_wait(with_error(cancelled));
    }

  private:
    boost::asio::steady_timer never_;
};

} // namespace puffs::daemon
