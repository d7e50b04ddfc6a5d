// How mounts begin, and what is refused at start; ordinary users; operations that fail.
#include "support/mount/mounted.hh"

#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace puffs::test {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

constexpr uid_t ordinary_user = 65534; // nobody

// /dev/fuse as distributions have it, in the mount namespace of the tests.
class device_for_everybody {
  public:
    device_for_everybody() {
        struct stat st {};
        EXPECT_EQ(::stat("/dev/fuse", &st), 0);
        EXPECT_EQ(::mount("none", dir_.path().c_str(), "tmpfs", 0, nullptr), 0);
        const std::string node = dir_.path() / "fuse";
        EXPECT_EQ(::mknod(node.c_str(), S_IFCHR, st.st_rdev), 0);
        EXPECT_EQ(::chmod(node.c_str(), 0666), 0);
        EXPECT_EQ(::mount(node.c_str(), "/dev/fuse", nullptr, MS_BIND, nullptr), 0);
    }
    ~device_for_everybody() {
        EXPECT_EQ(::umount2("/dev/fuse", MNT_DETACH), 0);
        EXPECT_EQ(::umount2(dir_.path().c_str(), MNT_DETACH), 0);
    }
    device_for_everybody(const device_for_everybody&) = delete;
    device_for_everybody& operator=(const device_for_everybody&) = delete;

  private:
    const temp_dir dir_;
};

// Starts a server that must refuse, and returns what it says; nothing may stay mounted.
run_result refused(const std::vector<std::string>& command, const run_options& o = {}) {
    run_result r = run(command, o);
    EXPECT_EQ(r.status, 1) << r.output;
    EXPECT_EQ(std::ranges::count(r.output, '\n'), 1) << "want one line, got: " << r.output;
    EXPECT_FALSE(is_mount_point(command.back()));
    return r;
}

TEST(hello_mounted, serves_its_file_and_unmounts_on_sigterm) {
    mounted_server s(HELLO);
    ASSERT_TRUE(s.ready()) << s.start_line() << s.log();
    EXPECT_THAT(read_file(s.path() / "hello"), HasSubstr("ello"));
    EXPECT_EQ(shell("ls " + s.path().string()).output, "hello\n");
    s.stop();
}

TEST(hello_mounted, logs_transport_and_negotiation) {
    mounted_server s(HELLO);
    ASSERT_TRUE(s.ready());
    EXPECT_THAT(s.log(), AnyOf(HasSubstr("transport dev ("),
                               HasSubstr("transport uring ("))); // mounted.cc: which
    EXPECT_THAT(s.log(), HasSubstr("granted"));
    s.stop();
}

// Of mappings that no child gets, in KiB.
std::size_t unshared_kib(pid_t pid) {
    std::ifstream smaps("/proc/" + std::to_string(pid) + "/smaps");
    std::size_t size = 0;
    std::size_t sum = 0;
    for (std::string line; std::getline(smaps, line);) {
        if (line.starts_with("Size:")) {
            size = std::stoul(line.substr(5));
        } else if (line.starts_with("VmFlags:") && line.find(" dc") != std::string::npos) {
            sum += size;
        }
    }
    return sum;
}

TEST(hello_mounted, keeps_the_payloads_of_requests_out_of_children) {
    mounted_server s(HELLO);
    ASSERT_TRUE(s.ready());
    if (s.log().find("transport uring") != std::string::npos) {
        EXPECT_GE(unshared_kib(s.pid()), 1024U);
    }
    s.stop();
}

TEST(hello_mounted, goes_to_the_background_and_the_parent_returns_when_it_answers) {
    temp_dir dir;
    const std::string mnt = dir.path() / "mnt";
    std::filesystem::create_directory(mnt);
    const run_result started = run({HELLO, mnt});
    ASSERT_EQ(started.status, 0) << started.output;
    EXPECT_TRUE(is_mount_point(mnt));
    EXPECT_THAT(read_file(mnt + "/hello"), HasSubstr("ello"));
    EXPECT_EQ(run({"umount", mnt}).status, 0);
    EXPECT_FALSE(is_mount_point(mnt));
}

TEST(hello_mounted, unmounting_from_outside_ends_the_server_cleanly) {
    mounted_server s(HELLO);
    ASSERT_TRUE(s.ready());
    ASSERT_EQ(::umount2(s.path().c_str(), 0), 0);
    EXPECT_EQ(s.wait(seconds(10)), 0) << s.log();
}

TEST(hello_mounted, ordinary_user_mounts_uses_and_unmounts) {
    const device_for_everybody device;
    mounted_server s(HELLO, {.arguments = {}, .uid = ordinary_user, .start_limit = seconds(20)});
    EXPECT_TRUE(s.ready()) << s.start_line() << s.log();
    const run_options as_user{.limit = seconds(10), .uid = ordinary_user, .environment = {}};
    EXPECT_THAT(run({"cat", s.path() / "hello"}, as_user).output, HasSubstr("ello"));
    s.stop();
}

// The tests' own promise.
TEST(hello_mounted, is_unmounted_when_its_test_dies) {
    const temp_dir dir;
    ASSERT_EQ(::setenv("TMPDIR", dir.path().c_str(), 1), 0);
    ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0); // the server becomes a child of ours
    const pid_t test = ::fork();
    if (test == 0) {
        const mounted_server s(HELLO);
        std::ofstream(dir.path() / "where") << s.pid() << ' ' << s.path().string() << std::flush;
        ::raise(SIGKILL);
    }
    ::unsetenv("TMPDIR");
    ASSERT_EQ(::waitpid(test, nullptr, 0), test);
    pid_t server = 0;
    std::string mount_point;
    std::ifstream(dir.path() / "where") >> server >> mount_point;
    ASSERT_GT(server, 0);
    int status = 0;
    pid_t ended = 0;
    for (int i = 0; i < 10000 && ended == 0; ++i) {
        ::usleep(1000);
        ended = ::waitpid(server, &status, WNOHANG);
    }
    EXPECT_EQ(ended, server) << "it serves on";
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    EXPECT_FALSE(is_mount_point(mount_point));
    ::prctl(PR_SET_CHILD_SUBREAPER, 0);
}

// An ordinary user's server starts fusermount3, and must hear how it ended.
TEST(hello_mounted, busy_mount_of_a_user_is_detached_where_ends_of_children_were_ignored) {
    const device_for_everybody device;
    ::signal(SIGCHLD, SIG_IGN); // inherited
    mounted_server s(HELLO, {.arguments = {}, .uid = ordinary_user, .start_limit = seconds(20)});
    ::signal(SIGCHLD, SIG_DFL);
    ASSERT_TRUE(s.ready()) << s.start_line() << s.log();
    const pid_t user = ::fork();
    if (user == 0) {
        static_cast<void>(::setgid(ordinary_user) == 0 && ::setuid(ordinary_user) == 0 &&
                          ::chdir(s.path().c_str()) == 0);
        ::raise(SIGSTOP);
        ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(user, &status, WUNTRACED), user);
    s.signal(SIGTERM);
    EXPECT_TRUE(s.wait_unmounted(seconds(5)));
    EXPECT_THAT(s.log(), HasSubstr("detached, serving"));
    ::kill(user, SIGCONT);
    ::waitpid(user, &status, 0);
    EXPECT_EQ(s.wait(seconds(10)), 0) << s.log();
}

TEST(start_errors, mount_point_missing) {
    EXPECT_THAT(refused({HELLO, "-f", "/nonexistent/mnt"}).output,
                HasSubstr("mount point '/nonexistent/mnt': No such file"));
}

TEST(start_errors, mount_point_no_directory) {
    temp_dir dir;
    const std::string file = dir.path() / "file";
    std::ofstream(file) << "x";
    EXPECT_THAT(refused({HELLO, "-f", file}).output, HasSubstr("not a directory"));
}

TEST(start_errors, mount_point_not_ours) {
    temp_dir dir;
    EXPECT_THAT(refused({HELLO, "-f", dir.path()},
                        {.limit = seconds(10), .uid = ordinary_user, .environment = {}})
                    .output,
                HasSubstr("not ours"));
}

TEST(start_errors, fusermount3_missing) {
    temp_dir dir;
    ASSERT_EQ(::chown(dir.path().c_str(), ordinary_user, ordinary_user), 0);
    EXPECT_THAT(
        refused({HELLO, "-f", dir.path()},
                {.limit = seconds(10), .uid = ordinary_user, .environment = {"PATH=/nonexistent"}})
            .output,
        HasSubstr("fusermount3: not found"));
}

// A mount namespace of our own, in which /dev is another one.
TEST(start_errors, dev_fuse_missing_or_not_permitted) {
    temp_dir dir;
    const std::string mnt = dir.path() / "mnt";
    std::filesystem::create_directory(mnt);
    const run_result missing =
        run({"unshare", "-m", "bash", "-c",
             std::string("mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && exec ") +
                 HELLO + " -f " + mnt});
    EXPECT_EQ(missing.status, 1);
    EXPECT_THAT(missing.output, HasSubstr("/dev/fuse: No such file"));

    ASSERT_EQ(::chown(mnt.c_str(), ordinary_user, ordinary_user), 0);
    const run_result denied =
        run({"unshare", "-m", "bash", "-c",
             std::string("mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && mknod -m 600 "
                         "/dev/fuse c 10 229 && exec setpriv --reuid=65534 --clear-groups ") +
                 HELLO + " -f " + mnt});
    EXPECT_EQ(denied.status, 1);
    EXPECT_THAT(denied.output, HasSubstr("/dev/fuse: Permission denied"));
}

TEST(start_errors, unknown_option) {
    temp_dir dir;
    EXPECT_THAT(refused({HELLO, "-f", "-o", "colour=blue", dir.path()}).output,
                HasSubstr("unknown option 'colour'"));
    EXPECT_THAT(refused({MEMFS, "-f", "-o", "colour=blue", dir.path()}).output,
                HasSubstr("unknown option 'colour'"));
}

TEST(start_errors, option_that_would_not_be_enforced) {
    temp_dir dir;
    EXPECT_THAT(refused({HELLO, "-f", "-o", "allow_root", dir.path()}).output,
                HasSubstr("option 'allow_root': not supported"));
}

TEST(start_errors, value_out_of_range) {
    temp_dir dir;
    for (const char* option :
         {"attr_timeout=-1", "attr_timeout=soon", "max_write=1", "max_write=2G", "policy=none",
          "size=1", "size=200%", "mode=99", "max_background=0", "watchdog=-1", "watchdog=0.001",
          "readdirplus=maybe", "attr_timeout"}) {
        const std::string name = std::string(option).substr(0, std::string(option).find('='));
        EXPECT_THAT(refused({MEMFS, "-f", "-o", option, dir.path()}).output, HasSubstr(name));
    }
    EXPECT_THAT(refused({HELLO, "-f", "--cores=7-3", dir.path()}).output, HasSubstr("--cores=7-3"));
    EXPECT_EQ(refused({HELLO, "-f", "--cores", "", dir.path()}).output,
              "hello: option '--cores=': want CPU numbers such as 0,2-5\n");
    EXPECT_THAT(refused({HELLO, "-f", "--log-level=loud", dir.path()}).output,
                HasSubstr("--log-level=loud"));
    EXPECT_THAT(refused({HELLO, "-f", "--cores=4000", dir.path()}).output,
                HasSubstr("option '--cores': CPU 4000 is not one"));
    EXPECT_EQ(refused({HELLO, "-f", "--transport=tcp", dir.path()}).output,
              "hello: option '--transport=tcp': want auto, uring or dev\n");
    EXPECT_EQ(refused({HELLO, "-f", "-o", "uring_entries=65", dir.path()}).output,
              "hello: option 'uring_entries=65': want a number from 1 to 64\n");
    EXPECT_EQ(refused({HELLO, "-f", "-o", "ro=1", dir.path()}).output,
              "hello: option 'ro=1': takes no value\n");
}

TEST(start_errors, read_the_same_in_the_background) {
    for (const char* where : {"-d", "--stats"}) { // -d: stays in the foreground
        EXPECT_EQ(refused({HELLO, where, "/nonexistent/mnt"}).output,
                  "hello: mount point '/nonexistent/mnt': No such file or directory\n");
    }
}

TEST(help, tells_the_timeouts_of_this_server) {
    EXPECT_THAT(run({HELLO, "--help"}).output, HasSubstr("keep attributes (default 1)"));
    EXPECT_THAT(run({MEMFS, "--help"}).output, HasSubstr("keep attributes (default 31536000)"));
}

// spec: X8
TEST(start_errors, policy_that_the_server_does_not_bear) {
    temp_dir dir;
    const auto output_of = [&](const char* server, const char* policy) {
        return refused({server, "-f", "-o", std::string("policy=") + policy, dir.path()}).output;
    };
    EXPECT_EQ(output_of(MEMFS, "parallel"),
              "memfs: option 'policy=parallel': memfs bears only per_node, serial, home\n");
    EXPECT_THAT(output_of(HELLO, "parallel"), HasSubstr("hello bears only per_node, serial, home"));
    EXPECT_THAT(output_of(UNRULY, "per_node"), HasSubstr("unruly bears only parallel"));
    // The last one said counts.
    mounted_server s(MEMFS, {.arguments = {"-o", "policy=parallel,policy=serial"},
                             .uid = 0,
                             .start_limit = seconds(20)});
    ASSERT_TRUE(s.ready()) << s.start_line();
    std::ofstream(s.path() / "f") << "text";
    EXPECT_EQ(read_file(s.path() / "f"), "text");
    s.stop();
}

TEST(start_errors, server_throws_at_start) {
    temp_dir dir;
    for (const char* mode :
         {"-f", "--stats"}) { // in the foreground, and through the parent of one in the background
        EXPECT_THAT(refused({UNRULY, mode, "-o", "throw_at_start", dir.path()}).output,
                    HasSubstr("told to throw"));
        EXPECT_THAT(refused({UNRULY, mode, "-o", "fail_at_start", dir.path()}).output,
                    HasSubstr("eio"));
    }
}

// spec: U9
TEST(start_errors, the_server_is_told_of_the_end_when_mounting_fails_after_its_start) {
    temp_dir dir;
    const std::string mnt = dir.path() / "mnt";
    const std::string told = dir.path() / "told";
    std::filesystem::create_directory(mnt);
    const run_result r =
        refused({UNRULY, "-f", "-o", "spoil_at_start=" + mnt + ",tell_unmount=" + told, mnt});
    EXPECT_THAT(r.output, HasSubstr("mounting on '" + mnt + "'"));
    EXPECT_EQ(read_file(told), "unmount by force\n");

    // A start that failed has no end.
    const std::string other = dir.path() / "other";
    refused({UNRULY, "-f", "-o", "fail_at_start,tell_unmount=" + other, dir.path()});
    EXPECT_EQ(read_file(other), "");
}

TEST(ready_descriptor, of_a_server_in_the_background_may_be_a_standard_stream) {
    for (const char* fd : {"1", "2"}) {
        temp_dir dir;
        const std::string mnt = dir.path() / "mnt";
        std::filesystem::create_directory(mnt);
        const run_result started = run({HELLO, "--ready-fd=" + std::string(fd), mnt});
        EXPECT_EQ(started.status, 0);
        EXPECT_EQ(started.output, "ready\n");
        EXPECT_THAT(read_file(mnt + "/hello"), HasSubstr("ello"));
        EXPECT_EQ(run({"umount", mnt}).status, 0);
    }
}

TEST(start_errors, go_through_the_ready_descriptor_too) {
    mounted_server s(UNRULY,
                     {.arguments = {"-o", "throw_at_start"}, .uid = 0, .start_limit = seconds(10)});
    EXPECT_FALSE(s.ready());
    EXPECT_THAT(s.start_line(), HasSubstr("error: "));
    EXPECT_EQ(s.wait(seconds(5)), 1);
}

TEST(help, names_every_option) {
    const run_result r = run({MEMFS, "--help"});
    EXPECT_EQ(r.status, 0);
    for (const char* word :
         {"-f", "-d", "-o", "--cores", "--log-level", "--ready-fd", "--stats", "--version",
          "allow_other", "default_permissions", "attr_timeout", "entry_timeout",
          "watchdog=", "fsname", "subtype", "max_read", "size="}) {
        EXPECT_THAT(r.output, HasSubstr(word));
    }
    EXPECT_THAT(run({MEMFS, "--version"}).output, HasSubstr("puffs "));
}

// spec: X7
TEST(operation_errors, exception_becomes_eio_and_the_mount_goes_on) {
    mounted_server s(UNRULY);
    ASSERT_TRUE(s.ready());
    for (int i = 0; i < 3; ++i) {
        const int fd = ::open((s.path() / "throws").c_str(), O_RDWR);
        ASSERT_GE(fd, 0);
        char byte = 0;
        EXPECT_EQ(::read(fd, &byte, 1), -1);
        EXPECT_EQ(errno, EIO);
        EXPECT_EQ(::write(fd, &byte, 1), -1);
        EXPECT_EQ(errno, EIO);
        ::close(fd);
    }
    EXPECT_EQ(read_file(s.path() / "fine"), "fine\n");
    EXPECT_THAT(s.log(), HasSubstr("told to throw"));
    s.stop();
}

// spec: X4 F41
TEST(operation_errors, errno_that_linux_has_not_is_answered_with_an_error) {
    mounted_server s(UNRULY);
    ASSERT_TRUE(s.ready());
    const int fd = ::open((s.path() / "refuses").c_str(), O_RDONLY);
    ASSERT_GE(fd, 0);
    char byte = 0;
    EXPECT_EQ(::read(fd, &byte, 1), -1); // and it does not hang
    EXPECT_EQ(errno, EPROTO);
    ::close(fd);
    s.stop();
}

} // namespace
} // namespace puffs::test
