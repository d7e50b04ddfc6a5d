#include "daemon/session.hh"

#include "daemon/protocol.hh"
#include "puffs/base/log.hh"

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

namespace puffs::daemon {

namespace asio = boost::asio;
using boost::system::error_code;

session::session(socket peer, uid_t uid, control& control, std::chrono::milliseconds idle)
    : uid_(uid), control_(control), idle_(idle), socket_(std::move(peer)),
      timer_(socket_.get_executor()) {}

void session::close() {
    closing_ = true;
    error_code ignored; // it is closed already
    socket_.shutdown(socket::shutdown_receive, ignored);
}

awaitable<void> session::serve() {
    const auto self = shared_from_this();
    for (;;) {
        auto line = co_await read_line();
        if (!line) break;
        const bool more = co_await answer(std::move(*line));
        if (!more || closing_) break;
    }
    error_code ignored; // closing is all that is left to do
    socket_.close(ignored);
}

// Cancels what the socket waits for when the client takes too long; the next call or cancel() disarms it.
void session::limit_time() {
    timer_.expires_after(idle_);
    timer_.async_wait([self = shared_from_this()](error_code cancelled) {
        if (cancelled || self->timer_.expiry() > asio::steady_timer::clock_type::now()) return;
        error_code ignored; // it is closed already
        self->socket_.cancel(ignored);
    });
}

// Returns nothing when there is no further line; the client was told why if it is its fault.
awaitable<std::optional<std::string>> session::read_line() {
    limit_time();
    error_code failed;
    // One byte more than a request may have, for its newline.
    const auto length = co_await asio::async_read_until(
        socket_, asio::dynamic_buffer(buffer_, limits::request_bytes + 1), '\n',
        with_error(failed));
    timer_.cancel();
    if (!failed) {
        std::string line = buffer_.substr(0, length - 1);
        buffer_.erase(0, length);
        co_return line;
    }
    if (failed == asio::error::not_found) {
        const failure why{failure_code::too_long, "a request has at most " +
                                                      std::to_string(limits::request_bytes) +
                                                      " bytes"};
        co_await write(reply_line(nullptr, why));
    }
    co_return std::nullopt;
}

awaitable<bool> session::answer(std::string line) {
    auto wanted = parse_request(line);
    if (!wanted) {
        const bool written = co_await write(reply_line(wanted.error().id, wanted.error().why));
        co_return written && !wanted.error().hopeless();
    }
    const json id = wanted->id;
    auto done = co_await control_.answer(uid_, std::move(*wanted));
    std::string reply = done ? reply_line(id, std::move(*done)) : reply_line(id, done.error());
    const bool written = co_await write(std::move(reply));
    co_return written;
}

awaitable<bool> session::write(std::string reply) {
    limit_time();
    error_code failed;
    co_await asio::async_write(socket_, asio::buffer(reply), with_error(failed));
    timer_.cancel();
    co_return !failed;
}

} // namespace puffs::daemon
