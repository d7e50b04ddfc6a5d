// Critical sections of light threads.
#include "support/lwkt/rig.hh"
#include "support/seed.hh"
#include "unit/lwkt/thread_test.hh"

#include <random>

namespace puffs {
namespace {

using lwkt::thread;
using test::rig;

void count_up(void* n, std::intptr_t /*unused*/) {
    ++*static_cast<int*>(n);
}

// spec: L12
TEST(crit, nested_at_random_only_the_outermost_exit_serves_and_it_serves_everything) {
    std::mt19937_64 random(sim::test_seed());
    rig r(2);
    r.spawn(0, [&] {
        lwkt::core& c = r.at(0);
        int sent = 0;
        int served = 0;
        int depth = 0;
        for (int turn = 0; turn < 2000; ++turn) {
            const auto what = random() % 4;
            const int served_before = served;
            if (what == 0 && depth < 8) {
                c.crit_enter();
                ++depth;
            } else if (what == 1 && depth > 0) {
                c.crit_exit();
                --depth;
            } else if (what == 2 && depth > 0) {
                c.crit_exit_noyield();
                --depth;
            } else if (depth > 0) {
                r.as(1, [&] { ipi::send(0, count_up, &served); });
                ++sent;
            }
            ASSERT_EQ(c.crit_count(), depth);
            ASSERT_EQ(served, depth == 0 ? sent : served_before);
        }
        while (depth-- > 0) {
            c.crit_exit();
        }
        EXPECT_EQ(served, sent);
        EXPECT_GT(sent, 100);
    });
    r.settle();
    EXPECT_EQ(r.at(0).live_threads(), 0U);
}

// spec: L12
TEST(crit, an_exit_lets_a_stronger_thread_run_and_an_exit_without_yield_does_not) {
    rig r(2);
    std::string order;
    thread* high = r.spawn(0, [&] { order += "high "; }, {.priority = 20, .stopped = true});
    r.spawn(0, [&] {
        lwkt::core& c = r.at(0);
        c.crit_enter();
        r.as(1, [&] { lwkt::schedule(*high); });
        c.crit_exit_noyield();
        order += "noyield ";
        EXPECT_NE(lwkt::thread_test::flags(*high) & lwkt::td_runq, 0U); // the request was served
        c.crit_enter();
        c.crit_exit();
        order += "exit ";
    });
    r.settle();
    EXPECT_EQ(order, "noyield high exit ");
}

// spec: L12
TEST(crit_death, an_exit_below_zero_panics_though_another_thread_has_entered) {
    for (void (ipi::cpu::*const exit)() :
         {static_cast<void (ipi::cpu::*)()>(&ipi::cpu::crit_exit),
          static_cast<void (ipi::cpu::*)()>(&ipi::cpu::crit_exit_noyield)}) {
        EXPECT_DEATH(
            {
                rig r(1);
                r.spawn(0, [&] {
                    const ipi::crit_section crit;
                    lwkt::switch_away();
                });
                r.spawn(0, [&] { (r.at(0).*exit)(); });
                r.settle();
            },
            "critical section left that was not entered");
    }
}

} // namespace
} // namespace puffs
