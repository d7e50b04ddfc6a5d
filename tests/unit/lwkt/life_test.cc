// Making, ending and reusing threads.
#include "puffs/lwkt/wait_queue.hh"
#include "support/lwkt/rig.hh"
#include "support/no_memory.hh"
#include "support/sanitized.hh"
#include "unit/lwkt/thread_test.hh"

#include <memory>
#include <set>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <sstream>
#include <thread>

namespace puffs {
namespace {

using lwkt::thread;
using lwkt::thread_test;
using test::rig;

// spec: L24 L29 T7
TEST(life, creating_in_a_loop_reuses_one_thread_and_one_stack) {
    rig r(1);
    std::set<thread*> threads;
    std::set<std::byte*> stacks;
    for (int i = 0; i < 100; ++i) {
        thread* td = r.spawn(0, [] {});
        threads.insert(td);
        stacks.insert(thread_test::stack_base(*td));
        r.settle();
    }
    EXPECT_EQ(threads.size(), 1U);
    EXPECT_EQ(stacks.size(), 1U);
    EXPECT_EQ(r.at(0).sched_stats().created.load(std::memory_order_relaxed),
              1U); // constructed once (T7)
    EXPECT_EQ(r.at(0).sched_stats().reused.load(std::memory_order_relaxed), 99U);
}

// spec: L29
TEST(life, a_thread_that_exits_is_not_reused_before_the_core_has_left_its_stack) {
    rig r(1);
    thread* first = nullptr;
    first = r.spawn(0, [&] {
        thread* second = r.spawn(0, [] {});
        EXPECT_NE(second, first);
    });
    r.settle();
}

// spec: L26 L29
TEST(life, threads_beyond_the_cache_give_their_stack_back_but_keep_their_memory) {
    rig r(1, {.cached_threads = 6});
    std::vector<thread*> made;
    for (int i = 0; i < 8; ++i) {
        made.push_back(r.spawn(0, [] {}));
    }
    r.settle();
    int with_stack = 0;
    for (thread* td : made) {
        with_stack += thread_test::stack_base(*td) != nullptr ? 1 : 0;
        EXPECT_NE(thread_test::flags(*td) & lwkt::td_exited, 0U); // still readable
        EXPECT_EQ((thread_test::flags(*td) & lwkt::td_allocated_stack) != 0,
                  thread_test::stack_base(*td) != nullptr);
    }
    EXPECT_EQ(with_stack, 6);
    std::set<thread*> again;
    for (int i = 0; i < 8; ++i) {
        again.insert(r.spawn(0, [] {}));
    }
    EXPECT_EQ(again, std::set<thread*>(made.begin(), made.end()));
    r.settle();
}

// spec: L26
TEST(life, the_last_to_exit_is_the_first_to_be_reused) {
    rig r(1);
    std::vector<thread*> made;
    for (int i = 0; i < 3; ++i) {
        made.push_back(r.spawn(0, [] {}));
    }
    r.settle();
    EXPECT_EQ(r.spawn(0, [] {}), made[2]);
    r.settle();
}

// spec: L24 T7
TEST(life, no_memory_for_a_stack_is_enomem_and_leaves_nothing_behind) {
    rig r(1);
    r.as(0, [&] {
        const auto made = lwkt::create([](void*) {}, nullptr, "big", {.stack_bytes = SIZE_MAX / 4});
        ASSERT_FALSE(made.has_value());
        EXPECT_EQ(made.error(), error(ENOMEM));
    });
    EXPECT_EQ(r.at(0).live_threads(), 0U);
    EXPECT_NE(r.spawn(0, [] {}), nullptr);
    r.settle();
    EXPECT_EQ(r.at(0).sched_stats().created.load(std::memory_order_relaxed), 1U);
}

// spec: L24
TEST(life, a_stack_of_unusual_size_is_not_cached) {
    rig r(1);
    thread* td = r.spawn(0, [] {}, {.stack_bytes = 256 * 1024});
    EXPECT_NE(thread_test::stack_base(*td), nullptr);
    r.settle();
    EXPECT_EQ(thread_test::stack_base(*td), nullptr);
}

// spec: L25 L28
TEST(life, a_new_thread_starts_outside_critical_sections_with_its_name_and_priority) {
    rig r(1);
    bool ran = false;
    const std::string long_name(100, 'n');
    thread* td = r.spawn(
        0,
        [&] {
            EXPECT_EQ(r.at(0).crit_count(), 0);
            EXPECT_EQ(r.at(0).intr_nest(), 0);
            ran = true;
        },
        {.priority = 3}, long_name);
    EXPECT_EQ(thread_test::saved_crit_count(*td), 1);
    EXPECT_EQ(td->name(), long_name.substr(0, thread::name_bytes_max));
    EXPECT_EQ(td->priority(), 3);
    EXPECT_EQ(&td->owner(), &r.at(0));
    r.settle();
    EXPECT_TRUE(ran);
}

// spec: L28
TEST(life, a_stopped_thread_waits_for_its_creator) {
    rig r(1);
    bool ran = false;
    thread* td = r.spawn(0, [&] { ran = true; }, {.stopped = true});
    r.settle();
    EXPECT_FALSE(ran);
    EXPECT_NE(thread_test::flags(*td) & lwkt::td_stopreq, 0U);
    r.as(0, [&] {
        lwkt::set_priority(*td, 20); // between create and schedule
        lwkt::schedule(*td);
    });
    EXPECT_EQ(thread_test::flags(*td) & lwkt::td_stopreq, 0U);
    EXPECT_EQ(td->priority(), 20);
    r.settle();
    EXPECT_TRUE(ran);
}

// spec: L25 L28
TEST(life, create_on_makes_a_thread_on_another_core_when_that_polls) {
    rig r(2);
    static int ran_on;
    ran_on = -1;
    r.as(0, [&] {
        lwkt::create_on(
            r.at(1), [](void*) { ran_on = lwkt::core::current().id(); }, nullptr, "there");
    });
    r.step(0);
    EXPECT_EQ(ran_on, -1);
    r.settle();
    EXPECT_EQ(ran_on, 1);
    std::thread([&] {
        lwkt::create_on(
            r.at(0), [](void*) { ran_on = lwkt::core::current().id(); }, nullptr, "there");
    }).join();
    r.settle();
    EXPECT_EQ(ran_on, 0);
}

// spec: L28
TEST(life, create_on_waits_for_memory_and_says_so_twice) {
    if (sim::sanitized) {
        GTEST_SKIP() << "a sanitizer maps memory of its own";
    }
    rig r(1);
    r.spawn(0, [] {}); // the memory of a thread is there, but for the stack
    r.settle();
    std::ostringstream text;
    const auto before = spdlog::default_logger();
    auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(text);
    sink->set_pattern("%v");
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("caught", sink));
    bool ran = false;
    // The only one of its size: no stack of that size is kept.
    lwkt::create_on(r.at(0), [](void* flag) { *static_cast<bool*>(flag) = true; }, &ran, "late",
                    {.stack_bytes = 2 * limits::stack_bytes});
    {
        const sim::no_memory here;
        for (int i = 0; i < 5; ++i) {
            r.settle();
            r.clock.advance(std::chrono::milliseconds(10));
        }
    }
    EXPECT_FALSE(ran);
    r.clock.advance(std::chrono::milliseconds(10));
    r.settle();
    spdlog::set_default_logger(before);
    EXPECT_TRUE(ran);
    EXPECT_EQ(text.str(), "no memory for the stack of light thread late, trying again\n"
                          "light thread late has its stack after 6 attempts\n");
}

// spec: L28
TEST(life_death, create_on_gives_up_where_there_is_never_memory) {
    rig r(1);
    EXPECT_DEATH(
        {
            lwkt::create_on(r.at(0), [](void*) {}, nullptr, "too large",
                            {.stack_bytes = std::size_t{1} << 60});
            for (unsigned i = 0; i <= limits::creation_attempts; ++i) {
                r.settle();
                r.clock.advance(std::chrono::milliseconds(10));
            }
        },
        "no memory for the stack of a light thread that another thread asked for");
}

// spec: L30
TEST(life, the_kthread_aliases_make_and_end_threads) {
    rig r(1);
    static int reached;
    reached = 0;
    r.as(0, [&] {
        const auto made = lwkt::kthread_create(
            [](void*) {
                ++reached;
                lwkt::kthread_exit();
            },
            nullptr, "k");
        ASSERT_TRUE(made.has_value());
        EXPECT_EQ((*made)->name(), "k");
    });
    r.settle();
    EXPECT_EQ(reached, 1);
    EXPECT_EQ(r.at(0).live_threads(), 0U);
}

// spec: L29 L19
TEST(life, an_exited_thread_is_fenced_while_a_request_is_on_its_way) {
    rig r(2);
    thread* td = r.spawn(1, [] {});
    r.as(1, [&] { // asked while core 1 is between its poll and the exit
        r.as(0, [&] { lwkt::schedule(*td); });
    });
    thread_test::move_to(*td, r.at(0)); // the request will have to be sent on once more
    r.as(1, [&] { r.at(1).serve_ipis(); });
    thread_test::move_to(*td, r.at(1));
    EXPECT_NE(thread_test::requests(*td), 0U);
    r.step(1); // runs and exits; the request is on core 0
    EXPECT_NE(thread_test::flags(*td) & lwkt::td_fenced, 0U);
    thread* other = r.spawn(1, [] {});
    EXPECT_NE(other, td);
    r.settle(); // the request arrives and frees it
    EXPECT_EQ(thread_test::flags(*td) & lwkt::td_fenced, 0U);
    std::set<thread*> reused{r.spawn(1, [] {}), r.spawn(1, [] {})};
    EXPECT_TRUE(reused.contains(td));
    r.settle();
}

// spec: L29
TEST(life, a_late_schedule_of_an_exited_thread_does_nothing) {
    rig r(2);
    thread* td = r.spawn(1, [] {});
    r.settle();
    r.as(0, [&] { lwkt::schedule(*td); });
    bool ran = false;
    thread* next = r.spawn(1, [&] { ran = true; }, {.stopped = true});
    EXPECT_NE(next, td); // in the cache, but a request is on its way to it
    r.as(1, [&] { lwkt::schedule(*td); });
    r.settle();
    EXPECT_FALSE(ran);
    r.as(1, [&] { lwkt::schedule(*next); });
    r.settle();
    EXPECT_TRUE(ran);
}

TEST(life, for_each_thread_lists_the_living) {
    rig r(1);
    r.spawn(
        0, [] {}, {}, "gone");
    r.settle();
    thread* a = r.spawn(
        0, [] {}, {.stopped = true}, "a");
    std::string names;
    r.spawn(
        0,
        [&] {
            r.at(0).for_each_thread(
                [&](const thread& td) { names += std::string(td.name()) + " "; });
            EXPECT_EQ(r.at(0).live_threads(), 2U);
        },
        {}, "b");
    r.step(0);
    EXPECT_TRUE(names == "a b " || names == "b a ") << names;
    r.as(0, [&] { lwkt::schedule(*a); });
    r.settle();
}

// spec: L27
TEST(life_death, freeing_a_thread_that_is_on_its_stack_panics) {
    EXPECT_DEATH(
        {
            rig r(2);
            r.spawn(1, [&] {
                thread& self = thread::current();
                thread_test::set_flags(self, lwkt::td_running | lwkt::td_exited | lwkt::td_fenced);
                r.as(0, [&] { lwkt::schedule(self); }); // arrives, and wants to free it
                const ipi::crit_section serve;
            });
            r.settle();
        },
        "off its stack");
}

// spec: L24
TEST(life_death, a_cached_thread_that_has_not_finished_exiting_panics) {
    EXPECT_DEATH(
        {
            rig r(1);
            thread* td = r.spawn(0, [] {});
            r.settle();
            thread_test::set_flags(*td, lwkt::td_running);
            r.spawn(0, [] {});
        },
        "finished exiting");
}

#ifdef PUFFS_RACE_POINTS
TEST(life_death, a_core_that_dies_with_live_threads_panics_in_debug_builds) {
    EXPECT_DEATH(
        {
            rig r(1);
            r.spawn(0, [] {}, {.stopped = true});
        },
        "light threads leaked");
}
#endif

} // namespace
} // namespace puffs
