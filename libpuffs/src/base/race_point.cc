#include "puffs/base/race_point.hh"

#include <sched.h>

namespace puffs {
namespace {

#ifdef PUFFS_RACE_POINTS
thread_local race_hook hook_of_thread = nullptr;
#endif
thread_local relax_hook relax_of_thread = nullptr;

constexpr unsigned pause_turns = 128; // about 5 us; longer waits are for a thread that does not run

} // namespace

#ifdef PUFFS_RACE_POINTS
race_hook& current_race_hook() noexcept {
    asm volatile(""); // keeps link-time optimisation from reading it once for two stacks
    return hook_of_thread;
}
#endif

relax_hook& current_relax_hook() noexcept {
    asm volatile("");
    return relax_of_thread;
}

void relax_turn(unsigned turn) noexcept {
    if (const relax_hook hook = current_relax_hook()) {
        hook(turn);
        return;
    }
    if (turn < pause_turns) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        asm volatile("yield");
#endif
        return;
    }
    ::sched_yield();
}

} // namespace puffs
