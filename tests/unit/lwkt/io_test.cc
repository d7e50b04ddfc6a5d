// System calls that block the light thread, on real cores.
#include "puffs/lwkt/io.hh"

#include "puffs/lwkt/runtime.hh"
#include "puffs/lwkt/sched.hh"
#include "support/temp_dir.hh"

#include <array>
#include <atomic>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <gtest/gtest.h>
#include <poll.h>
#include <string>
#include <sys/un.h>
#include <unistd.h>

namespace puffs {
namespace {

using namespace std::chrono_literals;
namespace io = lwkt::io;

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

struct io_test : testing::Test {
    io_test() {
        lwkt::runtime_options o;
        o.cpus = {lwkt::runtime::create({}).value()->cpu_of(0)};
        cores = std::move(*lwkt::runtime::create(o));
        EXPECT_TRUE(cores->start());
        dir = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        EXPECT_EQ(::pipe2(pipe_ends.data(), O_CLOEXEC), 0);
    }
    ~io_test() override {
        cores->stop();
        for (const int fd : {dir, pipe_ends[0], pipe_ends[1]}) {
            ::close(fd);
        }
    }
    // On a light thread of the only core.
    template <class F>
    void run(F f) {
        cores->run_on(0, f);
    }
    // Starts f on a light thread of its own and goes on.
    static void beside(std::function<void()>& f) {
        ASSERT_TRUE(lwkt::create([](void* g) { (*static_cast<std::function<void()>*>(g))(); }, &f,
                                 "beside"));
    }

    std::unique_ptr<lwkt::runtime> cores;
    const test::temp_dir made_for_it;
    const std::filesystem::path folder = made_for_it.path();
    int dir = -1;
    std::array<int, 2> pipe_ends{-1, -1};
    std::array<std::byte, 64> buffer{};
};

TEST_F(io_test, files_are_made_written_read_and_removed) {
    run([this] {
        const auto fd = io::openat(dir, "a", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
        ASSERT_TRUE(fd);
        EXPECT_EQ(io::write(*fd, bytes_of("hello"), 3), 5U);
        EXPECT_TRUE(io::fsync(*fd, false));
        EXPECT_TRUE(io::fsync(*fd, true));
        EXPECT_EQ(io::read(*fd, buffer, 2), 6U);
        EXPECT_EQ(std::memcmp(buffer.data(), "\0hello", 6), 0);
        EXPECT_EQ(io::read(*fd, buffer, 100), 0U);
        struct statx st {};
        EXPECT_TRUE(io::statx(dir, "a", 0, STATX_SIZE, st));
        EXPECT_EQ(st.stx_size, 8U);
        EXPECT_TRUE(io::close(*fd));
        EXPECT_EQ(io::close(*fd).error(), error(EBADF));
        EXPECT_TRUE(io::linkat(dir, "a", dir, "b", 0));
        EXPECT_TRUE(io::renameat(dir, "b", dir, "c", 0));
        EXPECT_TRUE(io::symlinkat("c", dir, "s"));
        EXPECT_TRUE(io::mkdirat(dir, "d", 0700));
        EXPECT_TRUE(std::filesystem::is_symlink(folder / "s"));
        EXPECT_TRUE(std::filesystem::is_directory(folder / "d"));
        EXPECT_EQ(std::filesystem::hard_link_count(folder / "c"), 2U);
        EXPECT_TRUE(io::unlinkat(dir, "d", AT_REMOVEDIR));
        EXPECT_TRUE(io::unlinkat(dir, "s", 0));
        EXPECT_FALSE(std::filesystem::exists(folder / "d"));
    });
}

TEST_F(io_test, space_is_allocated) {
    run([this] {
        const auto fd = io::openat(dir, "a", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
        ASSERT_TRUE(fd);
        EXPECT_TRUE(io::fallocate(*fd, 0, 4096, 8192));
        EXPECT_EQ(std::filesystem::file_size(folder / "a"), 12288U);
        EXPECT_TRUE(io::close(*fd));
    });
}

TEST_F(io_test, errors_are_those_of_the_call) {
    run([this] {
        EXPECT_EQ(io::openat(dir, "none", O_RDONLY).error(), error(ENOENT));
        struct statx st {};
        EXPECT_EQ(io::statx(dir, "none", 0, STATX_SIZE, st).error(), error(ENOENT));
        EXPECT_EQ(io::unlinkat(dir, "none", 0).error(), error(ENOENT));
        EXPECT_EQ(io::renameat(dir, "none", dir, "x", 0).error(), error(ENOENT));
        EXPECT_TRUE(io::mkdirat(dir, "d", 0700));
        EXPECT_EQ(io::mkdirat(dir, "d", 0700).error(), error(EEXIST));
        EXPECT_EQ(io::read(dir, buffer, 0).error(), error(EISDIR));
        EXPECT_EQ(io::write(pipe_ends[0], bytes_of("x"), io::at_position).error(), error(EBADF));
        EXPECT_EQ(io::read(-1, buffer, 0).error(), error(EBADF));
    });
}

TEST_F(io_test, what_is_in_the_page_cache_is_read_without_a_switch) {
    run([this] {
        const auto fd = io::openat(dir, "a", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
        ASSERT_TRUE(fd);
        ASSERT_EQ(io::write(*fd, bytes_of("in the cache"), 0), 12U);
        const auto& stats = lwkt::core::current().sched_stats();
        const auto before = stats.switches.load(std::memory_order_relaxed);
        EXPECT_EQ(io::read(*fd, std::span(buffer).first(12), 0), 12U);
        EXPECT_EQ(io::read(*fd, buffer, 0), 12U); // to the end of the file
        EXPECT_EQ(stats.switches.load(std::memory_order_relaxed), before);
        EXPECT_TRUE(io::close(*fd));
    });
}

TEST_F(io_test, others_run_on_the_core_while_one_waits) {
    run([this] {
        bool wrote = false;
        std::function<void()> other = [&] {
            wrote = true;
            EXPECT_EQ(io::write(pipe_ends[1], bytes_of("x"), io::at_position), 1U);
        };
        beside(other);
        EXPECT_EQ(io::read(pipe_ends[0], buffer, io::at_position), 1U);
        EXPECT_TRUE(wrote);
    });
}

// spec: H10
TEST_F(io_test, a_limit_ends_the_wait_and_the_call) {
    run([this] {
        const auto before = lwkt::core::current().now();
        const auto got = io::read(pipe_ends[0], buffer, io::at_position, {.limit = 20ms});
        ASSERT_FALSE(got);
        EXPECT_EQ(got.error(), error(ETIMEDOUT));
        EXPECT_GE(lwkt::core::current().now().since(before), 20ms);
        // Nobody reads any more: what is written now is there for the next one.
        EXPECT_EQ(::write(pipe_ends[1], "y", 1), 1);
        EXPECT_EQ(io::read(pipe_ends[0], buffer, io::at_position, {.limit = 5s}), 1U);
        EXPECT_EQ(buffer[0], std::byte{'y'});
    });
}

// spec: T10
TEST_F(io_test, a_signal_ends_the_wait_of_one_who_catches_it) {
    run([this] {
        lwkt::thread& waiting = lwkt::thread::current();
        std::function<void()> other = [&] { waiting.post_signal(SIGINT); };
        beside(other);
        const auto got = io::read(pipe_ends[0], buffer, io::at_position,
                                  {.limit = {}, .flags = sleep_flags::catch_signals});
        ASSERT_FALSE(got);
        EXPECT_EQ(got.error(), error(EINTR));
        waiting.clear_signals();
        EXPECT_EQ(::write(pipe_ends[1], "z", 1), 1);
        EXPECT_EQ(io::read(pipe_ends[0], buffer, io::at_position), 1U);
    });
}

// spec: T10
TEST_F(io_test, a_signal_does_not_disturb_one_who_does_not_catch_it) {
    run([this] {
        lwkt::thread& waiting = lwkt::thread::current();
        std::function<void()> other = [&] {
            waiting.post_signal(SIGINT);
            lwkt::sleep_for(5ms);
            EXPECT_EQ(::write(pipe_ends[1], "z", 1), 1);
        };
        beside(other);
        EXPECT_EQ(io::read(pipe_ends[0], buffer, io::at_position), 1U);
        waiting.clear_signals();
    });
}

TEST_F(io_test, sockets_connect_accept_send_receive_and_are_polled) {
    run([this] {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        const std::string path = folder / "socket";
        ASSERT_LT(path.size(), sizeof address.sun_path);
        std::strcpy(address.sun_path, path.c_str());
        const auto& name = reinterpret_cast<const sockaddr&>(address);
        const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const int client = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        EXPECT_EQ(io::connect(client, name, sizeof address).error(), error(ENOENT));
        ASSERT_EQ(::bind(listener, &name, sizeof address), 0);
        ASSERT_EQ(::listen(listener, 1), 0);
        EXPECT_EQ(io::accept(listener, {.limit = 5ms}).error(), error(ETIMEDOUT));
        std::function<void()> other = [&] {
            EXPECT_TRUE(io::connect(client, name, sizeof address));
            EXPECT_EQ(io::send(client, bytes_of("hello"), 0), 5U);
        };
        beside(other);
        const auto server = io::accept(listener);
        ASSERT_TRUE(server);
        EXPECT_EQ(io::poll(*server, POLLIN), static_cast<unsigned>(POLLIN));
        EXPECT_EQ(io::recv(*server, buffer, 0), 5U);
        EXPECT_EQ(io::poll(*server, POLLIN, {.limit = 5ms}).error(), error(ETIMEDOUT));
        for (const int fd : {listener, client, *server}) {
            EXPECT_TRUE(io::close(fd));
        }
    });
}

// More waiters than the ring has entries.
TEST_F(io_test, a_thousand_wait_at_once) {
    constexpr int waiters_count = 1000;
    run([this] {
        std::atomic<int> done{0};
        std::function<void()> wait_one = [&] {
            std::byte one{};
            EXPECT_EQ(io::read(pipe_ends[0], {&one, 1}, io::at_position), 1U);
            done.fetch_add(1, std::memory_order_release);
        };
        for (int i = 0; i < waiters_count; ++i) {
            beside(wait_one);
        }
        lwkt::yield();
        EXPECT_EQ(done.load(std::memory_order_acquire), 0);
        const std::string all(waiters_count, 'x');
        EXPECT_EQ(io::write(pipe_ends[1], bytes_of(all), io::at_position), all.size());
        while (done.load(std::memory_order_acquire) != waiters_count) {
            lwkt::sleep_for(1ms);
        }
    });
}

TEST(io_death, a_call_outside_of_a_light_thread_panics) {
    EXPECT_DEATH(static_cast<void>(io::close(-1)), "only light threads wait");
}

} // namespace
} // namespace puffs
