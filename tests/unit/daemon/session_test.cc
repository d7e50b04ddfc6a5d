#include "daemon/client.hh"
#include "daemon/control.hh"
#include "daemon/limits.hh"
#include "daemon/listener.hh"
#include "daemon/owned_fd.hh"
#include "daemon/protocol.hh"
#include "support/temp_dir.hh"
#include "unit/daemon/run_coroutine.hh"

#include <array>
#include <boost/asio/detached.hpp>
#include <cstring>
#include <filesystem>
#include <gtest/gtest.h>
#include <memory>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace puffs::daemon {
namespace {

using std::chrono::milliseconds;

TEST(permissions, others_list_at_most) {
    const permissions who{.own_uid = 500, .allow_uids = {600}, .others_may_list = true};
    const permissions strict{.own_uid = 500, .allow_uids = {600}, .others_may_list = false};
    for (const auto op :
         {operation::mount, operation::umount, operation::list, operation::status}) {
        for (const uid_t all : {0U, 500U, 600U}) {
            EXPECT_TRUE(who.allows(all, op));
            EXPECT_TRUE(strict.allows(all, op));
        }
        const bool reads = op == operation::list || op == operation::status;
        EXPECT_EQ(who.allows(700, op), reads);
        EXPECT_FALSE(strict.allows(700, op));
    }
    EXPECT_TRUE(who.allows_everything(600));
    EXPECT_FALSE(who.allows_everything(700));
    EXPECT_TRUE(who.allows_something(700));
    EXPECT_TRUE(strict.allows_something(600));
    EXPECT_FALSE(strict.allows_something(700));
}

TEST(control, refuses_by_the_uid_of_the_peer) {
    boost::asio::io_context context(1);
    mount_table table(context, {});
    control answers(table, {.own_uid = 500, .allow_uids = {}, .others_may_list = true});
    const auto umount = parse_request(R"({"id":1,"op":"umount","mountpoint":"/nowhere"})");
    const auto as_other = test::run(context, answers.answer(700, *umount));
    ASSERT_FALSE(as_other);
    EXPECT_EQ(as_other.error(), (failure{failure_code::denied, "user 700 may not umount"}));
    const auto as_self = test::run(context, answers.answer(500, *umount));
    ASSERT_FALSE(as_self);
    EXPECT_EQ(as_self.error().code, failure_code::no_such_mount);
}

// A raw client, for what puffsctl would never send.
class raw_client {
  public:
    explicit raw_client(const std::string& path)
        : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.c_str(), path.size());
        connected_ =
            ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    }
    [[nodiscard]] bool connected() const { return connected_; }

    void send(std::string_view text) const {
        while (!text.empty()) {
            const auto sent = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
            if (sent <= 0) return; // the daemon may close first; what it said is still to be read
            text.remove_prefix(static_cast<std::size_t>(sent));
        }
    }
    // The next line as JSON; discarded when the daemon closed the connection instead.
    [[nodiscard]] json receive() {
        while (buffer_.find('\n') == std::string::npos) {
            pollfd readable{.fd = fd_.get(), .events = POLLIN, .revents = 0};
            if (::poll(&readable, 1, 30'000) != 1) throw std::runtime_error("no answer");
            std::array<char, 1024> chunk{};
            const auto got = ::recv(fd_.get(), chunk.data(), chunk.size(), 0);
            if (got <= 0) return json(json::value_t::discarded);
            buffer_.append(chunk.data(), static_cast<std::size_t>(got));
        }
        const auto end = buffer_.find('\n');
        auto line = json::parse(buffer_.substr(0, end));
        buffer_.erase(0, end + 1);
        return line;
    }
    [[nodiscard]] std::string error_code() { return receive()["error"]["code"]; }
    [[nodiscard]] bool closed() { return receive().is_discarded(); }

  private:
    owned_fd fd_;
    bool connected_ = false;
    std::string buffer_;
};

// A daemon on a thread of its own.
class sessions : public testing::Test {
  protected:
    explicit sessions(milliseconds idle = limits::idle) : clients_(context_, answers_, idle) {}

    void SetUp() override {
        const auto opened = clients_.open(socket_);
        ASSERT_TRUE(opened) << opened.error().message;
        boost::asio::co_spawn(context_, clients_.accept(), boost::asio::detached);
        thread_ = std::jthread([this] { context_.run(); });
    }
    void TearDown() override {
        if (!thread_.joinable()) return;
        boost::asio::co_spawn(context_, stop(), boost::asio::detached);
        thread_.join();
    }
    awaitable<void> stop() {
        co_await table_.stop_all();
        co_await clients_.close();
        context_.stop();
    }
    outcome<json> request(operation op, const mount_spec& spec = {}) {
        return ask(socket_, request_line(1, op, spec), milliseconds(30'000));
    }

    puffs::test::temp_dir tmp_;
    const std::string socket_ = tmp_.path().string() + "/socket";
    boost::asio::io_context context_{1};
    mount_table table_{context_, {}};
    control answers_{table_, {.own_uid = ::geteuid(), .allow_uids = {}, .others_may_list = true}};
    listener clients_;
    std::jthread thread_;
};

class hasty_sessions : public sessions {
  protected:
    hasty_sessions() : sessions(milliseconds(100)) {}
};

TEST_F(sessions, serves_all_operations) {
    const mount_spec wanted{
        .server = PUFFS_FAKE_SERVER, .source = "serve", .mountpoint = tmp_.directory("mnt")};
    const auto mounted = request(operation::mount, wanted);
    ASSERT_TRUE(mounted) << mounted.error().message;
    EXPECT_EQ((*mounted)["mount"]["state"], "running");
    const auto listed = request(operation::list);
    ASSERT_TRUE(listed);
    EXPECT_EQ((*listed)["mounts"], json::array({(*mounted)["mount"]}));
    const auto one = request(operation::status, {.mountpoint = wanted.mountpoint});
    ASSERT_TRUE(one);
    EXPECT_EQ((*one)["mount"], (*mounted)["mount"]);
    const auto own = request(operation::status);
    ASSERT_TRUE(own);
    EXPECT_EQ((*own)["daemon"]["pid"], ::getpid());
    EXPECT_EQ((*own)["daemon"]["mounts"], json::parse(R"({"running":1})"));
    EXPECT_TRUE(request(operation::umount, {.mountpoint = wanted.mountpoint}));
    const auto gone = request(operation::status, {.mountpoint = wanted.mountpoint});
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().code, failure_code::no_such_mount);
}

TEST_F(sessions, requests_of_one_client_are_answered_in_order) {
    raw_client client(socket_);
    client.send("{\"id\":1,\"op\":\"list\"}\n{\"id\":\"two\",\"op\":\"status\"}\n"
                "{\"id\":3,\"op\":\"fly\"}\n{\"id\":4,\"op\":\"list\"}");
    EXPECT_EQ(client.receive()["id"], 1);
    EXPECT_EQ(client.receive()["id"], "two");
    const auto third = client.receive();
    EXPECT_EQ(third["id"], 3);
    EXPECT_EQ(third["error"]["code"], "unknown_op");
    client.send("\n");
    EXPECT_EQ(client.receive()["id"], 4);
}

TEST_F(sessions, bad_json_is_told_and_ends_the_session) {
    raw_client client(socket_);
    client.send("hello\n{\"id\":1,\"op\":\"list\"}\n");
    EXPECT_EQ(client.error_code(), "bad_json");
    EXPECT_TRUE(client.closed());
    EXPECT_TRUE(request(operation::list));
}

TEST_F(sessions, longest_line_is_taken_and_a_longer_one_is_not) {
    const std::string head = R"({"id":1,"op":"list")";
    raw_client client(socket_);
    client.send(head + std::string(limits::request_bytes - head.size() - 1, ' ') + "}\n");
    EXPECT_EQ(client.receive()["ok"], true);
    client.send(head + std::string(limits::request_bytes - head.size(), ' ') + "}\n");
    EXPECT_EQ(client.error_code(), "too_long");
    EXPECT_TRUE(client.closed());
}

TEST_F(sessions, endless_line_is_refused) {
    raw_client client(socket_);
    client.send(std::string(4 * limits::request_bytes, 'x'));
    EXPECT_EQ(client.error_code(), "too_long");
    EXPECT_TRUE(client.closed());
}

TEST_F(sessions, client_that_leaves_early_harms_nobody) {
    for (int i = 0; i < 100; ++i) {
        raw_client client(socket_);
        client.send("{\"id\":1,\"op\":\"list\"}\n{\"id\":1,");
    }
    EXPECT_TRUE(request(operation::list));
}

TEST_F(sessions, clients_have_a_limit) {
    std::vector<std::unique_ptr<raw_client>> clients;
    for (std::size_t i = 0; i < limits::clients; ++i) {
        clients.push_back(std::make_unique<raw_client>(socket_));
        clients.back()->send("{\"id\":1,\"op\":\"list\"}\n");
        ASSERT_EQ(clients.back()->receive()["ok"], true);
    }
    const auto refused = request(operation::list);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, failure_code::too_many);
    clients.pop_back();
    // The place is free once the daemon has seen that client leave.
    const auto deadline = std::chrono::steady_clock::now() + test::patience;
    auto again = request(operation::list);
    while (!again && std::chrono::steady_clock::now() < deadline) {
        again = request(operation::list);
    }
    EXPECT_TRUE(again);
}

TEST_F(hasty_sessions, idle_client_is_closed) {
    raw_client client(socket_);
    EXPECT_TRUE(client.closed());
}

TEST_F(hasty_sessions, client_that_takes_no_reply_is_closed) {
    raw_client client(socket_);
    ASSERT_TRUE(client.connected());
    // Enough requests that their replies fill the socket; send() returns when the daemon closed it.
    std::string many;
    for (int i = 0; i < 20'000; ++i)
        many += "{\"id\":1,\"op\":\"status\"}\n";
    client.send(many);
    EXPECT_TRUE(request(operation::list));
}

TEST_F(hasty_sessions, request_that_takes_long_is_not_idleness) {
    raw_client client(socket_);
    // The server's ready descriptor is closed without an answer, which takes limits::no_answer.
    static_assert(limits::no_answer > milliseconds(100));
    client.send(request_line(
        1, operation::mount,
        {.server = PUFFS_FAKE_SERVER, .source = "close", .mountpoint = tmp_.directory("mnt")}));
    EXPECT_EQ(client.error_code(), "start_timeout");
}

TEST_F(sessions, waiting_client_gets_its_reply_at_shutdown) {
    raw_client idle(socket_);
    raw_client waiting(socket_);
    waiting.send(request_line(
        1, operation::mount,
        {.server = PUFFS_FAKE_SERVER, .source = "never", .mountpoint = tmp_.directory("mnt")}));
    const auto deadline = std::chrono::steady_clock::now() + test::patience;
    const auto starting = [&] {
        const auto listed = request(operation::list);
        return listed && !(*listed)["mounts"].empty();
    };
    while (!starting())
        ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    TearDown();
    EXPECT_EQ(waiting.error_code(), "start_failed");
    EXPECT_TRUE(idle.closed());
}

TEST_F(sessions, second_daemon_on_the_socket_is_refused) {
    listener second(context_, answers_);
    const auto opened = second.open(socket_);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, failure_code::exists);
    EXPECT_TRUE(request(operation::list)) << "the first one's socket is untouched";
}

TEST(listener, left_over_socket_is_replaced_and_anything_else_is_not) {
    const puffs::test::temp_dir tmp;
    boost::asio::io_context context(1);
    mount_table table(context, {});
    control answers(table, {});
    const auto path = tmp.path().string() + "/socket";
    {
        const owned_fd left(::socket(AF_UNIX, SOCK_STREAM, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.c_str(), path.size());
        ASSERT_EQ(::bind(left.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
                  0);
    }
    {
        listener clients(context, answers);
        EXPECT_TRUE(clients.open(path));
        struct stat st {};
        ASSERT_EQ(::stat(path.c_str(), &st), 0);
        EXPECT_EQ(st.st_mode & 0777U, 0666U);
    }
    EXPECT_FALSE(std::filesystem::exists(path)) << "removed with the listener";

    const auto text = tmp.file("text", "dear diary");
    listener clients(context, answers);
    const auto opened = clients.open(text);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, failure_code::exists);
    EXPECT_EQ(std::filesystem::file_size(text), 10U);
    EXPECT_FALSE(clients.open(tmp.path().string() + "/" + std::string(200, 'x')));
    EXPECT_FALSE(clients.open(tmp.path().string() + "/no/such/directory/socket"));
}

TEST(client, says_what_is_wrong) {
    const puffs::test::temp_dir tmp;
    const auto path = tmp.path().string() + "/socket";
    const auto line = request_line(1, operation::list, {});
    const auto nobody = ask(path, line, milliseconds(1000));
    ASSERT_FALSE(nobody);
    EXPECT_EQ(nobody.error(), (failure{failure_code::no_daemon, "no puffsd listens on " + path}));

    const owned_fd mute(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size());
    ASSERT_EQ(::bind(mute.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(mute.get(), 1), 0);
    const auto silence = ask(path, line, milliseconds(50));
    ASSERT_FALSE(silence);
    EXPECT_EQ(silence.error().message, "puffsd does not answer");
}

} // namespace
} // namespace puffs::daemon
