// daemon/session.hh - one client: reads requests, writes replies in the same order.
//
// Ownership:  shared by the listener, which closes it, and its own pending operations (the custom of Boost.Asio:
//             a handler may be queued when the object would otherwise go).
// Threading:  the thread that runs the executor.
// Limits:     limits::request_bytes a line, limits::idle between requests and for a reply to be taken.
// Errors:     a broken line or connection ends the session; nothing is thrown.
#pragma once

#include "daemon/awaitable.hh"
#include "daemon/control.hh"
#include "daemon/limits.hh"

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>

namespace puffs::daemon {

class session : public std::enable_shared_from_this<session> {
  public:
    using socket = boost::asio::local::stream_protocol::socket;

    // `uid`: of the peer, when it connected.
    // Lifetime:  `control` outlives the session.
    session(socket peer, uid_t uid, control& control,
            std::chrono::milliseconds idle = limits::idle);

    [[nodiscard]] uid_t uid() const { return uid_; }

    // Serves until the peer goes, breaks the protocol, is idle too long, or close() is called.
    [[nodiscard]] awaitable<void> serve();

    // Ends the session after the reply that is being made, if any.
    void close();

  private:
    awaitable<std::optional<std::string>> read_line();
    awaitable<bool> write(std::string reply);
    awaitable<bool> answer(std::string line);
    void limit_time();

    // Constant after construction.
    const uid_t uid_;
    control& control_;
    const std::chrono::milliseconds idle_;
    // Owned by the executor's thread.
    socket socket_;
    boost::asio::steady_timer timer_;
    std::string buffer_;
    bool closing_ = false;
};

} // namespace puffs::daemon
