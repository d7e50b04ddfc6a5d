// lwkt/runtime.hh - real cores: one pinned operating-system thread each, with a ring each.
//
// Ownership:  owns its cores, rings and threads.
// Threading:  constructed, started, stopped and destroyed by one ordinary thread (main). at() from
//             anywhere.
// Blocks:     start until all cores run; stop until all have ended; run_on until the function
//             returned.
// Errors:     create: einval for no or too many CPUs or one that the process may not use; whatever
//             ring::create gives. start: eagain where a limit refuses a thread (RLIMIT_NPROC, pids.max), einval
//             where a CPU can no longer be had; no thread is left, and the runtime can only be destroyed.
#pragma once

#include "puffs/base/error.hh"
#include "puffs/lwkt/core.hh"
#include "puffs/lwkt/ring.hh"

#include <functional>
#include <memory>
#include <vector>

namespace puffs::lwkt {

struct runtime_options {
    std::vector<int> cpus; // CPU number of each core; empty: every CPU that the process may run on
    bool pin = true;
    unsigned offload_threads = limits::offload_threads; // at most, of all cores together
    core_options core;
    ring_options ring;
};

class runtime {
  public:
    static result<std::unique_ptr<runtime>> create(const runtime_options& o);
    ~runtime(); // stops
    runtime(const runtime&) = delete;
    runtime& operator=(const runtime&) = delete;

    result<void> start(); // once; a second start panics
    void stop();

    [[nodiscard]] core_id size() const noexcept;
    [[nodiscard]] core& at(core_id id) const noexcept;
    [[nodiscard]] ring& ring_of(core_id id) const noexcept;
    [[nodiscard]] int cpu_of(core_id id) const noexcept;
    [[nodiscard]] ipi::domain& domain() const noexcept;
    [[nodiscard]] const offload_pool& offload_threads() const noexcept;

    // Runs f on a light thread of that core and waits for it. Ordinary threads only. f must not
    // throw.
    void run_on(core_id id, std::function<void()> f);

  private:
    runtime();
    struct implementation;
    std::unique_ptr<implementation> impl_;
};

} // namespace puffs::lwkt
