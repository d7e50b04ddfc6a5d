// daemon/listener.hh - the control socket: takes its place in the file system, accepts clients, counts them.
//
// A lock file beside the socket (SOCKET.lock) says that a daemon lives; a socket without a holder of that lock is left
// over and is removed.
//
// Ownership:  owns the socket file; removes it when destroyed. The lock file stays, because removing it would let two
//             daemons each lock a file of their own.
// Threading:  the thread that runs the executor.
// Limits:     limits::clients at once, of them limits::other_clients and limits::clients_of_other of each user who may
//             not do everything; the next is told too_many and closed. One who may do nothing is told denied.
// Errors:     open(): exists when another daemon lives; system.
#pragma once

#include "daemon/awaitable.hh"
#include "daemon/change_signal.hh"
#include "daemon/control.hh"
#include "daemon/owned_fd.hh"
#include "daemon/session.hh"

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <memory>
#include <set>
#include <string>

namespace puffs::daemon {

class listener {
  public:
    // Lifetime:  `context` and `control` outlive the listener.
    listener(boost::asio::io_context& context, control& control,
             std::chrono::milliseconds idle = limits::idle);
    listener(const listener&) = delete;
    listener& operator=(const listener&) = delete;
    ~listener();

    // Binds `path` and listens. Anybody may connect; what they may do is control's affair.
    [[nodiscard]] outcome<void> open(const std::string& path);

    // Accepts until close().
    [[nodiscard]] awaitable<void> accept();

    // Stops accepting, lets every client take the reply it waits for, and waits for them to be gone, for
    // limits::farewell at most.
    [[nodiscard]] awaitable<void> close();

  private:
    using protocol = boost::asio::local::stream_protocol;

    void welcome(protocol::socket peer);
    [[nodiscard]] outcome<void> room_for(uid_t uid) const;

    // Constant after construction.
    boost::asio::io_context& context_;
    control& control_;
    const std::chrono::milliseconds idle_;
    // Owned by the executor's thread.
    std::string path_; // empty until it is bound
    owned_fd lock_;
    protocol::acceptor acceptor_;
    std::set<std::shared_ptr<session>> sessions_;
    change_signal left_;
};

} // namespace puffs::daemon
