// What an operation may cost a server: no allocation, and the system calls of its transport. The server is memfs, with
// its allocations counted (support/allocations/counted.cc); the caller is one thread on one core, so that each request
// finds the server idle, which is when it makes the most system calls.
#include "support/mount/mounted.hh"

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <gtest/gtest.h>
#include <limits>
#include <map>
#include <sched.h>
#include <sstream>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <thread>
#include <unistd.h>

namespace puffs::test {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t page_bytes = 4096;

// The number of allocations that the counted programs started meanwhile have made.
class allocation_count {
  public:
    allocation_count() {
        const auto file = dir_.path() / "allocations";
        const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        EXPECT_EQ(::ftruncate(fd, sizeof(std::uint64_t)), 0);
        void* const p = ::mmap(nullptr, sizeof(std::uint64_t), PROT_READ, MAP_SHARED, fd, 0);
        ::close(fd);
        EXPECT_NE(p, MAP_FAILED);
        count_ = static_cast<const std::atomic<std::uint64_t>*>(p);
        ::setenv("PUFFS_ALLOCATIONS_FILE", file.c_str(), 1);
    }
    ~allocation_count() {
        ::unsetenv("PUFFS_ALLOCATIONS_FILE");
        ::munmap(const_cast<std::atomic<std::uint64_t>*>(count_), sizeof(*count_));
    }
    allocation_count(const allocation_count&) = delete;
    allocation_count& operator=(const allocation_count&) = delete;
    [[nodiscard]] std::uint64_t value() const { return count_->load(); }

  private:
    temp_dir dir_;
    const std::atomic<std::uint64_t>* count_ = nullptr;
};

// strace on a process and all its threads, for a scope.
class tracer {
  public:
    explicit tracer(pid_t target) {
        const std::string pid = std::to_string(target);
        const std::string out = (dir_.path() / "calls").string();
        child_ = ::fork();
        if (child_ == 0) {
            ::execlp("strace", "strace", "-qq", "-f", "-c", "-U", "calls,name", "-o", out.c_str(),
                     "-p", pid.c_str(), nullptr);
            ::_exit(127);
        }
        for (int i = 0; i < 500 && !all_traced(pid); ++i) {
            std::this_thread::sleep_for(10ms);
        }
        attached_ = all_traced(pid);
    }
    ~tracer() {
        if (child_ > 0) stop();
    }
    tracer(const tracer&) = delete;
    tracer& operator=(const tracer&) = delete;
    [[nodiscard]] bool attached() const { return attached_; }

    // Ends it; the calls made meanwhile, by name.
    std::map<std::string, int> stop() {
        ::kill(child_, SIGINT);
        ::waitpid(std::exchange(child_, -1), nullptr, 0);
        std::map<std::string, int> calls;
        std::ifstream table(dir_.path() / "calls");
        for (std::string line; std::getline(table, line);) {
            std::istringstream words(line);
            int n = 0;
            std::string name;
            if (words >> n >> name && name != "total") calls[name] = n;
        }
        return calls;
    }

  private:
    static bool all_traced(const std::string& pid) {
        for (const auto& task : std::filesystem::directory_iterator("/proc/" + pid + "/task")) {
            std::ifstream status(task.path() / "status");
            bool traced = false;
            for (std::string line; std::getline(status, line);) {
                traced = traced || (line.starts_with("TracerPid:") &&
                                    line.find_first_of("123456789") != std::string::npos);
            }
            if (!traced) return false;
        }
        return true;
    }
    temp_dir dir_;
    pid_t child_ = -1;
    bool attached_ = false;
};

class cost : public testing::Test {
  protected:
    explicit cost(const std::string& options = "")
        : server(MEMFS_COUNTED,
                 {.arguments = {"-o", "size=256M" + options}, .uid = 0, .start_limit = 20s}),
          path(server.path() / "file"), missing(server.path() / "missing") {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(0, &one);
        EXPECT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
        if (!server.ready()) return;
        fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_DIRECT, 0644);
        EXPECT_GE(fd, 0);
        for (int i = 0; i < 16; ++i) {
            EXPECT_EQ(::pwrite(fd, page.data(), page.size(), i * off_t{page_bytes}), page_bytes);
        }
    }
    ~cost() override {
        ::close(fd);
        server.stop();
    }

    void read_page(int i) {
        ASSERT_EQ(::pread(fd, page.data(), page.size(), i % 16 * off_t{page_bytes}), page_bytes);
    }
    void write_page(int i) {
        ASSERT_EQ(::pwrite(fd, page.data(), page.size(), i % 16 * off_t{page_bytes}), page_bytes);
    }

    allocation_count allocations;
    mounted_server server;
    const std::filesystem::path path;
    const std::filesystem::path missing;
    int fd = -1;
    alignas(page_bytes) std::array<char, page_bytes> page{};
};

// Nothing is cached by the kernel, so that every call gets to the server.
class cost_of_all : public cost {
  protected:
    cost_of_all() : cost(",entry_timeout=0,attr_timeout=0") {}
};

TEST_F(cost_of_all, no_operation_on_what_is_there_allocates) {
    ASSERT_TRUE(server.ready()) << server.start_line() << server.log();
    ASSERT_GT(allocations.value(), 100U) << "the server counts nothing";
    struct stat st {};
    struct statvfs fs {};
    const std::map<std::string, std::function<void(int)>> operations{
        {"stat", [&](int) { ASSERT_EQ(::stat(path.c_str(), &st), 0); }},
        {"a name that is not there", [&](int) { ASSERT_EQ(::stat(missing.c_str(), &st), -1); }},
        {"read", [&](int i) { read_page(i); }},
        {"write", [&](int i) { write_page(i); }},
        {"open and close", [&](int) { ASSERT_EQ(::close(::open(path.c_str(), O_RDONLY)), 0); }},
        {"access", [&](int) { ASSERT_EQ(::access(path.c_str(), R_OK), 0); }},
        {"chmod", [&](int i) { ASSERT_EQ(::chmod(path.c_str(), i % 2 == 0 ? 0600 : 0644), 0); }},
        {"statfs", [&](int) { ASSERT_EQ(::statvfs(path.c_str(), &fs), 0); }},
        {"fsync", [&](int) { ASSERT_EQ(::fsync(fd), 0); }},
        {"an attribute that is not there",
         [&](int) { ASSERT_EQ(::getxattr(path.c_str(), "user.none", nullptr, 0), -1); }},
    };
    // What a core or a thread makes for itself at its first request is not an operation's: it falls into one round.
    constexpr int rounds = 3, times = 1000;
    for (const auto& [name, operation] : operations) {
        std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
        for (int round = 0; round < rounds && least != 0; ++round) {
            const std::uint64_t before = allocations.value();
            for (int i = 0; i < times && !HasFatalFailure(); ++i) {
                operation(i);
            }
            least = std::min(least, allocations.value() - before);
        }
        EXPECT_EQ(least, 0U) << name << ", " << times << " times";
    }
}

// On io_uring one enter submits the answer and waits. On /dev/fuse a request is read and answered; when none is
// there yet that is found out by a read, and the core waits in its ring.
TEST_F(cost, a_request_makes_the_system_calls_of_its_transport) {
    ASSERT_TRUE(server.ready()) << server.start_line() << server.log();
    const std::map<std::string, int> expected =
        asked_transport() == "uring"
            ? std::map<std::string, int>{{"io_uring_enter", 1}}
            : std::map<std::string, int>{{"io_uring_enter", 1}, {"read", 2}, {"writev", 1}};
    constexpr int requests = 500; // a read of a file whose attributes are known is one
    constexpr int others =
        25; // of all requests together: what a thread does when strace comes, a timer
    tracer t(server.pid());
    if (!t.attached()) GTEST_SKIP() << "strace is not installed, or may not trace here";
    for (int i = 0; i < requests && !HasFatalFailure(); ++i) {
        read_page(i);
    }
    const std::map<std::string, int> calls = t.stop();
    int all = 0;
    for (const auto& [name, count] : calls) {
        const auto e = expected.find(name);
        EXPECT_LE(count, (e == expected.end() ? 0 : e->second * requests) + others) << name;
        all += count;
    }
    EXPECT_GE(all, requests - others) << "not all calls are counted";
}

} // namespace
} // namespace puffs::test
