// files - the small-file workload of the bench: makes, stats, reads and removes many small files.
//
//     bench_files --path DIR [--count 10000] [--size 1024] [--cores any|0|any,any...]
//
// One client process for each item of --cores, pinned to that core ("any": not pinned). They share the
// files among them, each works in a directory of its own, and all begin each phase together. Each
// read is compared with what was written, each size with that of the file.
// Prints one JSON object: the seconds of each phase, from the first client's begin to the last one's
// end, and their sum.
// Exit: 0, 1 when an operation failed (which and why on stderr), 2 for wrong arguments.
#include "arguments.hh"
#include "clients.hh"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <fcntl.h>
#include <pthread.h>
#include <span>
#include <string>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace puffs::bench {
namespace {

using clock = std::chrono::steady_clock;

struct options {
    std::string path;
    std::uint64_t count = 10000;
    std::uint64_t size_bytes = 1024;
    std::vector<int> cores{any_core};
};

constexpr std::array phase_names{"create", "stat", "read", "unlink"};

// When a client began and ended each phase; in shared memory, written by that client, read after its end.
struct client_times {
    std::array<clock::time_point, phase_names.size()> begin, end;
};

// One client in its directory, which exists as long as it does.
class client {
  public:
    client(const options& opts, std::size_t number)
        : count_(opts.count / opts.cores.size() +
                 (number < opts.count % opts.cores.size() ? 1 : 0)),
          directory_(opts.path + "/client-" + std::to_string(number)), text_(opts.size_bytes, 'x'),
          room_(opts.size_bytes + 1, '\0') {
        if (mkdir(directory_.c_str(), 0755) != 0) die("mkdir");
        fd_ = open(directory_.c_str(), O_RDONLY | O_DIRECTORY);
        if (fd_ < 0) die("opening the directory");
    }
    client(const client&) = delete;
    client& operator=(const client&) = delete;
    ~client() {
        close(fd_);
        if (rmdir(directory_.c_str()) != 0) die("rmdir");
    }

    void run(std::size_t phase) {
        constexpr std::array each{&client::create, &client::stat, &client::read, &client::unlink};
        for (std::uint64_t i = 0; i < count_; ++i) {
            (this->*each[phase])(name_of(i), i);
        }
    }

  private:
    const char* name_of(std::uint64_t i) {
        name_.fill('\0');
        name_[0] = 'f';
        std::to_chars(name_.data() + 1, name_.data() + name_.size() - 1, i);
        return name_.data();
    }

    // The text of a file: its number, and then the same for all.
    const std::string& text_of(std::uint64_t i) {
        std::memcpy(text_.data(), &i, std::min(sizeof i, text_.size()));
        return text_;
    }

    void create(const char* name, std::uint64_t i) {
        const auto& text = text_of(i);
        const int fd = openat(fd_, name, O_WRONLY | O_CREAT | O_EXCL, 0644);
        if (fd < 0) die("creating a file");
        check_count(write(fd, text.data(), text.size()), "write");
        if (close(fd) != 0) die("close");
    }

    void stat(const char* name, std::uint64_t) {
        struct stat st {};
        if (fstatat(fd_, name, &st, 0) != 0) die("stat");
        check_count(st.st_size, "stat: size of the file");
    }

    void read(const char* name, std::uint64_t i) {
        const int fd = openat(fd_, name, O_RDONLY);
        if (fd < 0) die("open");
        check_count(::read(fd, room_.data(), room_.size()), "read");
        if (std::memcmp(room_.data(), text_of(i).data(), text_.size()) != 0) {
            errno = EILSEQ;
            die("read: not what was written");
        }
        if (close(fd) != 0) die("close");
    }

    void unlink(const char* name, std::uint64_t) {
        if (unlinkat(fd_, name, 0) != 0) die("unlink");
    }

    void check_count(off_t done, const char* what) const {
        if (done == static_cast<off_t>(text_.size())) return;
        if (done >= 0) errno = EMSGSIZE;
        die(what);
    }

    const std::uint64_t count_;
    const std::string directory_;
    int fd_ = -1;
    std::array<char, 24> name_{};
    std::string text_;
    std::string room_; // a byte more than a file has: one read shows its end
};

pthread_barrier_t* shared_barrier(std::size_t count) {
    auto* barrier = map_shared<pthread_barrier_t>(1);
    pthread_barrierattr_t attributes;
    pthread_barrierattr_init(&attributes);
    pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    errno = pthread_barrier_init(barrier, &attributes, static_cast<unsigned>(count));
    if (errno != 0) die("barrier");
    return barrier;
}

void run_client(const options& opts, std::size_t number, pthread_barrier_t& barrier,
                client_times& times) {
    pin_or_die(opts.cores[number]);
    client one(opts, number);
    for (std::size_t phase = 0; phase < phase_names.size(); ++phase) {
        pthread_barrier_wait(&barrier);
        times.begin[phase] = clock::now();
        one.run(phase);
        times.end[phase] = clock::now();
    }
}

// Forks the clients and waits for them. When one fails the others, who may wait for it, are killed.
void run_all(const options& opts, std::span<client_times> times) {
    auto* barrier = shared_barrier(times.size());
    std::vector<pid_t> clients;
    for (std::size_t i = 0; i < times.size(); ++i) {
        const pid_t pid = fork();
        if (pid < 0) die("fork");
        if (pid == 0) {
            run_client(opts, i, *barrier, times[i]);
            std::_Exit(0);
        }
        clients.push_back(pid);
    }
    bool failed = false;
    while (!clients.empty()) {
        int status = 0;
        const pid_t ended = wait(&status);
        if (ended < 0) die("wait");
        std::erase(clients, ended);
        if (status == 0 || failed) continue;
        failed = true;
        for (const pid_t other : clients)
            kill(other, SIGKILL);
    }
    if (failed) std::_Exit(1);
}

void print(std::span<const client_times> times) {
    double sum_s = 0;
    for (std::size_t phase = 0; phase < phase_names.size(); ++phase) {
        auto begin = times[0].begin[phase];
        auto end = times[0].end[phase];
        for (const auto& one : times) {
            begin = std::min(begin, one.begin[phase]);
            end = std::max(end, one.end[phase]);
        }
        const double took_s = std::chrono::duration<double>(end - begin).count();
        std::printf("%s\"%s\": %.6f", phase == 0 ? "{" : ", ", phase_names[phase], took_s);
        sum_s += took_s;
    }
    std::printf(", \"sum\": %.6f}\n", sum_s);
}

void declare(CLI::App& app, options& opts) {
    app.add_option("--path", opts.path, "where the files are made")->required();
    app.add_option("--count", opts.count, "files of all clients")->check(CLI::PositiveNumber);
    app.add_option("--size", opts.size_bytes, "bytes of each file");
    declare_cores(app, opts.cores, true, "one client on each, any: not pinned");
    app.callback([&opts] {
        if (opts.count < opts.cores.size())
            throw CLI::ValidationError("--count", "fewer files than clients");
    });
}

} // namespace
} // namespace puffs::bench

int main(int argc, char** argv) {
    using namespace puffs::bench;
    options opts;
    CLI::App app("makes, stats, reads and removes many small files", "bench_files");
    declare(app, opts);
    parse_or_exit(app, argc, argv);
    const std::span<client_times> times(map_shared<client_times>(opts.cores.size()),
                                        opts.cores.size());
    run_all(opts, times);
    print(times);
    return 0;
}
