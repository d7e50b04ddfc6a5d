#include "puffs/lwkt/watchdog.hh"

#include "puffs/lwkt/runtime.hh"
#include "support/lwkt/rig.hh"

#include <atomic>

namespace puffs::test {
namespace {

using namespace std::chrono_literals;
using lwkt::watchdog;

constexpr auto limit = 1s;

void begin_work(std::uint64_t what, std::uint64_t on) {
    lwkt::work_note& n = lwkt::thread::current().note();
    n.on.store(on, std::memory_order_relaxed);
    n.what.store(what, std::memory_order_relaxed);
}

// Two virtual cores, and a dog that looks from wherever the test is: inside a thread that holds its core, too.
class watched_cores : public testing::Test {
  protected:
    void pass(std::chrono::nanoseconds d) {
        machine.clock.advance(d);
        dog.look(machine.clock.now(), [this](const auto& o) { seen.push_back(o); });
    }
    void pass_looking(std::chrono::nanoseconds d) {
        for (; d > 0ns; d -= dog.interval()) {
            pass(dog.interval());
        }
    }
    rig machine{2};
    watchdog dog{{&machine.at(0), &machine.at(1)}, limit};
    std::vector<watchdog::offence> seen;
};

TEST_F(watched_cores, a_thread_that_holds_its_core_for_the_limit_is_reported_once) {
    machine.spawn(1, [&] {
        begin_work(77, 5);
        pass(0s);
        pass_looking(limit - dog.interval());
        EXPECT_TRUE(seen.empty()) << "not yet for the limit";
        pass_looking(10 * limit);
    });
    machine.settle();
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].on_core, 1);
    EXPECT_EQ(seen[0].what, 77U);
    EXPECT_EQ(seen[0].on, 5U);
    EXPECT_GE(seen[0].held, limit);
    EXPECT_LT(seen[0].held, limit + 2 * dog.interval());
}

TEST_F(watched_cores, a_second_offence_is_reported_too) {
    machine.spawn(0, [&] {
        begin_work(1, 5);
        pass_looking(3 * limit);
        begin_work(2, 5);
        pass_looking(3 * limit);
        lwkt::yield(); // as between two requests
        pass_looking(3 * limit);
    });
    machine.settle();
    ASSERT_EQ(seen.size(), 3U);
    EXPECT_EQ(seen[0].what, 1U);
    EXPECT_EQ(seen[1].what, 2U);
    EXPECT_EQ(seen[2].what, 2U);
}

TEST_F(watched_cores, a_thread_that_sleeps_in_its_work_holds_nothing) {
    machine.spawn(0, [&] {
        begin_work(1, 5);
        lwkt::sleep_for(10 * limit);
    });
    machine.settle();
    pass_looking(9 * limit);
    machine.settle();
    EXPECT_TRUE(seen.empty());
    pass_looking(2 * limit);
    machine.settle(); // it ends
    EXPECT_TRUE(seen.empty());
}

TEST_F(watched_cores, the_thread_that_runs_is_blamed_and_not_the_one_that_sleeps) {
    machine.spawn(0, [&] {
        begin_work(1, 5);
        lwkt::sleep_for(100 * limit);
    });
    machine.spawn(0, [&] {
        begin_work(2, 6);
        pass_looking(2 * limit);
    });
    machine.settle();
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].what, 2U);
    EXPECT_EQ(seen[0].on, 6U);
    machine.clock.advance(100 * limit);
    machine.settle();
}

TEST_F(watched_cores, many_short_operations_hold_nothing) {
    machine.spawn(0, [&] {
        for (std::uint64_t id = 1; id < 100; ++id) {
            begin_work(id, 5);
            pass(dog.interval());
        }
        for (int i = 0; i < 100; ++i) { // the same work again, on the same node
            begin_work(7, 5);
            pass(dog.interval());
            begin_work(0, 0);
            lwkt::yield();
        }
    });
    machine.settle();
    EXPECT_TRUE(seen.empty());
}

TEST_F(watched_cores, a_thread_without_work_is_nobodys_handler) {
    machine.spawn(0, [&] { pass_looking(10 * limit); });
    machine.settle();
    EXPECT_TRUE(seen.empty());
}

TEST_F(watched_cores, a_machine_that_stood_still_accuses_nobody) {
    machine.spawn(0, [&] {
        begin_work(1, 5);
        pass(0s);
        pass(1h);
    });
    machine.settle();
    EXPECT_TRUE(seen.empty());
}

// As it is used: the core is stuck for good as far as anybody can tell, and an ordinary thread sees it.
TEST(watchdog_of_real_cores, reports_a_core_while_it_is_stuck) {
    lwkt::runtime_options unpinned;
    unpinned.pin = false;
    auto cores = lwkt::runtime::create(unpinned);
    ASSERT_TRUE(cores);
    ASSERT_TRUE((*cores)->start());
    std::atomic<bool> free{false};
    lwkt::create_on((*cores)->at(0),
                    [](void* f) {
                        begin_work(42, 9);
                        while (
                            !static_cast<std::atomic<bool>*>(f)->load(std::memory_order_relaxed)) {
                        }
                    },
                    &free, "stuck");
    watchdog dog({&(*cores)->at(0)}, 20ms);
    const monotonic_clock clock;
    const instant begin = clock.now();
    std::vector<watchdog::offence> seen;
    for (instant next = begin; seen.empty() && clock.now().before(begin.after(20s));) {
        if (!clock.now().before(next)) {
            dog.look(clock.now(), [&](const auto& o) { seen.push_back(o); });
            next = next.after(dog.interval());
        }
    }
    free.store(true, std::memory_order_relaxed);
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].on_core, 0);
    EXPECT_EQ(seen[0].what, 42U);
    EXPECT_EQ(seen[0].on, 9U);
    EXPECT_GE(clock.now().since(begin), 20ms);
    (*cores)->stop();
}

} // namespace
} // namespace puffs::test
