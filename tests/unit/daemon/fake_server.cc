// fake_server - stands for a file server in the daemon's tests: same command line, no file system.
//
// What it does is its SOURCE:
//   serve          becomes ready, serves until SIGTERM, exits 0
//   mount          the same, with a FUSE mount that answers nothing (root only); the mount goes with SIGTERM
//   orphan-mount   the same, but leaves the mount behind at SIGTERM
//   never          never becomes ready
//   refuse         answers "error: the moon is full", exits 1
//   garble         answers a line that is neither ready nor an error, then waits
//   close          closes its ready descriptor without an answer, then waits
//   die            prints "cannot open the box", exits 3
//   die-later      prints "all is well", becomes ready, then dies of SIGSEGV
//   panic          prints "panic: no more", becomes ready, then dies of SIGABRT
//   exit-later     becomes ready, then exits 0
//   stubborn       becomes ready, ignores SIGTERM
//   family         becomes ready, has a child that ignores SIGTERM and holds its output open
//   talk           prints "line 0" to "line 99", one long line, and "no newline", then exits 4
//   arguments      prints its arguments, one a line, in brackets; becomes ready
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

namespace {

int ready_fd = -1;

void answer(std::string_view line) {
    const auto written = ::write(ready_fd, line.data(), line.size());
    if (written != static_cast<ssize_t>(line.size())) std::abort();
    ::close(ready_fd);
}

void wait_for_sigterm() {
    sigset_t term;
    ::sigemptyset(&term);
    ::sigaddset(&term, SIGTERM);
    int number = 0;
    while (::sigwait(&term, &number) != 0 || number != SIGTERM) {
    }
}

void mount_here(const char* mountpoint) {
    const int fd = ::open("/dev/fuse", O_RDWR | O_CLOEXEC);
    const auto options = "fd=" + std::to_string(fd) + ",rootmode=40000,user_id=0,group_id=0";
    if (fd < 0 || ::mount("fake", mountpoint, "fuse.fake", 0, options.c_str()) != 0) {
        answer("error: cannot mount\n");
        std::exit(1);
    }
}

[[noreturn]] void die_of(int number) {
    const rlimit none{.rlim_cur = 0, .rlim_max = 0};
    ::setrlimit(RLIMIT_CORE, &none);
    std::signal(number, SIG_DFL);
    std::raise(number);
    std::abort();
}

void talk() {
    for (int i = 0; i < 100; ++i)
        std::printf("line %d\n", i);
    std::printf("%s\nno newline", std::string(3000, 'x').c_str());
    std::fflush(stdout);
    std::exit(4);
}

void raise_family() {
    if (::fork() == 0) {
        std::signal(SIGTERM, SIG_IGN);
        for (;;)
            ::pause();
    }
}

int serve(std::string_view how, const char* mountpoint) {
    if (how == "die") {
        std::fprintf(stderr, "cannot open the box\n");
        return 3;
    }
    if (how == "talk") talk();
    if (how == "die-later") std::fprintf(stderr, "all is well\n");
    if (how == "panic") std::fprintf(stderr, "panic: no more\n");
    if (how == "refuse") {
        answer("error: the moon is full\n");
        return 1;
    }
    if (how == "mount" || how == "orphan-mount") mount_here(mountpoint);
    if (how == "family") raise_family();
    if (how == "garble") {
        answer("hello?\n");
    } else if (how == "close") {
        ::close(ready_fd);
    } else if (how != "never") {
        answer("ready\n");
    }
    if (how == "die-later") die_of(SIGSEGV);
    if (how == "panic") die_of(SIGABRT);
    if (how == "exit-later") return 0;
    if (how == "stubborn") {
        for (;;)
            ::pause(); // SIGTERM is blocked
    }
    wait_for_sigterm();
    if (how == "mount") ::umount2(mountpoint, MNT_DETACH);
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    sigset_t term;
    ::sigemptyset(&term);
    ::sigaddset(&term, SIGTERM);
    ::sigprocmask(SIG_BLOCK, &term, nullptr);

    constexpr std::string_view ready_option = "--ready-fd=";
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (word.starts_with(ready_option)) {
            ready_fd = std::atoi(argv[i] + ready_option.size());
        }
    }
    if (argc < 4 || ready_fd < 0) return 2;
    const std::string_view how = argv[argc - 2];
    if (how == "arguments") {
        for (int i = 1; i < argc; ++i)
            std::printf("[%s]\n", argv[i]);
        std::fflush(stdout);
    }
    return serve(how, argv[argc - 1]);
}
