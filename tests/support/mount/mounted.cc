#include "support/mount/mounted.hh"

#include <array>
#include <fcntl.h>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sstream>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace puffs::test {

namespace {

using clock = std::chrono::steady_clock;

std::vector<char*> pointers(const std::vector<std::string>& words) {
    std::vector<char*> p;
    for (const std::string& w : words) {
        p.push_back(const_cast<char*>(w.c_str()));
    }
    p.push_back(nullptr);
    return p;
}

// In a child: becomes that user, who gets the signal when the test dies. (A change of user would take that back.)
void become(uid_t uid, int signal, pid_t parent) {
    if (uid != 0 && (::setgid(uid) < 0 || ::setuid(uid) < 0)) {
        ::_exit(126);
    }
    if (::prctl(PR_SET_PDEATHSIG, signal) < 0 || ::getppid() != parent) {
        ::_exit(126);
    }
}

// Reads until the other end closes or the time is up; false when it is.
bool read_all(int fd, std::string& into, clock::time_point until) {
    std::array<char, 4096> buffer;
    while (true) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(until - clock::now()).count();
        pollfd p{fd, POLLIN, 0};
        if (left <= 0 || ::poll(&p, 1, static_cast<int>(left)) == 0) {
            return false;
        }
        const ssize_t n = ::read(fd, buffer.data(), buffer.size());
        if (n == 0 || (n < 0 && errno != EINTR)) {
            return true;
        }
        if (n > 0) {
            into.append(buffer.data(), static_cast<std::size_t>(n));
        }
    }
}

int status_of(int wait_status) {
    return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

} // namespace

run_result run(const std::vector<std::string>& command, const run_options& o) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) < 0) {
        return {};
    }
    const pid_t self = ::getpid();
    const pid_t child = ::fork();
    if (child == 0) {
        ::setpgid(0, 0);
        const int null = ::open("/dev/null", O_RDONLY);
        ::dup2(null, 0);
        ::dup2(ends[1], 1);
        ::dup2(ends[1], 2);
        for (const std::string& e : o.environment) {
            ::putenv(const_cast<char*>(e.c_str()));
        }
        become(o.uid, SIGKILL, self);
        auto words = pointers(command);
        ::execvp(words[0], words.data());
        ::_exit(127);
    }
    ::close(ends[1]);
    run_result r;
    const bool ended = read_all(ends[0], r.output, clock::now() + o.limit);
    ::close(ends[0]);
    if (!ended) {
        ::kill(-child, SIGKILL);
        r.output += "\n[time is up]";
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    r.status = ended ? status_of(status) : -1;
    return r;
}

run_result shell(const std::string& script, const run_options& o) {
    return run({"bash", "-euo", "pipefail", "-c", script}, o);
}

std::string read_file(const std::filesystem::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

bool is_mount_point(const std::filesystem::path& path) {
    std::ifstream table("/proc/self/mountinfo");
    std::string line;
    while (std::getline(table, line)) {
        std::istringstream fields(line);
        std::string field;
        for (int i = 0; i < 5; ++i) {
            fields >> field;
        }
        if (field == path) {
            return true;
        }
    }
    return false;
}

namespace {

// Before any test: 77 is a test that was skipped.
[[noreturn]] void skip(const char* why) {
    std::printf("skipped: %s\n", why);
    std::exit(77);
}

class surroundings : public testing::Environment {
    void SetUp() override {
        if (::geteuid() != 0 || ::access("/dev/fuse", R_OK | W_OK) != 0) {
            skip("mounting as several users needs root, and /dev/fuse");
        }
        std::string state;
        std::ifstream("/sys/module/fuse/parameters/enable_uring") >> state;
        if (asked_transport() == "uring" && state != "Y") {
            skip("FUSE over io_uring is not switched on in this kernel");
        }
        // Whatever the tests mount goes with their processes, however those end, and nobody else sees it.
        if (::unshare(CLONE_NEWNS) < 0 ||
            ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0) {
            skip("no mount namespace of our own");
        }
    }
};
[[maybe_unused]] testing::Environment* const checked_before =
    testing::AddGlobalTestEnvironment(new surroundings);

} // namespace

std::string asked_transport() {
    const char* const asked = std::getenv("PUFFS_TEST_TRANSPORT");
    return asked != nullptr ? asked : "auto";
}

mounted_server::mounted_server(const std::string& program, const server_options& o)
    : mount_point_(dir_.path() / "mnt"), log_(dir_.path() / "log") {
    std::filesystem::create_directory(mount_point_);
    if (o.uid != 0) {
        if (::chown(mount_point_.c_str(), o.uid, o.uid) < 0) {
            throw std::runtime_error("chown of the mount point failed");
        }
    }
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) < 0) {
        throw std::runtime_error("pipe failed");
    }
    std::vector<std::string> command = {program, "-f", "--ready-fd=" + std::to_string(ends[1]),
                                        "--transport=" + asked_transport()};
    command.insert(command.end(), o.arguments.begin(), o.arguments.end());
    command.push_back(mount_point_.string());
    const int log = ::open(log_.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0666);
    const pid_t self = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0) {
        ::setpgid(0, 0);
        ::fcntl(ends[1], F_SETFD, 0);
        ::dup2(log, 1);
        ::dup2(log, 2);
        become(o.uid, SIGTERM, self);
        auto words = pointers(command);
        ::execv(words[0], words.data());
        ::_exit(127);
    }
    ::close(ends[1]);
    ::close(log);
    read_all(ends[0], line_, clock::now() + o.start_limit);
    ::close(ends[0]);
    ready_ = line_ == "ready\n";
    if (ready_) {
        if (asked_transport() != "auto") { // a test that ran on the other one would prove nothing
            EXPECT_THAT(this->log(), testing::HasSubstr("transport " + asked_transport() + " ("));
        }
        // Asked by a child of the right user: root may not look into another user's mount.
        const run_options as_user{
            .limit = std::chrono::seconds(10), .uid = o.uid, .environment = {}};
        const run_result device = run({"stat", "-c", "%d", mount_point_.string()}, as_user);
        connection_ = minor(std::strtoul(device.output.c_str(), nullptr, 10));
    }
}

mounted_server::~mounted_server() {
    if (!ended_ && wait(std::chrono::milliseconds(0)) < 0) {
        signal(SIGTERM);
        if (wait(std::chrono::seconds(15)) < 0) {
            ADD_FAILURE() << "the file server had to be killed; its log:\n" << log();
            signal(SIGKILL);
            wait(std::chrono::seconds(5));
        }
    }
    if (mounted()) {
        ADD_FAILURE() << "a mount was left on " << mount_point_ << "; the log:\n" << log();
        ::umount2(mount_point_.c_str(), MNT_DETACH);
    }
}

std::string mounted_server::log() const {
    return read_file(log_);
}

void mounted_server::signal(int number) const {
    ::kill(pid_, number);
}

int mounted_server::wait(std::chrono::milliseconds limit) {
    const auto until = clock::now() + limit;
    while (!ended_) {
        int status = 0;
        if (::waitpid(pid_, &status, WNOHANG) == pid_) {
            ended_ = true;
            status_ = status_of(status);
        } else if (clock::now() >= until) {
            return -1;
        } else {
            std::this_thread::sleep_for(std::chrono::milliseconds(1)); // waitpid has no time limit
        }
    }
    return status_;
}

void mounted_server::stop() {
    signal(SIGTERM);
    EXPECT_EQ(wait(std::chrono::seconds(15)), 0) << log();
    EXPECT_FALSE(mounted());
}

bool mounted_server::mounted() const {
    return is_mount_point(mount_point_);
}

bool mounted_server::wait_unmounted(std::chrono::milliseconds limit) const {
    const auto until = clock::now() + limit;
    while (mounted()) {
        if (clock::now() >= until) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
}

std::filesystem::path mounted_server::control(const std::string& file) const {
    const std::filesystem::path connections = "/sys/fs/fuse/connections";
    if (!is_mount_point(connections)) {
        EXPECT_EQ(::mount("none", connections.c_str(), "fusectl", 0, nullptr), 0);
    }
    return connections / std::to_string(connection_) / file;
}

} // namespace puffs::test
