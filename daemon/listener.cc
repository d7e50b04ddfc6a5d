#include "daemon/listener.hh"

#include "daemon/protocol.hh"
#include "puffs/base/log.hh"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace puffs::daemon {

namespace asio = boost::asio;
using boost::system::error_code;

listener::listener(asio::io_context& context, control& control, std::chrono::milliseconds idle)
    : context_(context), control_(control), idle_(idle), acceptor_(context), left_(context) {}

listener::~listener() {
    if (!path_.empty()) ::unlink(path_.c_str());
}

outcome<void> listener::open(const std::string& path) {
    if (path.size() >= sizeof(sockaddr_un::sun_path)) {
        return fail(failure_code::bad_request, path + ": too long for a socket");
    }
    const auto lock_path = path + ".lock";
    owned_fd lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (lock.get() < 0) return fail_system(lock_path, errno);
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK ? fail(failure_code::exists, "another puffsd serves " + path)
                                    : fail_system(lock_path, errno);
    }
    struct stat st {};
    if (::lstat(path.c_str(), &st) == 0) {
        if (!S_ISSOCK(st.st_mode)) return fail(failure_code::exists, path + " is not a socket");
        if (::unlink(path.c_str()) != 0) return fail_system(path, errno);
    }
    error_code failed;
    acceptor_.open(protocol(), failed);
    if (!failed) acceptor_.bind(protocol::endpoint(path), failed);
    if (!failed) {
        path_ = path;
        lock_ = std::move(lock);
        if (::chmod(path.c_str(), 0666) != 0) return fail_system(path, errno);
        acceptor_.listen(asio::socket_base::max_listen_connections, failed);
    }
    if (failed) return fail_system(path, failed.value());
    return {};
}

awaitable<void> listener::accept() {
    asio::steady_timer pause(context_);
    while (acceptor_.is_open()) {
        error_code failed;
        auto peer = co_await acceptor_.async_accept(with_error(failed));
        if (!acceptor_.is_open()) break;
        if (failed) { // too many open files, most likely
            PUFFS_LOG(warn, "cannot accept a client: {}", failed.message());
            pause.expires_after(limits::accept_pause);
            co_await pause.async_wait(with_error(failed));
            continue;
        }
        welcome(std::move(peer));
    }
}

// Why a client of this user cannot be taken.
outcome<void> listener::room_for(uid_t uid) const {
    const auto full = [](std::size_t limit, const std::string& whose) {
        return fail(failure_code::too_many,
                    std::to_string(limit) + " clients" + whose + " are connected already");
    };
    const permissions& who = control_.who();
    if (!who.allows_something(uid)) {
        return fail(failure_code::denied, "user " + std::to_string(uid) + " may do nothing here");
    }
    if (!who.allows_everything(uid)) {
        const auto others = std::ranges::count_if(
            sessions_, [&](const auto& s) { return !who.allows_everything(s->uid()); });
        const auto same =
            std::ranges::count_if(sessions_, [&](const auto& s) { return s->uid() == uid; });
        if (std::cmp_greater_equal(same, limits::clients_of_other)) {
            return full(limits::clients_of_other, " of user " + std::to_string(uid));
        }
        if (std::cmp_greater_equal(others, limits::other_clients)) {
            return full(limits::other_clients, " of ordinary users");
        }
    }
    if (sessions_.size() >= limits::clients) return full(limits::clients, "");
    return {};
}

void listener::welcome(protocol::socket peer) {
    ucred who{};
    socklen_t size = sizeof who;
    if (::getsockopt(peer.native_handle(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) {
        PUFFS_LOG(warn, "a client without credentials: errno {}", errno);
        return;
    }
    if (const auto room = room_for(who.uid); !room) {
        const auto reply = reply_line(nullptr, room.error());
        error_code failed;
        peer.non_blocking(true, failed);
        if (!failed) peer.write_some(asio::buffer(reply), failed); // a new socket has room for it
        return;
    }
    const auto client =
        *sessions_.insert(std::make_shared<session>(std::move(peer), who.uid, control_, idle_))
             .first;
    asio::co_spawn(context_, client->serve(), [this, client](const std::exception_ptr& thrown) {
        if (thrown) std::rethrow_exception(thrown);
        sessions_.erase(client);
        left_.raise();
    });
}

awaitable<void> listener::close() {
    error_code ignored; // it is closed either way
    acceptor_.close(ignored);
    for (const auto& client : sessions_)
        client->close();
    asio::steady_timer limit(context_, limits::farewell);
    limit.async_wait([this](error_code) { left_.raise(); });
    while (!sessions_.empty() && asio::steady_timer::clock_type::now() < limit.expiry()) {
        co_await left_.wait();
    }
}

} // namespace puffs::daemon
