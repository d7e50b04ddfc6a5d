#include "fuse/dev_channel.hh"

#include "puffs/base/log.hh"

#include <array>
#include <liburing.h>
#include <new>
#include <poll.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

namespace puffs::fuse {

namespace {

constexpr std::size_t page_bytes = 4096;

} // namespace

// A frame and the memory behind it: a first page that holds any request without bulk data, then
// room for max_write bytes, which a WRITE fills on its way in and a READ on its way out, then a
// page that is slack for the request's own header.
struct dev_channel::dev_frame : frame {
    // What the kernel gets of a reply without payload, in one piece: it pins each piece, and each page of it, by
    // itself.
    struct alignas(512) {
        wire::out_header header;
        std::array<std::byte, fixed_bytes_max> fixed;
    } head{};
    std::byte* memory = nullptr;
    std::size_t memory_bytes = 0;

    explicit dev_frame(std::size_t max_write_bytes)
        : memory_bytes(max_write_bytes + 2 * page_bytes) {
        void* p = ::mmap(nullptr, memory_bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        memory = p == MAP_FAILED ? nullptr : static_cast<std::byte*>(p);
    }
    ~dev_frame() {
        if (memory != nullptr) {
            ::munmap(memory, memory_bytes);
        }
    }
};

dev_channel::dev_channel(int fd, lwkt::core& core, lwkt::ring& ring, opmap& map,
                         const dev_channel_options& o, std::function<void(int cause)> ended)
    : fd_(fd), core_(core), ring_(ring), map_(map), options_(o), ended_(std::move(ended)) {
    poll_.done = &dev_channel::poll_done;
    poll_.self = this;
    PUFFS_ASSERT(options_.frames_kept > 0, "a channel keeps a frame to read into");
    dev_frame* const first = make_frame();
    if (first == nullptr) {
        ::close(fd_);
        throw std::bad_alloc();
    }
    idle_.push_front(*first);
}

dev_channel::~dev_channel() {
    PUFFS_ASSERT(!open_ && !polling_ && frames_out() == 0,
                 "channel destroyed with requests in flight");
    idle_.clear_and_dispose([](frame* f) { delete static_cast<dev_frame*>(f); });
    ::close(fd_);
}

void dev_channel::open() {
    core_.assert_here();
    PUFFS_ASSERT(!open_ && !end_told_, "channel opened twice");
    open_ = true;
    readable_ = true;
    core_.attach(*this);
}

// Frames that the operation map holds still come back.
void dev_channel::close() {
    core_.assert_here();
    if (!open_) {
        return;
    }
    open_ = false;
    readable_ = false;
    if (polling_) {
        ring_.cancel(poll_); // its completion ends the channel
    } else {
        end_reading(0);
    }
}

dev_channel::dev_frame* dev_channel::take_frame() noexcept {
    if (!idle_.empty()) {
        frame& f = idle_.front();
        idle_.pop_front();
        return static_cast<dev_frame*>(&f);
    }
    return made_ < options_.frames_max ? make_frame() : nullptr;
}

dev_channel::dev_frame* dev_channel::make_frame() noexcept {
    auto* f = new (std::nothrow) dev_frame(options_.max_write_bytes);
    if (f == nullptr || f->memory == nullptr) {
        delete f;
        PUFFS_LOG(err, "core {}: no memory for a request buffer of {} bytes", core_.id(),
                  options_.max_write_bytes + 2 * page_bytes);
        return nullptr;
    }
    ++made_;
    f->origin = this;
    f->payload = {f->memory + page_bytes, options_.max_write_bytes};
    f->fixed = f->head.fixed;
    return f;
}

// Idle frames are used last in, first out, so that the same warm memory serves a quiet mount; beyond frames_kept their
// memory goes back to the system.
void dev_channel::give_back(frame& f) noexcept {
    frame_is_back();
    f.error = 0;
    f.fixed_bytes = 0;
    f.payload_bytes = 0;
    f.request = {};
    if (idle_.size() >= options_.frames_kept) {
        --made_;
        delete static_cast<dev_frame*>(&f);
    } else {
        idle_.push_front(f);
    }
    stalled_ = false;
}

// The wait is not exclusive (no EPOLLEXCLUSIVE): with it the kernel wakes the core that has slept longest, which is the
// wrong one every second time; without it the caller's own core nearly always wins the race for the request.
void dev_channel::wait_readable() noexcept {
    polling_ = true;
    bump(stats_.waits);
    ::io_uring_prep_poll_add(&ring_.prepare(poll_), fd_, POLLIN);
}

void dev_channel::poll_done(lwkt::ring_op& op, int result, std::uint32_t) {
    dev_channel& self = *static_cast<poll_op&>(op).self;
    self.polling_ = false;
    if (!self.open_) {
        self.end_reading(0);
    } else if (result < 0 && result != -EINTR && result != -EAGAIN) {
        self.read_failed(-result);
    } else {
        self.readable_ = true; // also on POLLERR: the read tells what is wrong
    }
}

void dev_channel::read_failed(int number) noexcept {
    switch (number) {
    case EAGAIN:
        readable_ = false;
        wait_readable();
        return;
    case EINTR:
    case ENOENT: // the request was taken back while it was being read
        return;
    default:
        break;
    }
    open_ = false;
    readable_ = false;
    end_reading(number);
}

void dev_channel::end_reading(int cause) noexcept {
    if (!end_told_) {
        end_told_ = true;
        ended_(cause);
    }
}

void dev_channel::run_one() noexcept {
    if (!ready()) {
        return; // another worker was faster
    }
    dev_frame* f = take_frame();
    if (f == nullptr) {
        stalled_ = true; // give_back() ends it
        bump(stats_.stalls);
        return;
    }
    const ssize_t length = ::read(fd_, f->memory, f->memory_bytes);
    if (length < 0) {
        const int number = errno;
        idle_.push_front(*f);
        read_failed(number);
        return;
    }
    f->request = {f->memory, static_cast<std::size_t>(length)};
    frame_leaves();
    map_.handle(*f);
}

// A reply is a system call of its own and not an entry of the ring: the caller wakes at once, and
// often its next request is there before this core would have gone to sleep (a quarter of a stat's
// time, measured).
void dev_channel::reply(frame& f) noexcept {
    auto& head = static_cast<dev_frame&>(f).head;
    const std::size_t fixed_bytes = f.error == 0 ? f.fixed_bytes : 0;
    const std::size_t payload_bytes = f.error == 0 ? f.payload_bytes : 0;
    const std::size_t head_bytes = sizeof(head.header) + fixed_bytes;
    head.header = reply_head(f, f.error, fixed_bytes + payload_bytes);
    ssize_t written = 0;
    if (payload_bytes == 0) {
        written = ::write(fd_, &head, head_bytes);
    } else {
        const std::array<iovec, 2> pieces{{{&head, head_bytes}, {f.payload.data(), payload_bytes}}};
        written = ::writev(fd_, pieces.data(), static_cast<int>(pieces.size()));
    }
    if (written >= 0) {
        bump(stats_.replies);
    } else {
        not_taken(f, head_bytes + payload_bytes, errno);
    }
    give_back(f);
}

// A reply that was not fit is answered EIO. Where the kernel has done so by itself, or the request is gone with the
// connection, nothing is there any more that could be answered.
void dev_channel::not_taken(frame& f, std::size_t length, int number) noexcept {
    if (number == ENOENT) {
        bump(stats_.gone);
    } else {
        bump(stats_.refused);
        PUFFS_LOG(err, "core {}: the kernel refused the reply to {} ({} bytes, {}); answering eio",
                  core_.id(), f.op.row != nullptr ? f.op.row->name : "?", length,
                  error(number).name());
        const wire::out_header header = reply_head(f, EIO, 0);
        static_cast<void>(!::write(fd_, &header, sizeof(header)));
    }
    map_.take_back(f);
}

void dev_channel::drop(frame& f) noexcept {
    give_back(f);
}

} // namespace puffs::fuse
