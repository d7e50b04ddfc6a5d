#include "puffs/lwkt/io.hh"

#include "puffs/base/assert.hh"
#include "puffs/lwkt/ring.hh"
#include "puffs/lwkt/sched.hh"

#include <cerrno>
#include <liburing.h>
#include <sys/uio.h>

namespace puffs::lwkt::io {
namespace {

// One call, on the stack of its caller, who does not leave before the kernel has let go of it.
class pending_call : ring_op {
  public:
    pending_call() : ring_(ring_here()) { done = &pending_call::completed; }
    pending_call(const pending_call&) = delete;
    pending_call& operator=(const pending_call&) = delete;

    [[nodiscard]] io_uring_sqe& entry() { return ring_.prepare(*this); }

    // Sleeps until the completion. The call's result, or a negative errno.
    int wait(const patience& p) {
        core& here = core::current();
        timer limit(&pending_call::limit_passed, this);
        if (p.limit) {
            here.timers().arm(limit, here.now().after(*p.limit));
        }
        bool interrupted = false;
        for (;;) {
            td_.arm();
            if (completed_) {
                td_.disarm();
                break;
            }
            const bool catches = p.flags == sleep_flags::catch_signals && !interrupted;
            td_.sleep(catches ? sleep_flags::catch_signals : sleep_flags::none);
            if (catches && !completed_ && td_.pending_signal() != 0) {
                interrupted = true;
                ring_.cancel(*this);
            }
        }
        here.timers().cancel(limit);
        const bool stopped = result_ == -ECANCELED || result_ == -EINTR;
        return stopped && interrupted ? -EINTR : stopped && limit_passed_ ? -ETIMEDOUT : result_;
    }

  private:
    static ring& ring_here() {
        PUFFS_ASSERT(thread::current_or_null() != nullptr, "only light threads wait for calls");
        ring* const r = core::current().events().as_ring();
        PUFFS_ASSERT(r != nullptr, "a call is made on a core without a ring");
        return *r;
    }
    static void completed(ring_op& op, int result, std::uint32_t /*flags*/) {
        auto& self = static_cast<pending_call&>(op);
        self.result_ = result;
        self.completed_ = true;
        self.td_.wake();
    }
    static void limit_passed(void* arg) {
        auto& self = *static_cast<pending_call*>(arg);
        self.limit_passed_ = true;
        self.ring_.cancel(self);
    }

    ring& ring_;
    thread& td_ = thread::current();
    int result_ = 0;
    bool completed_ = false;
    bool limit_passed_ = false;
};

template <class Prepare>
int call(const patience& p, Prepare prepare) {
    pending_call c;
    prepare(&c.entry());
    return c.wait(p);
}

result<void> nothing_of(int r) {
    return r < 0 ? result<void>(fail(-r)) : result<void>();
}
result<int> number_of(int r) {
    return r < 0 ? result<int>(fail(-r)) : result<int>(r);
}
result<std::size_t> size_of(int r) {
    return r < 0 ? result<std::size_t>(fail(-r)) : static_cast<std::size_t>(r);
}

// The ring counts in 32 bits; one call moves less than 2 GiB anyway (read(2)).
unsigned bytes_of(std::size_t size) {
    constexpr std::size_t call_bytes_max = 0x7ffff000;
    return static_cast<unsigned>(size < call_bytes_max ? size : call_bytes_max);
}

} // namespace

result<int> openat(int dir, const char* path, int flags, mode_t mode, const patience& p) {
    return number_of(
        call(p, [&](io_uring_sqe* e) { io_uring_prep_openat(e, dir, path, flags, mode); }));
}

result<void> close(int fd) {
    return nothing_of(call({}, [&](io_uring_sqe* e) { io_uring_prep_close(e, fd); }));
}

result<void> statx(int dir, const char* path, int flags, unsigned mask, struct ::statx& out,
                   const patience& p) {
    return nothing_of(
        call(p, [&](io_uring_sqe* e) { io_uring_prep_statx(e, dir, path, flags, mask, &out); }));
}

result<void> unlinkat(int dir, const char* path, int flags, const patience& p) {
    return nothing_of(
        call(p, [&](io_uring_sqe* e) { io_uring_prep_unlinkat(e, dir, path, flags); }));
}

result<void> renameat(int from_dir, const char* from, int to_dir, const char* to, unsigned flags,
                      const patience& p) {
    return nothing_of(call(
        p, [&](io_uring_sqe* e) { io_uring_prep_renameat(e, from_dir, from, to_dir, to, flags); }));
}

result<void> mkdirat(int dir, const char* path, mode_t mode, const patience& p) {
    return nothing_of(call(p, [&](io_uring_sqe* e) { io_uring_prep_mkdirat(e, dir, path, mode); }));
}

result<void> symlinkat(const char* target, int dir, const char* path, const patience& p) {
    return nothing_of(
        call(p, [&](io_uring_sqe* e) { io_uring_prep_symlinkat(e, target, dir, path); }));
}

result<void> linkat(int from_dir, const char* from, int to_dir, const char* to, int flags,
                    const patience& p) {
    return nothing_of(call(
        p, [&](io_uring_sqe* e) { io_uring_prep_linkat(e, from_dir, from, to_dir, to, flags); }));
}

// Piece by piece from the page cache; the first piece that is not there, and all behind it, through the ring.
result<std::size_t> read(int fd, std::span<std::byte> into, std::uint64_t offset,
                         const patience& p) {
    const bool positioned = offset != at_position;
    std::size_t done = 0;
    while (done < into.size()) {
        const iovec rest{into.data() + done, into.size() - done};
        const ssize_t n = ::preadv2(
            fd, &rest, 1, positioned ? static_cast<off_t>(offset + done) : -1, RWF_NOWAIT);
        if (n == 0 || (n > 0 && !positioned)) {
            return done + static_cast<std::size_t>(n);
        }
        if (n < 0) {
            break; // it would block, or this kind of file cannot be asked: the ring tells
        }
        done += static_cast<std::size_t>(n);
    }
    if (done == into.size()) {
        return done;
    }
    const int r = call(p, [&](io_uring_sqe* e) {
        io_uring_prep_read(e, fd, into.data() + done, bytes_of(into.size() - done),
                           positioned ? offset + done : at_position);
    });
    if (r < 0 && done == 0) {
        return fail(-r);
    }
    return done + (r < 0 ? 0U : static_cast<std::size_t>(r));
}

result<std::size_t> write(int fd, std::span<const std::byte> from, std::uint64_t offset,
                          const patience& p) {
    return size_of(call(p, [&](io_uring_sqe* e) {
        io_uring_prep_write(e, fd, from.data(), bytes_of(from.size()), offset);
    }));
}

result<void> fsync(int fd, bool data_only, const patience& p) {
    return nothing_of(call(p, [&](io_uring_sqe* e) {
        io_uring_prep_fsync(e, fd, data_only ? IORING_FSYNC_DATASYNC : 0);
    }));
}

result<void> fallocate(int fd, int mode, std::uint64_t offset, std::uint64_t length,
                       const patience& p) {
    return nothing_of(call(p, [&](io_uring_sqe* e) {
        io_uring_prep_fallocate(e, fd, mode, static_cast<off_t>(offset),
                                static_cast<off_t>(length));
    }));
}

result<void> connect(int socket, const sockaddr& to, socklen_t to_bytes, const patience& p) {
    return nothing_of(
        call(p, [&](io_uring_sqe* e) { io_uring_prep_connect(e, socket, &to, to_bytes); }));
}

result<int> accept(int socket, const patience& p) {
    return number_of(call(p, [&](io_uring_sqe* e) {
        io_uring_prep_accept(e, socket, nullptr, nullptr, SOCK_CLOEXEC);
    }));
}

result<std::size_t> send(int socket, std::span<const std::byte> from, int flags,
                         const patience& p) {
    return size_of(call(p, [&](io_uring_sqe* e) {
        io_uring_prep_send(e, socket, from.data(), bytes_of(from.size()), flags);
    }));
}

result<std::size_t> recv(int socket, std::span<std::byte> into, int flags, const patience& p) {
    return size_of(call(p, [&](io_uring_sqe* e) {
        io_uring_prep_recv(e, socket, into.data(), bytes_of(into.size()), flags);
    }));
}

result<unsigned> poll(int fd, unsigned events, const patience& p) {
    const int r = call(p, [&](io_uring_sqe* e) { io_uring_prep_poll_add(e, fd, events); });
    return r < 0 ? result<unsigned>(fail(-r)) : static_cast<unsigned>(r);
}

} // namespace puffs::lwkt::io
