#include "daemon/client.hh"

#include "daemon/limits.hh"
#include "daemon/owned_fd.hh"

#include <array>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace puffs::daemon {
namespace {

using steady = std::chrono::steady_clock;
using nlohmann::json;

outcome<owned_fd> connect_to(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path) {
        return fail(failure_code::bad_request, "'" + path + "' is not the path of a socket");
    }
    std::memcpy(address.sun_path, path.c_str(), path.size());
    owned_fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (fd.get() < 0) return fail_system("socket", errno);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        const int number = errno;
        if (number == ENOENT || number == ECONNREFUSED) {
            return fail(failure_code::no_daemon, "no puffsd listens on " + path);
        }
        if (number == EACCES) return fail(failure_code::denied, "not permitted to open " + path);
        return fail_system(path, number);
    }
    return fd;
}

outcome<void> send_line(int fd, std::string_view line) {
    while (!line.empty()) {
        const auto sent = ::send(fd, line.data(), line.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        // A daemon that has no room for us has said so and closed: its reply is still to be read.
        if (sent < 0 && errno == EPIPE) return {};
        if (sent < 0) return fail_system("cannot send the request", errno);
        line.remove_prefix(static_cast<std::size_t>(sent));
    }
    return {};
}

outcome<std::string> receive_line(int fd, steady::time_point deadline) {
    std::string line;
    for (;;) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - steady::now());
        pollfd readable{.fd = fd, .events = POLLIN, .revents = 0};
        const int ready =
            left.count() > 0 ? ::poll(&readable, 1, static_cast<int>(left.count())) : 0;
        if (ready < 0 && errno == EINTR) continue;
        if (ready < 0) return fail_system("poll", errno);
        if (ready == 0) return fail(failure_code::system, "puffsd does not answer");

        std::array<char, 4096> buffer; // filled by recv
        const auto got = ::recv(fd, buffer.data(), buffer.size(), 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_system("cannot read the reply", errno);
        if (got == 0) return fail(failure_code::system, "puffsd closed the connection");
        line.append(buffer.data(), static_cast<std::size_t>(got));
        if (const auto end = line.find('\n'); end != std::string::npos) return line.substr(0, end);
        if (line.size() > limits::reply_bytes) return fail(failure_code::system, "endless reply");
    }
}

failure failure_of(const json& reply) {
    const auto error = reply.find("error");
    if (error == reply.end() || !error->is_object()) {
        return {failure_code::system, "a reply that is neither ok nor an error"};
    }
    const auto text = [&](const char* key) {
        const auto found = error->find(key);
        return found != error->end() && found->is_string() ? found->get<std::string>()
                                                           : std::string();
    };
    return {failure_code_from(text("code")).value_or(failure_code::system), text("message")};
}

} // namespace

outcome<json> ask(const std::string& socket_path, const std::string& line,
                  std::chrono::milliseconds patience) {
    const auto deadline = steady::now() + patience;
    const auto fd = connect_to(socket_path);
    if (!fd) return std::unexpected(fd.error());
    if (auto sent = send_line(fd->get(), line); !sent) return std::unexpected(sent.error());
    const auto received = receive_line(fd->get(), deadline);
    if (!received) return std::unexpected(received.error());
    json reply = json::parse(*received, nullptr, false);
    if (!reply.is_object()) return fail(failure_code::system, "the reply is not a JSON object");
    const auto ok = reply.find("ok");
    if (ok == reply.end() || !ok->is_boolean() || !ok->get<bool>()) {
        return std::unexpected(failure_of(reply));
    }
    return reply;
}

} // namespace puffs::daemon
