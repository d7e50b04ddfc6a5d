// What a mount tells about itself while it serves: statistics, and operations that hold their core.
#include "support/mount/mounted.hh"

#include <atomic>
#include <csignal>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>

namespace puffs::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

std::size_t count_of(const std::string& text, const std::string& what) {
    std::size_t n = 0;
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) {
        ++n;
    }
    return n;
}

// Waits until the log says it, or `limit`.
bool log_says(const mounted_server& s, const std::string& what, std::chrono::milliseconds limit) {
    const auto until = std::chrono::steady_clock::now() + limit;
    while (s.log().find(what) == std::string::npos) {
        if (std::chrono::steady_clock::now() >= until) {
            return false;
        }
        std::this_thread::sleep_for(milliseconds(5));
    }
    return true;
}

server_options with(const std::vector<std::string>& arguments) {
    return {.arguments = arguments, .uid = 0, .start_limit = seconds(20)};
}

TEST(statistics_of_a_mount, are_printed_on_sigusr1_and_the_mount_serves_on) {
    mounted_server s(HELLO);
    ASSERT_TRUE(s.ready()) << s.start_line();
    EXPECT_THAT(read_file(s.path() / "hello"), HasSubstr("ello"));
    EXPECT_FALSE(std::filesystem::exists(s.path() / "absent"));
    s.signal(SIGUSR1);
    ASSERT_TRUE(log_says(s, "operation          count   errors", seconds(10))) << s.log();
    ASSERT_TRUE(log_says(s, "all     lookup", seconds(10))) << s.log();
    EXPECT_THAT(s.log(), ContainsRegex("all     lookup +[1-9][0-9]* +[1-9]"))
        << "absent is an error";
    EXPECT_THAT(s.log(), ContainsRegex("all     read +[1-9][0-9]* +0"));
    EXPECT_THAT(s.log(), Not(HasSubstr("queued us"))) << "times are not kept";
    EXPECT_THAT(read_file(s.path() / "hello"), HasSubstr("ello"));
    s.stop();
}

TEST(statistics_of_a_mount, have_times_when_asked_for_and_are_printed_at_unmount) {
    mounted_server s(UNRULY, with({"--stats", "-o", "slow_ms=200"}));
    ASSERT_TRUE(s.ready()) << s.start_line();
    EXPECT_EQ(read_file(s.path() / "slow"), "slow\n");
    s.stop();
    EXPECT_THAT(s.log(), HasSubstr("queued us"));
    // The longest run of a read is the slow one, and is told apart from the way there.
    EXPECT_THAT(s.log(),
                ContainsRegex("all     read +[1-9][0-9]* +0( +[0-9.]+){5} +[1-9][0-9]{5,} "))
        << s.log();
}

TEST(watchdog_of_a_mount, names_the_operation_that_holds_its_core_while_it_does) {
    mounted_server s(UNRULY, with({"-o", "slow_ms=3000,watchdog=0.5"}));
    ASSERT_TRUE(s.ready()) << s.start_line();
    for (unsigned offences = 1; offences <= 2; ++offences) {
        std::atomic<bool> over{false};
        std::thread caller([&] {
            EXPECT_EQ(read_file(s.path() / "hogs"), "hogs\n");
            over.store(true, std::memory_order_release);
        });
        while (!over.load(std::memory_order_acquire) &&
               count_of(s.log(), " has held core ") < offences) {
            std::this_thread::sleep_for(milliseconds(5));
        }
        EXPECT_FALSE(over.load(std::memory_order_acquire))
            << "told only afterwards, if at all: " << s.log();
        caller.join();
    }
    EXPECT_EQ(count_of(s.log(), " has held core "), 2U) << s.log();
    EXPECT_THAT(s.log(),
                ContainsRegex("warning: unruly on .*/mnt: read of node [0-9]+\\.[0-9]+ has held "
                              "core [0-9]+ \\(CPU [0-9]+\\) for [0-9.]+ s"));
    s.stop();
}

TEST(watchdog_of_a_mount, says_nothing_of_an_operation_that_sleeps_as_a_light_thread) {
    mounted_server s(UNRULY, with({"-o", "slow_ms=3000,watchdog=0.5"}));
    ASSERT_TRUE(s.ready()) << s.start_line();
    EXPECT_EQ(read_file(s.path() / "slow"), "slow\n");
    EXPECT_EQ(count_of(s.log(), " has held core "), 0U) << s.log();
    s.stop();
}

TEST(watchdog_of_a_mount, can_be_switched_off) {
    mounted_server s(UNRULY, with({"-o", "slow_ms=2500,watchdog=0"}));
    ASSERT_TRUE(s.ready()) << s.start_line();
    EXPECT_EQ(read_file(s.path() / "hogs"), "hogs\n");
    EXPECT_EQ(count_of(s.log(), " has held core "), 0U) << s.log();
    s.stop();
}

} // namespace
} // namespace puffs::test
