// floor_uring - the fastest FUSE-over-io_uring server known to us: no framework, one pinned thread a core.
//
//     floor_uring [--joined] [--depth N] [--plain-file] [--plain-ring], and what floor_arguments.hh says
//
//   --joined      an answer goes to the kernel together with the wait for the next request, in one enter. Without it
//                 the answer's enter does not wait: at its end the caller runs on this core, and its next request finds
//                 this thread runnable, so that it need not be woken; often no second enter follows.
//   --depth       entries of each of the kernel's queues
//   --plain-file  name /dev/fuse by its descriptor, not as a registered file
//   --plain-ring  name the ring by its descriptor, not as a registered ring
//   --keep        the file has memory: reads are copied from it to the payload, writes from the payload to it
//   --counters    print at the end what each core served and how often it entered the kernel
//
// Each of --cores serves the queue of its own CPU; the first also those of the CPUs that are not named, because the
// kernel sends nothing before all possible CPUs have entries. INIT and FORGET come by /dev/fuse, to one more thread.
// Without --keep a READ is answered with zeros that lie in the payload already, as floor_dev answers without a copy
// of its own.
//
// Runs in the foreground until the mount point is unmounted. Needs Linux 6.14 and
// echo Y > /sys/module/fuse/parameters/enable_uring.
// Source: Linux fs/fuse/dev_uring.c, Documentation/filesystems/fuse/fuse-io-uring.rst.
#define FUSE_USE_VERSION 314
#include "cores.hh"
#include "floor_arguments.hh"
#include "floor_proto.hh"
#include "numbers.hh"
#include "pages.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <fuse.h>
#include <liburing.h>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace puffs::bench {
namespace {

// Protocol 7.42, which Debian's linux/fuse.h does not know.
constexpr std::uint32_t init_over_io_uring = 1U << 9; // of flags2
constexpr std::uint32_t command_register = 1;
constexpr std::uint32_t command_commit_and_fetch = 2;
constexpr std::size_t command_offset = 48; // of the command area in a submission entry

struct uring_request_header {
    std::array<std::byte, 128> in_out; // fuse_in_header, then fuse_out_header
    std::array<std::byte, 128> op_in;
    std::uint64_t flags;
    std::uint64_t commit_id;
    std::uint32_t payload_bytes; // of a reply: without the fuse_out_header
    std::uint32_t padding;
    std::uint64_t reserved;
};
static_assert(sizeof(uring_request_header) == 288);

struct uring_command {
    std::uint64_t flags;
    std::uint64_t commit_id;
    std::uint16_t queue;
    std::array<std::uint8_t, 6> padding;
};
static_assert(sizeof(uring_command) == 24);

struct options : floor_arguments {
    options() : floor_arguments(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN) {}

    unsigned depth = 1;
    bool joined = false;
    bool plain_file = false;
    bool plain_ring = false;
};

[[noreturn]] void die(const char* what, int errno_value) {
    std::fprintf(stderr, "floor_uring: %s: %s\n", what, std::strerror(errno_value));
    std::exit(1);
}

// Every CPU that this machine could have: one more than the last that the list names.
unsigned possible_cpus() {
    std::ifstream file("/sys/devices/system/cpu/possible");
    std::string list;
    std::getline(file, list);
    unsigned last = 0;
    if (!parse_number(std::string_view(list).substr(list.find_last_of(",-") + 1), last))
        die("/sys/devices/system/cpu/possible", EINVAL);
    return last + 1;
}

// What the kernel borrows of one entry, and what we know of it.
struct entry {
    explicit entry(std::uint16_t cpu) : queue(cpu), payload(max_payload_bytes) {
        parts = {{{&header, sizeof header}, {payload.data(), payload.size()}}};
    }

    std::uint16_t queue;
    pages payload;
    alignas(64) uring_request_header header{};
    std::array<iovec, 2> parts{};
    std::size_t dirty_bytes = 0; // of the payload, from its start; behind them are zeros
};

// One thread: a ring and the entries of the queues that it serves.
class server {
  public:
    server(const options& opts, int fd, int core, const std::vector<std::uint16_t>& queues,
           std::byte* kept)
        : opts_(opts), fd_(fd), core_(core), proto_(opts.file_bytes, kept) {
        for (const auto queue : queues)
            for (unsigned i = 0; i < opts.depth; ++i)
                entries_.push_back(std::make_unique<entry>(queue));
    }

    void run() {
        if (const int e = pin(core_)) die("pinning to a core", e);
        start_ring();
        for (const auto& e : entries_)
            lend(*e, command_register);
        for (std::size_t left = entries_.size(); left > 0;) {
            wait();
            io_uring_cqe* cqe = nullptr;
            while (io_uring_peek_cqe(&ring_, &cqe) == 0) {
                auto* const e = static_cast<entry*>(io_uring_cqe_get_data(cqe));
                const int res = cqe->res;
                io_uring_cqe_seen(&ring_, cqe);
                if (res == 0) {
                    serve(*e);
                } else {
                    if (res != -ENOTCONN && res != -ECANCELED && res != -ECONNABORTED)
                        die("an entry of a queue", -res);
                    --left;
                }
            }
        }
    }

    void print_counters() const {
        std::fprintf(stderr, "core %d: %llu requests, %llu enters\n", core_,
                     static_cast<unsigned long long>(request_count_),
                     static_cast<unsigned long long>(enter_count_));
    }

  private:
    static constexpr int registered_file = 0;

    // On the thread that will use the ring, as SINGLE_ISSUER wants it.
    void start_ring() {
        const auto all = static_cast<unsigned>(entries_.size());
        if (const int r = io_uring_queue_init(all, &ring_, opts_.ring_flags | IORING_SETUP_SQE128);
            r < 0)
            die("io_uring_queue_init", -r);
        if (const int r = opts_.plain_file ? 0 : io_uring_register_files(&ring_, &fd_, 1); r < 0)
            die("io_uring_register_files", -r);
        if (const int r = opts_.plain_ring ? 0 : io_uring_register_ring_fd(&ring_); r < 0)
            die("io_uring_register_ring_fd", -r);
    }

    io_uring_sqe& cleared_entry() {
        io_uring_sqe* const sqe = io_uring_get_sqe(&ring_);
        if (sqe == nullptr) die("the submission queue is full", EBUSY);
        std::memset(sqe, 0, 2 * sizeof *sqe);
        return *sqe;
    }

    void lend(entry& e, std::uint32_t command) {
        io_uring_sqe& sqe = cleared_entry();
        sqe.opcode = IORING_OP_URING_CMD;
        sqe.fd = opts_.plain_file ? fd_ : registered_file;
        sqe.flags = opts_.plain_file ? 0 : IOSQE_FIXED_FILE;
        sqe.cmd_op = command;
        if (command == command_register) {
            sqe.addr = reinterpret_cast<std::uint64_t>(e.parts.data());
            sqe.len = static_cast<std::uint32_t>(e.parts.size());
        }
        io_uring_sqe_set_data(&sqe, &e);
        const uring_command wanted{
            .flags = 0, .commit_id = e.header.commit_id, .queue = e.queue, .padding = {}};
        std::memcpy(reinterpret_cast<std::byte*>(&sqe) + command_offset, &wanted, sizeof wanted);
    }

    // Submits, and returns when there is a completion.
    void wait() {
        if (!opts_.joined) {
            enter(0);
            if (io_uring_cq_ready(&ring_) != 0) return;
        }
        enter(1);
    }

    void enter(unsigned wait_count) {
        ++enter_count_;
        if (const int r = io_uring_submit_and_wait(&ring_, wait_count); r < 0 && r != -EINTR)
            die("io_uring_enter", -r);
    }

    // The request in one piece, as floor_proto takes it; the data of a WRITE stays where it is.
    std::span<const std::byte> request_of(entry& e) {
        fuse_in_header in;
        std::memcpy(&in, e.header.in_out.data(), sizeof in);
        const std::size_t payload = std::min<std::size_t>(e.header.payload_bytes, e.payload.size());
        const std::size_t whole = sizeof in + payload;
        const std::size_t fixed =
            in.len > whole ? std::min<std::size_t>(in.len - whole, e.header.op_in.size()) : 0;
        const std::size_t rest = std::min(payload, request_.size() - sizeof in - fixed - 1);
        std::memcpy(request_.data(), &in, sizeof in);
        std::memcpy(request_.data() + sizeof in, e.header.op_in.data(), fixed);
        std::memcpy(request_.data() + sizeof in + fixed, e.payload.data(), rest);
        request_[sizeof in + fixed + rest] = std::byte{0};
        e.dirty_bytes = std::max(e.dirty_bytes, payload);
        opcode_ = in.opcode;
        return std::span(request_).first(sizeof in + fixed + rest);
    }

    void serve(entry& e) {
        ++request_count_;
        const auto request = request_of(e);
        const floor_reply& reply =
            proto_.answer(request, std::span(e.payload.data(), e.payload.size()));
        std::memcpy(e.header.in_out.data(), reply.iov[0].iov_base, reply.iov[0].iov_len);
        const std::size_t size = reply.iov_count > 1 ? reply.iov[1].iov_len : 0;
        if (opcode_ == FUSE_READ && !opts_.keep) {
            std::memset(e.payload.data(), 0, std::min(size, e.dirty_bytes));
            e.dirty_bytes = size >= e.dirty_bytes ? 0 : e.dirty_bytes;
        } else {
            if (size != 0) std::memcpy(e.payload.data(), reply.iov[1].iov_base, size);
            e.dirty_bytes = std::max(e.dirty_bytes, size);
        }
        e.header.payload_bytes = static_cast<std::uint32_t>(size);
        lend(e, command_commit_and_fetch);
    }

    const options& opts_;
    const int fd_;
    const int core_;
    floor_proto proto_;
    io_uring ring_{};
    std::vector<std::unique_ptr<entry>> entries_;
    std::array<std::byte, 1024> request_{};
    std::uint32_t opcode_ = 0;
    std::uint64_t request_count_ = 0;
    std::uint64_t enter_count_ = 0;
};

// The thread of /dev/fuse. INIT comes first; after that only what wants no answer: FORGET and INTERRUPT.
class plain_channel {
  public:
    plain_channel(const options& opts, int fd, std::byte* kept)
        : fd_(fd), proto_(opts.file_bytes, kept), request_(request_bytes) {}

    // Accepts FUSE over io_uring. Exits when the kernel does not offer it.
    void answer_init() {
        const ssize_t n = ::read(fd_, request_.data(), request_.size());
        if (n < 0) die("reading INIT", errno);
        const floor_reply& reply = proto_.answer({request_.data(), static_cast<std::size_t>(n)});
        fuse_init_in asked{};
        std::memcpy(&asked, request_.data() + sizeof(fuse_in_header),
                    std::min(sizeof asked, static_cast<std::size_t>(n) - sizeof(fuse_in_header)));
        if ((asked.flags2 & init_over_io_uring) == 0)
            die("the kernel does not offer FUSE over io_uring: "
                "echo Y > /sys/module/fuse/parameters/enable_uring",
                EOPNOTSUPP);
        auto& granted = *static_cast<fuse_init_out*>(reply.iov[1].iov_base);
        granted.flags |= FUSE_INIT_EXT;
        granted.flags2 |= init_over_io_uring;
        if (::writev(fd_, reply.iov.data(), static_cast<int>(reply.iov_count)) < 0)
            die("answering INIT", errno);
    }

    void run() {
        for (;;) {
            const ssize_t n = ::read(fd_, request_.data(), request_.size());
            if (n < 0 && errno != EINTR && errno != ENOENT) return;
        }
    }

  private:
    const int fd_;
    floor_proto proto_;
    pages request_;
};

std::vector<std::vector<std::uint16_t>> queues_of(const std::vector<int>& cores) {
    std::vector<std::vector<std::uint16_t>> queues(cores.size());
    for (unsigned cpu = 0; cpu < possible_cpus(); ++cpu) {
        const auto at = std::find(cores.begin(), cores.end(), static_cast<int>(cpu));
        const auto core = at == cores.end() ? 0 : static_cast<std::size_t>(at - cores.begin());
        queues[core].push_back(static_cast<std::uint16_t>(cpu));
    }
    return queues;
}

void declare(CLI::App& app, options& opts) {
    app.add_flag("--joined", opts.joined);
    app.add_option("--depth", opts.depth)->check(CLI::Range(1U, 65535U));
    app.add_flag("--plain-file", opts.plain_file);
    app.add_flag("--plain-ring", opts.plain_ring);
    declare_floor(app, opts, false);
}

} // namespace
} // namespace puffs::bench

int main(int argc, char** argv) {
    using namespace puffs::bench;
    options opts;
    CLI::App app("the fastest FUSE-over-io_uring server known to us", "floor_uring");
    declare(app, opts);
    parse_or_exit(app, argc, argv);
    const int fd = fuse_open_channel(opts.mount_point.c_str(), "fsname=floor_uring,subtype=floor");
    if (fd < 0) return 1;
    std::optional<pages> kept;
    if (opts.keep) kept.emplace(opts.file_bytes);
    plain_channel plain(opts, fd, kept ? kept->data() : nullptr);
    plain.answer_init();
    const auto queues = queues_of(opts.cores);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < opts.cores.size(); ++i) {
        threads.emplace_back([&opts, &kept, fd, core = opts.cores[i], &mine = queues[i]] {
            server s(opts, fd, core, mine, kept ? kept->data() : nullptr);
            s.run();
            if (opts.counters) s.print_counters();
        });
    }
    plain.run();
    for (auto& thread : threads)
        thread.join();
    return 0;
}
