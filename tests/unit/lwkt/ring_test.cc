// The io_uring of a core, driven by hand: no core runs here, the test's thread owns the ring.
#include "puffs/lwkt/ring.hh"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <gtest/gtest.h>
#include <liburing.h>
#include <poll.h>
#include <span>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace puffs {
namespace {

using lwkt::ring;
using lwkt::ring_op;
using namespace std::chrono_literals;

struct recorded : ring_op {
    recorded() {
        done = [](ring_op& op, int outcome, std::uint32_t) {
            auto& self = static_cast<recorded&>(op);
            ++self.completions;
            self.result = outcome;
        };
    }
    int completions = 0;
    int result = 0;
};

struct pipe_pair {
    pipe_pair() { EXPECT_EQ(::pipe(ends.data()), 0); }
    ~pipe_pair() {
        for (const int end : ends) {
            if (end >= 0) ::close(end);
        }
    }
    std::array<int, 2> ends{};
};

std::unique_ptr<ring> make(const lwkt::ring_options& o = {}) {
    auto r = ring::create(o);
    EXPECT_TRUE(r.has_value());
    return std::move(*r);
}

instant in(std::chrono::nanoseconds d) {
    return monotonic_clock().now().after(d);
}

TEST(ring, an_operation_is_submitted_with_the_sleep_and_completes_in_it) {
    auto r = make();
    pipe_pair p;
    char got = 0;
    recorded read;
    io_uring_prep_read(&r->prepare(read), p.ends[0], &got, 1, 0);
    EXPECT_EQ(r->in_flight(), 1U);
    ASSERT_EQ(::write(p.ends[1], "x", 1), 1);
    const instant limit = in(5s);
    while (read.completions == 0 && monotonic_clock().now().before(limit)) {
        r->sleep(&limit);
    }
    EXPECT_EQ(read.completions, 1);
    EXPECT_EQ(read.result, 1);
    EXPECT_EQ(got, 'x');
    EXPECT_EQ(r->in_flight(), 0U);
}

TEST(ring, poll_delivers_without_sleeping) {
    auto r = make();
    EXPECT_FALSE(r->poll());
    recorded nop;
    io_uring_prep_nop(&r->prepare(nop));
    while (nop.completions == 0) {
        r->poll();
    }
    EXPECT_EQ(nop.completions, 1);
    EXPECT_FALSE(r->poll());
}

// spec: L32
TEST(ring, sleep_ends_at_its_deadline) {
    auto r = make();
    const auto start = monotonic_clock().now();
    const instant deadline = start.after(20ms);
    while (monotonic_clock().now().before(deadline)) {
        r->sleep(&deadline);
    }
    EXPECT_LT(monotonic_clock().now().since(start), 5s);
    const instant past = in(-1s);
    r->sleep(&past); // returns
}

// spec: T5
TEST(ring, wake_ends_the_current_and_the_next_sleep) {
    auto r = make();
    r->wake(); // nobody sleeps yet
    r->sleep(nullptr);
    std::atomic<bool> woken{false};
    std::thread other([&] {
        std::this_thread::sleep_for(20ms);
        woken.store(true, std::memory_order_release);
        r->wake();
    });
    while (!woken.load(std::memory_order_acquire)) {
        r->sleep(nullptr);
    }
    other.join();
}

TEST(ring, a_cancelled_operation_completes_with_ecanceled) {
    auto r = make();
    pipe_pair p;
    char got = 0;
    recorded read;
    io_uring_prep_read(&r->prepare(read), p.ends[0], &got, 1, 0);
    r->submit();
    r->cancel(read);
    const instant limit = in(5s);
    while (read.completions == 0 && monotonic_clock().now().before(limit)) {
        r->sleep(&limit);
    }
    EXPECT_EQ(read.result, -ECANCELED);
    EXPECT_EQ(r->in_flight(), 0U);
}

TEST(ring, more_operations_than_entries_submit_those_that_are_there) {
    auto r = make({.entries = 4});
    std::array<recorded, 64> nops;
    for (recorded& n : nops) {
        io_uring_prep_nop(&r->prepare(n));
    }
    const instant limit = in(5s);
    while (r->in_flight() > 0 && monotonic_clock().now().before(limit)) {
        r->sleep(&limit);
    }
    for (const recorded& n : nops) {
        EXPECT_EQ(n.completions, 1);
    }
}

TEST(ring, a_completion_may_start_the_next_operation) {
    struct chain : ring_op {
        ring& r;
        int left = 10;
        explicit chain(ring& on) : r(on) {
            done = [](ring_op& op, int, std::uint32_t) {
                auto& self = static_cast<chain&>(op);
                if (--self.left > 0) {
                    io_uring_prep_nop(&self.r.prepare(self));
                }
            };
        }
    };
    auto r = make();
    chain c(*r);
    io_uring_prep_nop(&r->prepare(c));
    const instant limit = in(5s);
    while (c.left > 0 && monotonic_clock().now().before(limit)) {
        r->sleep(&limit);
    }
    EXPECT_EQ(c.left, 0);
}

TEST(ring, big_entries_are_cleared_in_full) {
    auto r = make({.entries = 2, .big_entries = true});
    for (int turn = 0; turn < 3; ++turn) { // entries come round again
        recorded nop;
        io_uring_sqe& sqe = r->prepare(nop);
        const auto beyond = std::as_writable_bytes(std::span(&sqe + 1, 1));
        EXPECT_TRUE(std::ranges::all_of(beyond, [](std::byte b) { return b == std::byte{}; }));
        io_uring_prep_nop(&sqe);
        std::ranges::fill(beyond, std::byte{0xff});
        const instant limit = in(5s);
        while (nop.completions == 0 && monotonic_clock().now().before(limit)) {
            r->sleep(&limit);
        }
        EXPECT_EQ(nop.completions, 1);
    }
}

TEST(ring, reads_a_kept_file_by_its_slot_after_its_descriptor_was_closed) {
    auto r = make();
    pipe_pair p;
    const result<int> slot = r->keep_file(p.ends[0]);
    ASSERT_TRUE(slot.has_value());
    ASSERT_EQ(::write(p.ends[1], "x", 1), 1);
    ::close(std::exchange(p.ends[0], -1));
    char got = 0;
    const auto read = [&] {
        recorded op;
        io_uring_sqe& sqe = r->prepare(op);
        io_uring_prep_read(&sqe, *slot, &got, 1, 0);
        sqe.flags |= IOSQE_FIXED_FILE;
        const instant limit = in(5s);
        while (op.completions == 0 && monotonic_clock().now().before(limit)) {
            r->sleep(&limit);
        }
        return op.result;
    };
    EXPECT_EQ(read(), 1);
    EXPECT_EQ(got, 'x');
    r->drop_file(*slot);
    EXPECT_EQ(read(), -EBADF);
    EXPECT_DEATH(r->drop_file(*slot), "not kept");
}

TEST(ring, keeps_so_many_files_and_uses_their_slots_again) {
    auto r = make();
    pipe_pair p;
    std::vector<int> slots;
    for (int i = 0; i < ring::kept_files_max; ++i) {
        const result<int> slot = r->keep_file(p.ends[0]);
        ASSERT_TRUE(slot.has_value());
        EXPECT_EQ(std::find(slots.begin(), slots.end(), *slot), slots.end());
        slots.push_back(*slot);
    }
    const result<int> refused = r->keep_file(p.ends[0]);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error(), error(EMFILE));
    r->drop_file(slots[3]);
    const result<int> again = r->keep_file(p.ends[1]);
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(*again, slots[3]);
}

TEST(ring, does_not_keep_what_is_no_descriptor) {
    auto r = make();
    const result<int> slot = r->keep_file(1'000'000);
    ASSERT_FALSE(slot.has_value());
    EXPECT_EQ(slot.error(), error(EBADF));
}

TEST(ring, lets_go_of_its_files_though_a_child_was_forked_meanwhile) {
    auto r = make();
    pipe_pair p;
    ASSERT_TRUE(r->keep_file(p.ends[1]).has_value());
    const pid_t child = ::fork();
    if (child == 0) {
        ::close_range(3, ~0U, 0); // its descriptors are gone, its mappings are not
        ::pause();
        ::_exit(0);
    }
    r.reset();
    ::close(std::exchange(p.ends[1], -1));
    pollfd reader{p.ends[0], POLLIN, 0};
    EXPECT_EQ(::poll(&reader, 1, 5000), 1);
    EXPECT_EQ(reader.revents, POLLHUP);
    ::kill(child, SIGKILL);
    EXPECT_EQ(::waitpid(child, nullptr, 0), child);
}

TEST(ring, that_the_kernel_refuses_is_an_error) {
    const auto r = ring::create({.entries = 0});
    ASSERT_FALSE(r.has_value());
    EXPECT_EQ(r.error(), error(EINVAL));
}

} // namespace
} // namespace puffs
