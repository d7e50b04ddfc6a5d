// floor_dev - the fastest /dev/fuse server known to us: no framework, one pinned thread a core.
//
//     floor_dev [--loop read|ring-read|ring-both|ring-poll] [--try] [--exclusive] [--back-off]
//               and what floor_arguments.hh says
//
//   read         blocking read(), reply by writev()
//   ring-read    a READ on the ring waits for the request, reply by writev()
//   ring-both    the reply is a WRITEV on the ring, submitted with the next READ in one enter
//   ring-poll    a POLL_ADD on the ring waits, then read() without blocking, reply by writev()
//   --try        after a reply, read() without blocking before going to sleep on the ring
//   --exclusive  the POLL_ADD of ring-poll waits with EPOLLEXCLUSIVE
//   --back-off   a core whose poll of ring-poll woke it four times for nothing does not listen for 4 ms
//   --keep       the file has memory: reads are answered from it, writes are copied to it
//   --counters   print at the end what each core served and how often it woke for nothing
//
// Runs in the foreground until the mount point is unmounted. Several cores: one clone of /dev/fuse
// a core. --cores any: not pinned.
#define FUSE_USE_VERSION 314
#include "cores.hh"
#include "floor_arguments.hh"
#include "floor_proto.hh"
#include "pages.hh"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fuse.h>
#include <liburing.h>
#include <map>
#include <optional>
#include <string>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace puffs::bench {
namespace {

enum class loop_kind { read, ring_read, ring_both, ring_poll };

struct options : floor_arguments {
    options() : floor_arguments(0) {}

    loop_kind loop = loop_kind::read;
    bool try_first = false;
    bool exclusive = false;
    bool back_off = false;
};

[[noreturn]] void die(const char* what, int errno_value) {
    std::fprintf(stderr, "floor_dev: %s: %s\n", what, std::strerror(errno_value));
    std::exit(1);
}

// One thread's end of the channel: its clone of /dev/fuse, its request buffer and its answers.
class reader {
  public:
    reader(const options& opts, int fd, int core, std::byte* kept)
        : opts_(opts), fd_(fd), core_(core), proto_(opts.file_bytes, kept),
          request_(request_bytes) {}

    void run() {
        if (const int e = pin(core_)) die("pinning to a core", e);
        if (opts_.loop != loop_kind::read) start_ring();
        switch (opts_.loop) {
        case loop_kind::read:
            return run_blocking();
        case loop_kind::ring_read:
            return run_ring_read();
        case loop_kind::ring_both:
            return run_ring_both();
        case loop_kind::ring_poll:
            return run_ring_poll();
        }
    }

    void print_counters() const {
        std::fprintf(stderr, "core %d: %llu requests, slept %llu times, found nothing %llu times\n",
                     core_, static_cast<unsigned long long>(request_count_),
                     static_cast<unsigned long long>(sleep_count_),
                     static_cast<unsigned long long>(empty_count_));
    }

  private:
    static constexpr std::uint64_t write_tag = 1;
    static constexpr unsigned lost_wakes_max = 4;

    // On the thread that will use the ring, as SINGLE_ISSUER wants it.
    void start_ring() {
        // Before the file is registered: io_uring notes then whether the file can be waited for by
        // poll, and hands each READ of one that cannot to a worker thread.
        if (const int flags = fcntl(fd_, F_GETFL); fcntl(fd_, F_SETFL, flags | O_NONBLOCK) != 0)
            die("O_NONBLOCK", errno);
        if (const int r = io_uring_queue_init(8, &ring_, opts_.ring_flags); r < 0)
            die("io_uring_queue_init", -r);
        if (const int r = io_uring_register_files(&ring_, &fd_, 1); r < 0)
            die("io_uring_register_files", -r);
        if (const int r = io_uring_register_ring_fd(&ring_); r < 0)
            die("io_uring_register_ring_fd", -r);
    }

    // True when the channel still lives. ENOENT: the request's caller was interrupted before.
    static bool alive(int errno_value) {
        return errno_value == EAGAIN || errno_value == EINTR || errno_value == ENOENT;
    }

    const floor_reply& answer(std::size_t size_bytes) {
        ++request_count_;
        return proto_.answer({request_.data(), size_bytes});
    }

    void send(const floor_reply& reply) const {
        // ENOENT: the caller gave up meanwhile. Anything else shows as an error of the client.
        if (reply.iov_count != 0) [[maybe_unused]]
            const auto n = ::writev(fd_, reply.iov.data(), static_cast<int>(reply.iov_count));
    }

    ssize_t receive() {
        const ssize_t n = ::read(fd_, request_.data(), request_.size());
        if (n < 0) {
            empty_count_ += errno == EAGAIN;
            return -errno;
        }
        return n;
    }

    void run_blocking() {
        for (;;) {
            const ssize_t n = receive();
            if (n > 0)
                send(answer(static_cast<std::size_t>(n)));
            else if (!alive(static_cast<int>(-n)))
                return;
        }
    }

    void prepare_read() {
        io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
        io_uring_prep_read(sqe, 0, request_.data(), static_cast<unsigned>(request_.size()), 0);
        io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
        io_uring_sqe_set_data64(sqe, 0);
    }

    void prepare_poll() {
        io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
        io_uring_prep_poll_add(sqe, 0, EPOLLIN | (opts_.exclusive ? EPOLLEXCLUSIVE : 0U));
        io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
        io_uring_sqe_set_data64(sqe, 0);
    }

    void prepare_send(const floor_reply& reply) {
        io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
        io_uring_prep_writev(sqe, 0, reply.iov.data(), reply.iov_count, 0);
        io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS);
        io_uring_sqe_set_data64(sqe, write_tag);
    }

    // Submits and sleeps until the read or poll completes; its result, negative for an error.
    int sleep() {
        for (;;) {
            ++sleep_count_;
            io_uring_submit_and_wait(&ring_, 1);
            io_uring_cqe* cqe = nullptr;
            while (io_uring_peek_cqe(&ring_, &cqe) == 0) {
                const auto tag = io_uring_cqe_get_data64(cqe);
                const int res = cqe->res;
                io_uring_cqe_seen(&ring_, cqe);
                if (tag != write_tag) return res;
            }
        }
    }

    // With --try: serves what is there already. False when the channel is dead.
    bool drain() {
        while (opts_.try_first) {
            const ssize_t n = receive();
            if (n > 0)
                send(answer(static_cast<std::size_t>(n)));
            else if (n == -EAGAIN)
                return true;
            else if (!alive(static_cast<int>(-n)))
                return false;
        }
        return true;
    }

    void run_ring_read() {
        while (drain()) {
            prepare_read();
            const int n = sleep();
            if (n > 0)
                send(answer(static_cast<std::size_t>(n)));
            else if (!alive(-n))
                return;
        }
    }

    void run_ring_both() {
        prepare_read();
        for (;;) {
            const int n = sleep();
            if (n <= 0 && !alive(-n)) return;
            if (n > 0) {
                const floor_reply& reply = answer(static_cast<std::size_t>(n));
                if (reply.iov_count != 0) prepare_send(reply);
            }
            prepare_read();
        }
    }

    void run_ring_poll() {
        unsigned lost_wakes = 0;
        while (drain()) {
            prepare_poll();
            if (const int r = sleep(); r < 0 && !alive(-r)) return;
            const ssize_t n = receive();
            if (n > 0) {
                lost_wakes = 0;
                send(answer(static_cast<std::size_t>(n)));
            } else if (!alive(static_cast<int>(-n))) {
                return;
            } else if (opts_.back_off && ++lost_wakes == lost_wakes_max) {
                // One more is enough to be sent away again: whose requests these are has not changed.
                --lost_wakes;
                stay_away();
            }
        }
    }

    // Sleeps for a while without listening, so that the callers of other cores need not wake this one for nothing.
    void stay_away() {
        io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
        io_uring_prep_timeout(sqe, &stay_away_time_, 0, 0);
        io_uring_sqe_set_data64(sqe, 0);
        sleep();
    }

    const options& opts_;
    int fd_;
    int core_;
    floor_proto proto_;
    pages request_;
    io_uring ring_{};
    __kernel_timespec stay_away_time_{.tv_sec = 0, .tv_nsec = 4'000'000};
    std::uint64_t request_count_ = 0;
    std::uint64_t sleep_count_ = 0; // of the ring loops only; counts each submission that waits
    std::uint64_t empty_count_ = 0;
};

int clone_channel(int master) {
    const int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    auto source = static_cast<std::uint32_t>(master);
    if (fd < 0 || ioctl(fd, FUSE_DEV_IOC_CLONE, &source) != 0) die("cloning /dev/fuse", errno);
    return fd;
}

void declare(CLI::App& app, options& opts) {
    const std::map<std::string, loop_kind> loops{{"read", loop_kind::read},
                                                 {"ring-read", loop_kind::ring_read},
                                                 {"ring-both", loop_kind::ring_both},
                                                 {"ring-poll", loop_kind::ring_poll}};
    app.add_option("--loop", opts.loop)->transform(CLI::CheckedTransformer(loops));
    app.add_flag("--try", opts.try_first);
    app.add_flag("--exclusive", opts.exclusive);
    app.add_flag("--back-off", opts.back_off);
    declare_floor(app, opts, true);
}

} // namespace
} // namespace puffs::bench

int main(int argc, char** argv) {
    using namespace puffs::bench;
    options opts;
    CLI::App app("the fastest /dev/fuse server known to us", "floor_dev");
    declare(app, opts);
    parse_or_exit(app, argc, argv);
    const int master =
        fuse_open_channel(opts.mount_point.c_str(), "fsname=floor_dev,subtype=floor");
    if (master < 0) return 1;
    std::optional<pages> kept;
    if (opts.keep) kept.emplace(opts.file_bytes);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < opts.cores.size(); ++i) {
        const int fd = i == 0 ? master : clone_channel(master);
        threads.emplace_back([&opts, &kept, fd, core = opts.cores[i]] {
            reader channel(opts, fd, core, kept ? kept->data() : nullptr);
            channel.run();
            if (opts.counters) channel.print_counters();
        });
    }
    for (auto& thread : threads)
        thread.join();
    return 0;
}
