// support/lwkt/real_cores.hh - cores on operating-system threads, and work for all of them at once.
#pragma once

#include "puffs/lwkt/runtime.hh"

#include <gtest/gtest.h>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace puffs::test {

// Started cores, spread over the CPUs that this process may use; several of them share a CPU where these are fewer.
// The caller stops them.
inline std::unique_ptr<lwkt::runtime> start_cores(core_id count) {
    auto any = lwkt::runtime::create({});
    EXPECT_TRUE(any.has_value());
    lwkt::runtime_options o;
    for (core_id i = 0; i < count; ++i) {
        o.cpus.push_back((*any)->cpu_of(static_cast<core_id>(i % (*any)->size())));
    }
    any->reset();
    auto made = lwkt::runtime::create(o);
    EXPECT_TRUE(made.has_value());
    EXPECT_TRUE((*made)->start());
    return std::move(*made);
}

// Runs f(n) for each n below `threads`, all at once, on light threads that are spread over the cores. Returns when all
// are through.
template <class F>
void on_all(lwkt::runtime& r, unsigned threads, F f) {
    std::vector<std::thread> callers;
    for (unsigned n = 0; n < threads; ++n) {
        callers.emplace_back(
            [&r, &f, n] { r.run_on(static_cast<core_id>(n % r.size()), [&f, n] { f(n); }); });
    }
    for (std::thread& t : callers) {
        t.join();
    }
}

} // namespace puffs::test
