// Requests of one CPU, each of which holds its core: another core serves some of them, and no answer waits for all.
#include "support/mount/mounted.hh"

#include <algorithm>
#include <chrono>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <vector>

namespace puffs::test {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

constexpr int readers = 8;
constexpr int rounds = 10;

int first_cpu() {
    cpu_set_t set;
    CPU_ZERO(&set);
    EXPECT_EQ(sched_getaffinity(0, sizeof set, &set), 0);
    int cpu = 0;
    while (!CPU_ISSET(static_cast<unsigned>(cpu), &set)) {
        ++cpu;
    }
    return cpu;
}

// Reads a file from its beginning, on that CPU.
std::string read_on(int cpu, const std::filesystem::path& path) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<unsigned>(cpu), &set);
    EXPECT_EQ(sched_setaffinity(0, sizeof set, &set), 0);
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    std::string text(16, '\0');
    const ssize_t n = ::pread(fd, text.data(), text.size(), 0);
    ::close(fd);
    return n < 0 ? "failed" : text.substr(0, static_cast<std::size_t>(n));
}

// The log of a server of which many ask at once, from one CPU; it is stopped after that.
std::string log_after_many(const std::string& options) {
    mounted_server s(UNRULY, {.arguments = {"--stats", "-o", options},
                              .uid = 0,
                              .start_limit = std::chrono::seconds(20)});
    EXPECT_TRUE(s.ready()) << s.start_line();
    const int cpu = first_cpu();
    for (int round = 0; round < rounds; ++round) {
        std::vector<std::string> texts(readers);
        {
            std::vector<std::jthread> threads;
            for (std::string& text : texts) {
                threads.emplace_back([&] { text = read_on(cpu, s.path() / "hogs"); });
            }
        }
        EXPECT_EQ(texts, std::vector<std::string>(readers, "hogs\n"));
    }
    s.stop();
    return s.log();
}

TEST(crossing, spreads_what_one_cpu_asks) { // spec: H6
    if (std::thread::hardware_concurrency() < 2) {
        GTEST_SKIP() << "one CPU";
    }
    const std::string log = log_after_many("slow_ms=10");
    if (asked_transport() == "uring") {
        EXPECT_THAT(log, ContainsRegex("requests handed on [1-9]"));
    } else { // every core takes from one queue of the kernel
        EXPECT_THAT(log, Not(ContainsRegex("requests handed on [1-9]")));
    }
}

TEST(crossing, is_left_out_when_asked) {
    const std::string log = log_after_many("slow_ms=1,backlog=0");
    EXPECT_THAT(log, HasSubstr("requests handed on 0"));
    EXPECT_THAT(log, Not(ContainsRegex("requests handed on [1-9]")));
}

// Of many that ask at once, the first has its answer when most of the others have not been served yet.
TEST(answers, do_not_wait_for_the_requests_of_others) {
    mounted_server s(UNRULY, {.arguments = {"-o", "slow_ms=20,backlog=0"},
                              .uid = 0,
                              .start_limit = std::chrono::seconds(20)});
    ASSERT_TRUE(s.ready()) << s.start_line();
    const int cpu = first_cpu();
    int seen = 0; // not each time: the readers may come one by one
    for (int round = 0; round < rounds; ++round) {
        const auto start = std::chrono::steady_clock::now();
        std::vector<std::chrono::steady_clock::duration> took(readers);
        {
            std::vector<std::jthread> threads;
            for (auto& mine : took) {
                threads.emplace_back([&] {
                    EXPECT_EQ(read_on(cpu, s.path() / "hogs"), "hogs\n");
                    mine = std::chrono::steady_clock::now() - start;
                });
            }
        }
        std::ranges::sort(took);
        seen += took[1] * 2 < took.back() ? 1 : 0;
    }
    EXPECT_GT(seen, rounds / 2);
    s.stop();
}

} // namespace
} // namespace puffs::test
