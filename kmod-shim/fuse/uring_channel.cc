#include "fuse/uring_channel.hh"

#include "puffs/base/log.hh"
#include "puffs/base/ticks.hh"

#include <array>
#include <cerrno>
#include <cstring>
#include <liburing.h>
#include <new>
#include <sys/mman.h>
#include <sys/uio.h>
#include <utility>

namespace puffs::fuse {

namespace {

constexpr std::size_t huge_page_bytes = std::size_t{2} << 20;
// Of a request, beyond which answers before it do not wait for it: what some enters cost, about 20 us.
constexpr std::uint64_t long_request_ticks = 50'000;
constexpr std::size_t command_offset = 48; // of the command area in a submission entry

} // namespace

struct uring_channel::entry : frame, lwkt::ring_op {
    uring_channel* owner = nullptr;
    std::uint16_t queue = 0;
    std::uint64_t commit_id = 0;
    // What the kernel is given of an entry; it reads the array while the first command is submitted.
    std::array<iovec, 2> parts{};
    alignas(64) wire::uring_req_header header{};
    alignas(8) std::array<std::byte, fixed_bytes_max> fixed_room{};
    // The name of GETXATTR lies where its value shall go: it moves here.
    std::array<std::byte, limits::name_bytes + 1> aside{};
};

uring_channel::uring_channel(int fd, lwkt::core& core, lwkt::ring& ring, opmap& map,
                             const uring_channel_options& o, std::function<void(int cause)> ended)
    : fd_(fd), core_(core), ring_(ring), map_(map), options_(o), ended_(std::move(ended)) {}

uring_channel::~uring_channel() {
    PUFFS_ASSERT(!open_ && frames_out() == 0, "channel destroyed with requests in flight");
    ready_.clear();
    if (memory_ != nullptr) {
        ::munmap(memory_, memory_bytes_);
    }
}

result<std::unique_ptr<uring_channel>> uring_channel::create(int fd, lwkt::core& core,
                                                             lwkt::ring& ring, opmap& map,
                                                             const uring_channel_options& o,
                                                             std::function<void(int cause)> ended) {
    std::unique_ptr<uring_channel> made(
        new uring_channel(fd, core, ring, map, o, std::move(ended)));
    if (result<void> r = made->make_entries(); !r) {
        return fail(r.error());
    }
    return made;
}

// Huge pages where they are to be had: the kernel pins a payload page by page as it copies.
result<void> uring_channel::make_entries() {
    entries_count_ = options_.queues.size() * options_.entries;
    const std::size_t wanted = entries_count_ * options_.payload_bytes;
    memory_bytes_ = (wanted + huge_page_bytes - 1) / huge_page_bytes * huge_page_bytes;
    void* const p =
        ::mmap(nullptr, memory_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        return fail_errno();
    }
    memory_ = static_cast<std::byte*>(p);
    ::madvise(memory_, memory_bytes_, MADV_HUGEPAGE);
    // A fork would share the pages, and every first write after it would fault and copy, huge pages in small ones.
    ::madvise(memory_, memory_bytes_, MADV_DONTFORK);
    if (::madvise(memory_, memory_bytes_, MADV_POPULATE_WRITE) != 0) {
        return fail(ENOMEM);
    }
    entries_.reset(new (std::nothrow) entry[entries_count_]);
    if (entries_ == nullptr) {
        return fail(ENOMEM);
    }
    for (std::size_t i = 0; i < entries_count_; ++i) {
        entry& e = entries_[i];
        e.owner = this;
        e.queue = options_.queues[i / options_.entries];
        e.done = &uring_channel::completed;
        e.origin = this;
        e.payload = {memory_ + i * options_.payload_bytes, options_.payload_bytes};
        e.fixed = e.fixed_room;
        e.parts = {{{&e.header, sizeof(e.header)}, {e.payload.data(), e.payload.size()}}};
    }
    return {};
}

void uring_channel::open() {
    core_.assert_here();
    PUFFS_ASSERT(!open_ && !end_told_, "channel opened twice");
    open_ = true;
    entries_left_ = entries_count_;
    if (const result<int> slot = ring_.keep_file(fd_)) {
        slot_ = *slot; // without one the plain descriptor does
    }
    core_.attach(*this);
    for (std::size_t i = 0; i < entries_count_; ++i) {
        lend(entries_[i], wire::uring_cmd::enlist);
    }
}

// The kernel gives no entry back that is asked for by itself (io_uring cancels such commands only with their ring or
// their thread): those that are lent stay so until the connection or the core's thread ends.
void uring_channel::close() {
    core_.assert_here();
    if (!open_) {
        return;
    }
    open_ = false;
    forget_ready();
    tell_end(0);
}

void uring_channel::forget_ready() noexcept {
    core_.work_taken(static_cast<unsigned>(ready_.size()));
    ready_.clear();
}

void uring_channel::lend(entry& e, wire::uring_cmd command) noexcept {
    io_uring_sqe& sqe = ring_.prepare(e);
    sqe.opcode = IORING_OP_URING_CMD;
    sqe.fd = slot_.value_or(fd_);
    sqe.flags = slot_ ? IOSQE_FIXED_FILE : 0;
    sqe.cmd_op = static_cast<std::uint32_t>(command);
    if (command == wire::uring_cmd::enlist) {
        sqe.addr = reinterpret_cast<std::uint64_t>(e.parts.data());
        sqe.len = static_cast<std::uint32_t>(e.parts.size());
    }
    const wire::uring_cmd_req request{
        .flags = 0, .commit_id = e.commit_id, .qid = e.queue, .padding = {}};
    std::memcpy(reinterpret_cast<std::byte*>(&sqe) + command_offset, &request, sizeof(request));
}

void uring_channel::completed(lwkt::ring_op& op, int result, std::uint32_t /*flags*/) {
    entry& e = static_cast<entry&>(op);
    uring_channel& self = *e.owner;
    if (result < 0) {
        self.end_entry(-result);
    } else if (self.open_) {
        self.ready_.push_back(e);
        self.core_.work_came();
    }
}

void uring_channel::end_entry(int cause) noexcept {
    --entries_left_;
    if (!open_) {
        return;
    }
    if (cause != ENOTCONN && cause != ECONNABORTED && cause != ECANCELED) {
        PUFFS_LOG(err, "core {}: the kernel refuses an entry of its FUSE queue: {}", core_.id(),
                  error(cause).name());
    }
    if (entries_left_ == frames_out()) { // a served one cannot be lent again
        open_ = false;
        forget_ready();
        tell_end(cause);
    }
}

void uring_channel::tell_end(int cause) noexcept {
    if (!std::exchange(end_told_, true)) {
        if (slot_) {
            ring_.drop_file(*std::exchange(slot_, std::nullopt));
        }
        ended_(cause);
    }
}

// Answers of a batch go to the kernel together, with the core's next enter, unless its requests take long: a caller
// whose answer is there does not wait for the handlers of others.
void uring_channel::send_answers() noexcept {
    const std::uint64_t now = read_ticks();
    if (began_ != 0 && elapsed(began_, now) > long_request_ticks) {
        ring_.submit();
    }
    began_ = now;
}

void uring_channel::run_one() noexcept {
    if (ready_.empty()) {
        return; // another worker was faster
    }
    entry& e = static_cast<entry&>(ready_.front());
    ready_.pop_front();
    core_.work_taken();
    if (ring_.prepared() == 0) {
        began_ = 0;
    } else {
        send_answers();
    }
    frame_leaves();
    wire::in_header head;
    std::memcpy(&head, e.header.in_out, sizeof(head));
    const wire::uring_ent_in_out& about = e.header.ring_ent_in_out;
    e.commit_id = about.commit_id;
    // A length that cannot be leaves nothing of the request, so that it is refused as malformed.
    e.request = e.payload.first(about.payload_sz <= e.payload.size() ? about.payload_sz : 0);
    if (head.opcode == static_cast<std::uint32_t>(wire::opcode::getxattr) &&
        e.request.size() <= e.aside.size()) {
        std::memcpy(e.aside.data(), e.request.data(), e.request.size());
        e.request = std::span(e.aside).first(e.request.size());
    }
    map_.handle(e, head, bytes(e.header.op_in));
}

// A reply that the kernel does not take goes unnoticed here: a commit that it refuses cannot be told from one that it
// took before the connection ended. That is no leak: with the connection goes all that the kernel held of the server.
//
// The answer goes to the kernel with the core's next enter, together with the wait for the next request. Sent by itself
// it makes a stat on its caller's core shorter by a fourteenth. But then this core never sleeps between requests, so
// that it has used more of the CPU than its caller when that falls asleep; the scheduler takes the caller off the CPU's
// queue (it leaves there only who has had more than its due, EEVDF's delayed dequeue) and finds a place anew when it
// wakes: an idle core, from request to request, 40 us a stat instead of 16 (measured, caller and server in one
// session). A server that is niced to -1 keeps its callers, and loses what was won.
void uring_channel::reply(frame& f) noexcept {
    entry& e = static_cast<entry&>(f);
    std::size_t length = 0;
    if (e.error == 0) {
        length = e.fixed_bytes + e.payload_bytes;
        if (e.fixed_bytes != 0) {
            std::memcpy(e.payload.data(), e.fixed.data(), e.fixed_bytes);
        }
    }
    const wire::out_header head = reply_head(e, e.error, length);
    std::memcpy(e.header.in_out, &head, sizeof(head));
    e.header.ring_ent_in_out.payload_sz = static_cast<std::uint32_t>(length);
    bump(stats_.replies);
    frame_is_back();
    if (open_) {
        lend(e, wire::uring_cmd::commit_and_fetch);
    } else {
        --entries_left_;
    }
}

// The kernel waits for an answer to everything that comes this way.
void uring_channel::drop(frame& f) noexcept {
    f.error = EIO;
    reply(f);
}

} // namespace puffs::fuse
