// support/explore.hh - runs a scenario under every schedule, or under many random ones.
//
// A scenario sets up actors on a fresh machine; the machine then runs them to their end. explore()
// goes depth first through the choices that race points offer, from the start each time, so that a
// scenario must be deterministic. A failing run prints its choices; PUFFS_CHOICES="0,2,1" runs only
// that schedule again. random_runs() prints its seed; PUFFS_SEED sets it. A panic prints the same
// before the process dies.
//
// Units:      a preemption is a switch away from an actor that could have gone on.
// Full:       beyond executions_max the exploration ends with exhausted == false; beyond choices_max
//             in one run the first actor always goes on, and exhausted is false too.
#pragma once

#include "support/race_watch.hh"
#include "support/sanitized.hh"
#include "support/sim_cores.hh"

#include <cstdint>
#include <cstdio>
#include <functional>
#include <gtest/gtest.h>
#include <string>

namespace puffs::sim {

struct explore_options {
    core_id cores = 2;
    unsigned preemptions_max = 3; // in one run
    std::uint64_t executions_max = 200'000;
    std::size_t choices_max = 3000;
};

struct explore_result {
    std::uint64_t executions = 0;
    bool exhausted = true; // every schedule within the bounds was run
    std::string failure;   // empty: none; else what, and how to run it again
    [[nodiscard]] bool ok() const { return failure.empty(); }
};

using scenario = std::function<void(machine&)>;
// Called after the run of a scenario, with everything at rest; may check() more.
using verdict = std::function<void(machine&)>;

explore_result explore(const explore_options& o, const scenario& s, const verdict& v = {});
explore_result random_runs(const explore_options& o, std::uint64_t runs, const scenario& s,
                           const verdict& v = {});

// Fails unless `r` went well through every schedule within its bounds, and those were at least that many: with fewer
// the scenario has lost the race points that it is about. Built without race points, skips what did not fail.
inline void expect_explored(const explore_result& r, std::uint64_t at_least) {
    std::printf("%llu schedules, %s\n", static_cast<unsigned long long>(r.executions),
                r.exhausted ? "all" : "not all");
    ASSERT_TRUE(r.ok()) << r.failure;
    EXPECT_TRUE(r.exhausted) << "not every schedule was run";
    if (!race_points) {
        GTEST_SKIP() << "built without race points: " << r.executions << " schedules differ";
    }
    // Under a sanitizer explore() goes with one preemption less.
    constexpr std::uint64_t fewer = 50;
    EXPECT_GE(r.executions, sim::times(at_least, fewer)) << "the scenario explores nothing";
}

} // namespace puffs::sim
