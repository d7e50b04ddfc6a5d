#include "puffs/lwkt/ring.hh"

#include "puffs/base/assert.hh"
#include "puffs/base/log.hh"

#include <array>
#include <bitset>
#include <cerrno>
#include <cstring>
#include <liburing.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace puffs::lwkt {
namespace {

// Best first; each kernel takes the first that it knows. A ring with one issuer belongs to the thread that enables
// it, so it is made disabled and enabled by its core (io_uring_setup(2)).
constexpr unsigned common_flags = IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE;
constexpr std::array<unsigned, 4> flag_choices{
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
        IORING_SETUP_SUBMIT_ALL | IORING_SETUP_R_DISABLED,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
    IORING_SETUP_SUBMIT_ALL,
    0,
};
constexpr unsigned completions_per_entry = 4; // completion slots a submission slot
constexpr int submit_attempts_max = 100000; // of a full submission queue before it counts as broken

bool is_passing(int error_number) {
    return error_number == EINTR || error_number == EAGAIN || error_number == EBUSY ||
           error_number == ETIME;
}

} // namespace

struct ring::implementation {
    // constant after create
    io_uring uring{};
    unsigned setup_flags = 0;
    bool big_entries = false;
    int doorbell = -1;

    // owned by the core
    bool enabled = false;
    bool delivering = false;
    unsigned in_flight = 0;
    bool table_made = false; // of kept files
    std::bitset<kept_files_max> kept;
    std::uint64_t doorbell_value = 0;
    ring_op doorbell_op;
    ring_op cancel_op;

    void enable();
    io_uring_sqe& take_entry();
    void arm_doorbell();
    unsigned prepared() const { return io_uring_sq_ready(&uring); }
    bool kernel_has_work() const;
    bool deliver();
    void enter();
};

// At the first call on the core's own thread.
void ring::implementation::enable() {
    if (enabled) {
        return;
    }
    enabled = true;
    if ((setup_flags & IORING_SETUP_R_DISABLED) != 0) {
        // liburing 2.3 declares io_uring_enable_rings but does not export it.
        const long r = ::syscall(__NR_io_uring_register, uring.ring_fd,
                                 IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
        PUFFS_ASSERT(r == 0, "the ring cannot be enabled");
    }
    io_uring_register_ring_fd(
        &uring); // saves a descriptor look-up an enter; without it the plain descriptor is used
    arm_doorbell();
}

io_uring_sqe& ring::implementation::take_entry() {
    enable();
    io_uring_sqe* sqe = io_uring_get_sqe(&uring);
    for (int attempt = 0; sqe == nullptr; ++attempt) {
        PUFFS_ASSERT(attempt < submit_attempts_max, "the kernel takes no submissions");
        enter();
        sqe = io_uring_get_sqe(&uring);
    }
    std::memset(sqe, 0, big_entries ? 2 * sizeof(io_uring_sqe) : sizeof(io_uring_sqe));
    return *sqe;
}

void ring::implementation::arm_doorbell() {
    io_uring_sqe& sqe = take_entry();
    io_uring_prep_read(&sqe, doorbell, &doorbell_value, sizeof doorbell_value, 0);
    io_uring_sqe_set_data(&sqe, &doorbell_op);
}

// Completions that only an enter brings: deferred task work, or what overflowed the completion queue.
bool ring::implementation::kernel_has_work() const {
    const unsigned flags = io_uring_smp_load_acquire(uring.sq.kflags);
    return (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

void ring::implementation::enter() {
    const int r = io_uring_submit_and_get_events(&uring);
    PUFFS_ASSERT(r >= 0 || is_passing(-r), "the kernel refuses to be entered");
}

// Calls the done functions of what is complete at entry. Each slot is given back before its function runs, because
// the function may prepare and submit.
bool ring::implementation::deliver() {
    PUFFS_ASSERT(!delivering, "a ring is polled from inside a completion");
    delivering = true;
    bool any = false;
    for (unsigned left = io_uring_cq_ready(&uring); left > 0; --left) {
        io_uring_cqe* cqe = nullptr;
        if (io_uring_peek_cqe(&uring, &cqe) != 0 || cqe == nullptr) {
            break;
        }
        auto* op = static_cast<ring_op*>(io_uring_cqe_get_data(cqe));
        const int result = cqe->res;
        const std::uint32_t flags = cqe->flags;
        io_uring_cqe_seen(&uring, cqe);
        any = true;
        if (op == &doorbell_op) {
            arm_doorbell();
        } else if (op != &cancel_op) {
            in_flight -= (flags & IORING_CQE_F_MORE) == 0 ? 1U : 0U;
            op->done(*op, result, flags);
        }
    }
    delivering = false;
    return any;
}

ring::ring() : impl_(std::make_unique<implementation>()) {}

ring::~ring() {
    if (impl_->uring.ring_fd >= 0 && impl_->setup_flags != 0) {
        io_uring_queue_exit(&impl_->uring);
    }
    if (impl_->doorbell >= 0) {
        ::close(impl_->doorbell);
    }
}

result<std::unique_ptr<ring>> ring::create(const ring_options& o) {
    std::unique_ptr<ring> made(new ring);
    implementation& impl = *made->impl_;
    int r = -EINVAL;
    for (const unsigned choice : flag_choices) {
        io_uring_params params{};
        params.flags = choice | common_flags | (o.big_entries ? IORING_SETUP_SQE128 : 0U);
        params.cq_entries = o.entries * completions_per_entry;
        r = io_uring_queue_init_params(o.entries, &impl.uring, &params);
        if (r == 0) {
            impl.setup_flags = params.flags;
            break;
        }
        if (r != -EINVAL) {
            break;
        }
    }
    if (r != 0) {
        PUFFS_LOG(err, "the kernel refuses io_uring: {}", std::strerror(-r));
        return fail(-r);
    }
    // A child's mapping would keep the ring, and the files that its operations use, when this process is gone.
    if (r = io_uring_ring_dontfork(&impl.uring); r < 0) {
        return fail(-r);
    }
    impl.big_entries = o.big_entries;
    impl.doorbell = ::eventfd(0, EFD_CLOEXEC);
    if (impl.doorbell < 0) {
        return fail_errno();
    }
    return made;
}

io_uring_sqe& ring::prepare(ring_op& op) {
    io_uring_sqe& sqe = impl_->take_entry();
    io_uring_sqe_set_data(&sqe, &op);
    ++impl_->in_flight;
    return sqe;
}

void ring::cancel(ring_op& op) {
    io_uring_sqe& sqe = impl_->take_entry();
    io_uring_prep_cancel(&sqe, &op, 0);
    io_uring_sqe_set_data(&sqe, &impl_->cancel_op);
}

void ring::submit() noexcept {
    impl_->enable();
    const int r = io_uring_submit(&impl_->uring);
    PUFFS_ASSERT(r >= 0 || is_passing(-r), "the kernel refuses submissions");
}

result<int> ring::keep_file(int fd) noexcept {
    impl_->enable();
    int slot = 0;
    while (slot < kept_files_max && impl_->kept.test(static_cast<std::size_t>(slot))) {
        ++slot;
    }
    if (slot == kept_files_max) {
        return fail(EMFILE);
    }
    if (!impl_->table_made) {
        if (const int r = io_uring_register_files_sparse(&impl_->uring, kept_files_max); r < 0) {
            return fail(-r);
        }
        impl_->table_made = true;
    }
    if (const int r =
            io_uring_register_files_update(&impl_->uring, static_cast<unsigned>(slot), &fd, 1);
        r < 0) {
        return fail(-r);
    }
    impl_->kept.set(static_cast<std::size_t>(slot));
    return slot;
}

void ring::drop_file(int slot) noexcept {
    const int none = -1;
    PUFFS_ASSERT(impl_->kept.test(static_cast<std::size_t>(slot)),
                 "a file dropped that is not kept");
    const int r =
        io_uring_register_files_update(&impl_->uring, static_cast<unsigned>(slot), &none, 1);
    PUFFS_ASSERT(r >= 0, "the kernel does not let go of a file");
    impl_->kept.reset(static_cast<std::size_t>(slot));
}

unsigned ring::prepared() const noexcept {
    return impl_->prepared();
}

unsigned ring::in_flight() const noexcept {
    return impl_->in_flight;
}

bool ring::poll() noexcept {
    impl_->enable();
    if (impl_->prepared() != 0 || impl_->kernel_has_work()) {
        impl_->enter();
    }
    return impl_->deliver();
}

void ring::sleep(const instant* deadline) noexcept {
    impl_->enable();
    __kernel_timespec timeout{};
    if (deadline != nullptr) {
        const auto left = deadline->since(monotonic_clock().now());
        if (left.count() > 0) {
            timeout.tv_sec = left.count() / 1'000'000'000;
            timeout.tv_nsec = left.count() % 1'000'000'000;
        }
    }
    io_uring_cqe* first = nullptr;
    const int r = io_uring_submit_and_wait_timeout(
        &impl_->uring, &first, 1, deadline != nullptr ? &timeout : nullptr, nullptr);
    PUFFS_ASSERT(r >= 0 || is_passing(-r), "the kernel refuses to be waited in");
    impl_->deliver();
}

void ring::wake() noexcept {
    const std::uint64_t one = 1;
    // EAGAIN would mean 2^64 - 2 wakes that nobody has read: then nobody needs another.
    static_cast<void>(!::write(impl_->doorbell, &one, sizeof one));
}

} // namespace puffs::lwkt
