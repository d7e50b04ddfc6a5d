// Mounts that end while callers are at work: by an abort, by the death of the server, by unmounting.
// PUFFS_TEARDOWN_ROUNDS says how often each (5).
#include "support/mount/mounted.hh"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace puffs::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int callers_count = 6;
constexpr auto gone_limit = seconds(10); // until every caller has got its error

int rounds() {
    const char* const asked = std::getenv("PUFFS_TEARDOWN_ROUNDS");
    return asked != nullptr ? std::atoi(asked) : 5;
}

// Works on the mount until something fails or happens in the folder beneath it, which is when the mount is gone; then
// ends with 0. Never ends by itself otherwise.
[[noreturn]] void work(const std::filesystem::path& mount, dev_t device, int number) {
    const std::string own = mount / ("file" + std::to_string(number));
    const std::string other = mount / ("other" + std::to_string(number));
    std::vector<char> data(256 * 1024, 'x');
    struct stat st {};
    for (;;) {
        const int fd = ::open(own.c_str(), O_RDWR | O_CREAT | O_DIRECT, 0644);
        if (fd < 0) ::_exit(0);
        bool ok = ::posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM) == 0;
        ok = ok && ::pwrite(fd, data.data(), data.size(), 0) > 0;
        ok = ok && ::pread(fd, data.data(), data.size(), 0) > 0;
        ok = ok && ::fstat(fd, &st) == 0 && st.st_dev == device;
        ok = ok && ::rename(own.c_str(), other.c_str()) == 0;
        ok = ok && ::unlink(other.c_str()) == 0;
        ::close(fd);
        if (!ok) ::_exit(0);
    }
}

class callers {
  public:
    explicit callers(const std::filesystem::path& mount) {
        struct stat st {};
        EXPECT_EQ(::stat(mount.c_str(), &st), 0);
        for (int i = 0; i < callers_count; ++i) {
            const pid_t child = ::fork();
            if (child == 0) work(mount, st.st_dev, i);
            pids_.push_back(child);
        }
    }
    ~callers() {
        for (const pid_t child : pids_) {
            ::kill(child, SIGKILL);
            ::waitpid(child, nullptr, 0);
        }
    }
    callers(const callers&) = delete;
    callers& operator=(const callers&) = delete;

    // Lets them work for a while, another one each round; false when somebody has ended.
    bool work_for_a_while(int round) {
        ::usleep(static_cast<useconds_t>(10'000 + round % 7 * 3'000));
        return std::ranges::none_of(
            pids_, [](pid_t child) { return ::waitpid(child, nullptr, WNOHANG) == child; });
    }
    // True when all have ended by themselves in time.
    bool all_gone() {
        const auto limit = std::chrono::steady_clock::now() + gone_limit;
        while (!pids_.empty() && std::chrono::steady_clock::now() < limit) {
            std::erase_if(pids_,
                          [](pid_t child) { return ::waitpid(child, nullptr, WNOHANG) == child; });
            ::usleep(1000);
        }
        return pids_.empty();
    }

  private:
    std::vector<pid_t> pids_;
};

class teardown : public testing::Test {
  protected:
    static server_options options() {
        return {.arguments = {"-o", "size=256M,entry_timeout=0,attr_timeout=0"},
                .uid = 0,
                .start_limit = seconds(20)};
    }
};

// spec: U12 U13 X7
TEST_F(teardown, abort_under_load_gives_every_caller_an_error) {
    for (int round = 0; round < rounds(); ++round) {
        mounted_server s(MEMFS, options());
        ASSERT_TRUE(s.ready()) << s.start_line() << s.log();
        callers at_work(s.path());
        ASSERT_TRUE(at_work.work_for_a_while(round)) << s.log();
        std::ofstream(s.control("abort")) << 1;
        ASSERT_TRUE(at_work.all_gone()) << "round " << round << ": a caller hangs\n" << s.log();
        ASSERT_EQ(s.wait(seconds(15)), 1) << "round " << round << "\n" << s.log();
        ASSERT_FALSE(s.mounted());
    }
}

// spec: U12 X7
TEST_F(teardown, death_of_the_server_under_load_gives_every_caller_an_error) {
    for (int round = 0; round < rounds(); ++round) {
        mounted_server s(MEMFS, options());
        ASSERT_TRUE(s.ready()) << s.start_line() << s.log();
        callers at_work(s.path());
        ASSERT_TRUE(at_work.work_for_a_while(round)) << s.log();
        s.signal(SIGKILL);
        ASSERT_TRUE(at_work.all_gone()) << "round " << round << ": a caller hangs";
        ASSERT_EQ(s.wait(seconds(15)), 128 + SIGKILL) << "round " << round;
        ASSERT_EQ(run({"umount", s.path()}).status, 0);
        ASSERT_FALSE(s.mounted());
    }
}

// spec: U10 U11
TEST_F(teardown, unmounting_under_load_serves_whoever_is_inside_and_ends) {
    for (int round = 0; round < rounds(); ++round) {
        mounted_server s(MEMFS, options());
        ASSERT_TRUE(s.ready()) << s.start_line() << s.log();
        callers at_work(s.path());
        ASSERT_TRUE(at_work.work_for_a_while(round)) << s.log();
        s.signal(SIGTERM);
        ASSERT_EQ(s.wait(seconds(15)), 0) << "round " << round << "\n" << s.log();
        ASSERT_FALSE(s.mounted());
    }
}

// A second signal ends the connection although callers are inside.
// spec: U10
TEST_F(teardown, stopping_at_once_under_load_gives_every_caller_an_error) {
    for (int round = 0; round < rounds(); ++round) {
        mounted_server s(MEMFS, options());
        ASSERT_TRUE(s.ready()) << s.start_line() << s.log();
        const int inside = ::open((s.path() / "inside").c_str(), O_RDWR | O_CREAT, 0644);
        ASSERT_GE(inside, 0);
        callers at_work(s.path());
        ASSERT_TRUE(at_work.work_for_a_while(round)) << s.log();
        s.signal(SIGTERM);
        ASSERT_TRUE(s.wait_unmounted(seconds(5)));
        s.signal(SIGTERM);
        const int status = s.wait(seconds(15));
        ASSERT_GE(status, 0) << "round " << round << "\n" << s.log();
        ASSERT_LT(status, 128) << "round " << round << "\n" << s.log();
        char byte = 0;
        ASSERT_LT(::pwrite(inside, &byte, 1, 0), 0);
        ::close(inside);
        ASSERT_FALSE(s.mounted());
    }
}

} // namespace
} // namespace puffs::test
