// tests/unit/daemon/run_coroutine.hh - runs coroutines of the daemon to their end, with a limit, on the test's thread.
//
// Threading:  the test's thread.
// Errors:     a coroutine that does not end in time fails the test and throws.
#pragma once

#include "daemon/awaitable.hh"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <utility>

namespace puffs::daemon::test {

inline constexpr std::chrono::seconds patience{30};

// Runs `context` until `done()`.
template <class Done>
void run_until(boost::asio::io_context& context, Done done) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!done()) {
        context.restart();
        if (context.run_one_until(deadline) == 0 && std::chrono::steady_clock::now() >= deadline) {
            throw std::runtime_error("what the test waits for does not happen");
        }
    }
}

template <class T>
T run(boost::asio::io_context& context, awaitable<T> body) {
    std::optional<T> value;
    std::exception_ptr thrown;
    bool over = false;
    boost::asio::co_spawn(context, std::move(body), [&](const std::exception_ptr& e, T result) {
        thrown = e;
        value = std::move(result);
        over = true;
    });
    run_until(context, [&] { return over; });
    if (thrown) std::rethrow_exception(thrown);
    return std::move(*value);
}

inline void run(boost::asio::io_context& context, awaitable<void> body) {
    std::exception_ptr thrown;
    bool over = false;
    boost::asio::co_spawn(context, std::move(body), [&](const std::exception_ptr& e) {
        thrown = e;
        over = true;
    });
    run_until(context, [&] { return over; });
    if (thrown) std::rethrow_exception(thrown);
}

} // namespace puffs::daemon::test
