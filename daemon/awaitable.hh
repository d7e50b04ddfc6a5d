// daemon/awaitable.hh - the coroutines of Boost.Asio, as the daemon uses them.
//
// Threading:  the thread that runs the executor.
// Errors:     an operation that is awaited with with_error(e) stores its error in e and throws nothing.
// Source:     Boost.Asio 1.74, whose awaitable.hpp uses std::exchange without including <utility>.
#pragma once

// The order matters: see above.
// clang-format off
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>
// clang-format on

namespace puffs::daemon {

template <class T>
using awaitable = boost::asio::awaitable<T>;

// co_await timer.async_wait(with_error(e));
[[nodiscard]] inline auto with_error(boost::system::error_code& stored) {
    return boost::asio::redirect_error(boost::asio::use_awaitable, stored);
}

} // namespace puffs::daemon
