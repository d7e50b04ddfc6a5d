#include "puffs/lwkt/runtime.hh"

#include "puffs/lwkt/sched.hh"
#include "puffs/lwkt/wait_queue.hh"
#include "support/sanitized.hh"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

namespace puffs {
namespace {

using lwkt::runtime;
using lwkt::runtime_options;

std::unique_ptr<runtime> two_cores() {
    runtime_options o;
    auto made = runtime::create(o);
    if (made && (*made)->size() < 2) {
        o.cpus = {(*made)->cpu_of(0), (*made)->cpu_of(0)};
        made = runtime::create(o);
    }
    EXPECT_TRUE(made.has_value());
    return std::move(*made);
}

TEST(runtime, runs_functions_on_light_threads_of_the_named_core) {
    auto r = two_cores();
    ASSERT_TRUE(r->start());
    for (core_id id = 0; id < 2; ++id) {
        int cpu = -1;
        core_id seen = no_core;
        r->run_on(id, [&] {
            seen = lwkt::core::current().id();
            cpu = ::sched_getcpu();
            EXPECT_EQ(&lwkt::thread::current().owner(), &r->at(id));
        });
        EXPECT_EQ(seen, id);
        EXPECT_EQ(cpu, r->cpu_of(id));
    }
    r->stop();
}

TEST(runtime, refuses_cpus_that_the_process_may_not_use) {
    runtime_options o;
    o.cpus = {1 << 20};
    auto made = runtime::create(o);
    ASSERT_FALSE(made.has_value());
    EXPECT_EQ(made.error(), error(EINVAL));
}

TEST(runtime, refuses_more_cpus_than_cores_can_be) {
    runtime_options o;
    auto made = runtime::create(o);
    ASSERT_TRUE(made.has_value());
    o.cpus.assign(limits::cores + 1, (*made)->cpu_of(0));
    made = runtime::create(o);
    ASSERT_FALSE(made.has_value());
    EXPECT_EQ(made.error(), error(EINVAL));
}

TEST(runtime_death, starting_a_second_time_panics) {
    EXPECT_DEATH(
        {
            auto r = two_cores();
            EXPECT_TRUE(r->start());
            r->stop();
            static_cast<void>(r->start()); // the rings belong to threads that have ended
        },
        "starts once");
}

// In a process of its own: what start() answers where a second thread, or already the first, is one too many for the
// process's user. Does not return; exits with 0 if start() answered eagain and left no thread behind.
[[noreturn]] void start_without_leave_for_threads() {
    auto r = two_cores();
    constexpr uid_t nobody_else_has_it = 54321;
    // Root is not counted. Another user's limit counts all its processes: then not even one thread may be made.
    const bool was_root = ::getuid() == 0;
    const rlimit threads{was_root ? 2U : 0U, was_root ? 2U : 0U};
    if ((was_root &&
         ::setresuid(nobody_else_has_it, nobody_else_has_it, nobody_else_has_it) != 0) ||
        ::setrlimit(RLIMIT_NPROC, &threads) != 0) {
        ::_exit(2);
    }
    const result<void> started = r->start();
    r.reset();
    std::size_t left = 0;
    for ([[maybe_unused]] const auto& task :
         std::filesystem::directory_iterator("/proc/self/task")) {
        ++left;
    }
    ::_exit(!started && started.error() == error(EAGAIN) && left == 1 ? 0 : 1);
}

// spec: T1
TEST(runtime_death, start_says_that_a_thread_was_refused_and_ends_those_that_run) {
    if (sim::thread_sanitized) {
        GTEST_SKIP() << "ThreadSanitizer has a thread of its own, which the limit would count";
    }
    EXPECT_EXIT(start_without_leave_for_threads(), testing::ExitedWithCode(0), "");
}

// For how long the calling thread was ready and had no CPU since it began; zero where the kernel does not count it.
std::chrono::nanoseconds time_without_cpu() {
    std::ifstream file("/proc/thread-self/schedstat");
    std::int64_t on_cpu = 0;
    std::int64_t ready = 0;
    file >> on_cpu >> ready;
    return std::chrono::nanoseconds(file ? ready : 0);
}

// spec: L32 T5
TEST(runtime, work_from_elsewhere_never_stalls_at_whatever_step_to_its_sleep_it_meets_a_core) {
    constexpr int rounds = sim::times(1200, 4);
    constexpr auto stall = std::chrono::milliseconds(10);
    auto r = two_cores();
    ASSERT_TRUE(r->start());
    const monotonic_clock clock;
    std::chrono::nanoseconds core_waited{};
    int stalls = 0;
    for (int i = 0; i < rounds; ++i) {
        // Work that comes 0 to 60 us after the last: an awake core, one that is going to sleep, one that sleeps.
        const instant start = clock.now().after(std::chrono::nanoseconds(i % 600 * 100));
        while (clock.now().before(start)) {
        }
        const auto waited_before = core_waited + time_without_cpu();
        r->run_on(1, [&] { core_waited = time_without_cpu(); });
        const auto took = clock.now().since(start);
        const auto waited = core_waited + time_without_cpu() - waited_before;
        stalls += i > 0 && took - waited > stall
                      ? 1
                      : 0; // the first has no measure of the core before it
    }
    // A lost wake-up is for ever: the time limit of the test finds it. A few may be stalls of the whole machine.
    EXPECT_LE(stalls, rounds / 100);
    EXPECT_GT(r->at(1).sched_stats().sleeps.load(std::memory_order_relaxed), 100U);
    r->stop();
}

// spec: L32 T14
TEST(runtime, an_idle_core_wakes_for_its_timers) {
    auto r = two_cores();
    ASSERT_TRUE(r->start());
    const monotonic_clock clock;
    auto best = std::chrono::nanoseconds::max();
    for (int i = 0; i < 10; ++i) {
        r->run_on(0, [&] {
            const instant start = clock.now();
            lwkt::sleep_for(std::chrono::milliseconds(2));
            const auto slept = clock.now().since(start);
            EXPECT_GE(slept, std::chrono::milliseconds(2));
            best = std::min(best, slept);
        });
    }
    EXPECT_LT(best, std::chrono::milliseconds(12)); // other programs may delay some, not all
    r->stop();
}

// spec: L19 T5
TEST(runtime, light_threads_of_two_cores_wake_one_another) {
    auto r = two_cores();
    ASSERT_TRUE(r->start());
    constexpr std::uint64_t rounds = 500; // each waits twice for a CPU, where other programs run
    lwkt::wait_queue to_a;
    lwkt::wait_queue to_b;
    std::thread other([&] {
        r->run_on(1, [&] {
            for (std::uint64_t i = 0; i < rounds; ++i) {
                std::uint64_t g = i;
                while (to_b.generation() == i) {
                    to_b.block(g);
                }
                to_a.signal();
            }
        });
    });
    r->run_on(0, [&] {
        for (std::uint64_t i = 0; i < rounds; ++i) {
            std::uint64_t g = i;
            to_b.signal();
            while (to_a.generation() == i) {
                to_a.block(g);
            }
        }
    });
    other.join();
    EXPECT_EQ(to_a.generation(), rounds);
    r->stop();
}

} // namespace
} // namespace puffs
