// client - the workload of the bench: does one kind of file operation for a time and says how long
// each took.
//
//     bench_client --path FILE --work stat|read|write [--size 4096] [--cores any|0|0,1|any,any…]
//                  [--warmup-ms 200] [--time-ms 1000] [--count N] [--runs 1] [--create-bytes N]
//
// One client process for each item of --cores, pinned to that core ("any": not pinned); all start
// together. read and write use O_DIRECT at rising offsets, from the start again at the file's end.
// A run ends after --count operations of each client or after --time-ms, whichever is first.
// Prints one JSON object: the runs, each with ops/s of all clients and percentiles of ns/op over
// all their operations, and the median of the runs, taken of each figure by itself.
// Exit: 0, 1 when an operation failed (which and why on stderr), 2 for wrong arguments.
#include "arguments.hh"
#include "clients.hh"
#include "numbers.hh"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <span>
#include <string>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace puffs::bench {
namespace {

using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

enum class work_kind { stat, read, write };

constexpr std::size_t sample_slots = std::size_t{1} << 20;
constexpr std::size_t direct_alignment_bytes = 4096;

struct options {
    std::string path;
    work_kind work = work_kind::stat;
    std::uint64_t size_bytes = 4096;
    std::vector<int> cores{any_core};
    std::uint64_t warmup_ms = 200;
    std::uint64_t time_ms = 1000;
    std::uint64_t count = UINT64_MAX;
    std::uint64_t run_count = 1;
    std::uint64_t create_bytes = 0;
};

// What a client process hands to its parent in shared memory: counters and samples of one run.
struct client_result {
    std::uint64_t operation_count;
    std::uint64_t elapsed_ns;
    std::uint64_t sample_count;
    std::uint32_t samples_ns[sample_slots];
};

// The meeting place of a run: clients count themselves in after warm-up, the parent opens the gate.
struct start_gate {
    std::atomic<unsigned> arrived; // acq_rel add pairs with the parent's acquire load
    std::atomic<bool> open; // release store by the parent pairs with the clients' acquire load
};

struct figures {
    double operations_per_s;
    double mean_ns;
    double p50_ns;
    double p90_ns;
    double p99_ns;
};

// One operation of the workload at a time.
class worker {
  public:
    explicit worker(const options& opts) : opts_(opts) {
        if (opts.work == work_kind::stat) return;
        fd_ = open(opts.path.c_str(),
                   (opts.work == work_kind::read ? O_RDONLY : O_WRONLY) | O_DIRECT);
        if (fd_ < 0) die("open");
        struct stat st {};
        if (fstat(fd_, &st) != 0) die("fstat");
        span_bytes_ = static_cast<std::uint64_t>(st.st_size) / opts.size_bytes * opts.size_bytes;
        if (span_bytes_ == 0) {
            errno = ENODATA;
            die("the file is smaller than one operation");
        }
        buffer_ = static_cast<char*>(std::aligned_alloc(direct_alignment_bytes, opts.size_bytes));
        if (buffer_ == nullptr) die("buffer");
        std::memset(buffer_, 'x', opts.size_bytes);
    }

    void operator()() {
        switch (opts_.work) {
        case work_kind::stat: {
            struct stat st;
            if (::stat(opts_.path.c_str(), &st) != 0) die("stat");
            return;
        }
        case work_kind::read:
            return check(pread(fd_, buffer_, opts_.size_bytes, next_offset()), "read");
        case work_kind::write:
            return check(pwrite(fd_, buffer_, opts_.size_bytes, next_offset()), "write");
        }
    }

  private:
    off_t next_offset() {
        const auto at = offset_bytes_;
        offset_bytes_ += opts_.size_bytes;
        if (offset_bytes_ == span_bytes_) offset_bytes_ = 0;
        return static_cast<off_t>(at);
    }

    void check(ssize_t done, const char* what) const {
        if (done == static_cast<ssize_t>(opts_.size_bytes)) return;
        if (done >= 0) errno = EMSGSIZE;
        die(what);
    }

    const options& opts_;
    int fd_ = -1;
    char* buffer_ = nullptr;
    std::uint64_t span_bytes_ = 0;
    std::uint64_t offset_bytes_ = 0;
};

void run_client(const options& opts, int core, start_gate& gate, client_result& result) {
    pin_or_die(core);
    worker work(opts);
    for (const auto end = clock::now() + milliseconds(opts.warmup_ms); clock::now() < end;)
        work();
    gate.arrived.fetch_add(1, std::memory_order_acq_rel);
    while (!gate.open.load(std::memory_order_acquire))
        sched_yield();
    const auto start = clock::now();
    const auto end = start + milliseconds(opts.time_ms);
    auto before = start;
    std::uint64_t done = 0;
    while (done < opts.count && before < end) {
        work();
        const auto after = clock::now();
        const auto took_ns = std::min<std::uint64_t>(
            static_cast<std::uint64_t>(nanoseconds(after - before).count()), UINT32_MAX);
        if (done < sample_slots) result.samples_ns[done] = static_cast<std::uint32_t>(took_ns);
        ++done;
        before = after;
    }
    result.operation_count = done;
    result.sample_count = std::min<std::uint64_t>(done, sample_slots);
    result.elapsed_ns = static_cast<std::uint64_t>(nanoseconds(before - start).count());
}

figures summarize(std::span<const client_result> results) {
    figures out{};
    std::vector<std::uint32_t> samples;
    double busy_ns = 0;
    double done = 0;
    for (const auto& result : results) {
        samples.insert(samples.end(), result.samples_ns, result.samples_ns + result.sample_count);
        const auto count = static_cast<double>(result.operation_count);
        const auto elapsed_ns = static_cast<double>(result.elapsed_ns);
        out.operations_per_s += count * 1e9 / elapsed_ns;
        busy_ns += elapsed_ns;
        done += count;
    }
    out.mean_ns = busy_ns / done;
    const auto percentile = [&](std::size_t percent) {
        const auto at =
            samples.begin() + static_cast<std::ptrdiff_t>((samples.size() - 1) * percent / 100);
        std::nth_element(samples.begin(), at, samples.end());
        return static_cast<double>(*at);
    };
    out.p50_ns = percentile(50);
    out.p90_ns = percentile(90);
    out.p99_ns = percentile(99);
    return out;
}

// Forks the clients, lets them go together, waits for them. Exits when one of them failed.
figures run_once(const options& opts, std::span<client_result> results, start_gate& gate) {
    gate.arrived.store(0, std::memory_order_relaxed);
    gate.open.store(false, std::memory_order_relaxed);
    std::vector<pid_t> children;
    for (std::size_t i = 0; i < results.size(); ++i) {
        const pid_t pid = fork();
        if (pid < 0) die("fork");
        if (pid == 0) {
            run_client(opts, opts.cores[i], gate, results[i]);
            std::_Exit(0);
        }
        children.push_back(pid);
    }
    bool failed = false;
    while (!failed && gate.arrived.load(std::memory_order_acquire) < children.size()) {
        // The clients are warming up; spinning here would disturb their cores.
        usleep(2000);
        siginfo_t info{};
        failed = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
    }
    gate.open.store(true, std::memory_order_release);
    for (const pid_t pid : children) {
        int status = 0;
        if (waitpid(pid, &status, 0) != pid || status != 0) failed = true;
    }
    if (failed) std::_Exit(1);
    return summarize(results);
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const std::size_t half = values.size() / 2;
    return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

void print(const figures& f) {
    std::printf("{\"ops_per_s\": %.1f, \"mean_ns\": %.1f, \"p50_ns\": %.0f, \"p90_ns\": %.0f, "
                "\"p99_ns\": %.0f}",
                f.operations_per_s, f.mean_ns, f.p50_ns, f.p90_ns, f.p99_ns);
}

void print_all(std::span<const figures> runs) {
    const auto middle = [&](double figures::*which) {
        std::vector<double> values;
        for (const auto& run : runs)
            values.push_back(run.*which);
        return median(std::move(values));
    };
    std::printf("{\"runs\": [");
    for (std::size_t i = 0; i < runs.size(); ++i) {
        std::printf("%s", i == 0 ? "" : ", ");
        print(runs[i]);
    }
    std::printf("], \"median\": ");
    print({middle(&figures::operations_per_s), middle(&figures::mean_ns), middle(&figures::p50_ns),
           middle(&figures::p90_ns), middle(&figures::p99_ns)});
    std::printf("}\n");
}

// Makes a file of `size_bytes` that is written, not sparse, for file servers that keep data.
void create_file(const std::string& path, std::uint64_t size_bytes) {
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (fd < 0) die("creating the file");
    const std::vector<char> block(std::size_t{1} << 20, 'x');
    for (std::uint64_t done = 0; done < size_bytes;) {
        const auto n =
            write(fd, block.data(), std::min<std::uint64_t>(block.size(), size_bytes - done));
        if (n <= 0) die("filling the file");
        done += static_cast<std::uint64_t>(n);
    }
    if (close(fd) != 0) die("closing the file");
}

void declare(CLI::App& app, options& opts) {
    const std::map<std::string, work_kind> kinds{
        {"stat", work_kind::stat}, {"read", work_kind::read}, {"write", work_kind::write}};
    app.add_option("--path", opts.path, "the file")->required();
    app.add_option("--work", opts.work, "what is done")
        ->required()
        ->transform(CLI::CheckedTransformer(kinds));
    app.add_option("--size", opts.size_bytes, "bytes of a read or write")
        ->check(CLI::PositiveNumber)
        ->check([](const std::string& text) {
            std::uint64_t size = 0;
            return parse_number(text, size) && size % direct_alignment_bytes == 0
                       ? std::string()
                       : "not a multiple of " + std::to_string(direct_alignment_bytes);
        });
    declare_cores(app, opts.cores, true, "one client on each, any: not pinned");
    app.add_option("--warmup-ms", opts.warmup_ms);
    app.add_option("--time-ms", opts.time_ms)->check(CLI::PositiveNumber);
    app.add_option("--count", opts.count, "operations of each client")->check(CLI::PositiveNumber);
    app.add_option("--runs", opts.run_count)->check(CLI::PositiveNumber);
    app.add_option("--create-bytes", opts.create_bytes, "make the file before, that long");
}

} // namespace
} // namespace puffs::bench

int main(int argc, char** argv) {
    using namespace puffs::bench;
    options opts;
    CLI::App app("does one kind of file operation for a time and says how long each took",
                 "bench_client");
    declare(app, opts);
    parse_or_exit(app, argc, argv);
    if (opts.create_bytes > 0) create_file(opts.path, opts.create_bytes);
    auto* gate = map_shared<start_gate>(1);
    std::span<client_result> results(map_shared<client_result>(opts.cores.size()),
                                     opts.cores.size());
    std::vector<figures> runs;
    for (std::uint64_t run = 0; run < opts.run_count; ++run)
        runs.push_back(run_once(opts, results, *gate));
    print_all(runs);
    return 0;
}
