// base/race_point.hh - named points at which a test may switch to another virtual core.
//
// In builds with PUFFS_RACE_POINTS the macro calls the hook that the stepped harness installs; in
// others it is nothing. A race point stands where another core may act between two steps of a
// protocol: before and after each publishing store of a lock-free hand-over. It must not stand
// inside a section that a real lock would protect.
//
// Every wait loop of the runtime that spins (cpu::spin_turn, spinlock) calls relax_turn, in all
// builds: under the harness it runs other virtual cores, which share this operating-system thread
// and would otherwise never run.
//
// Threading:  the hooks are per operating-system thread; null outside the harness.
#pragma once

namespace puffs {

#ifdef PUFFS_RACE_POINTS
using race_hook = void (*)(const char* point);
// The hook of this operating-system thread; an accessor, not a variable, so that it is read anew
// after a stack switch.
[[gnu::noinline]] race_hook& current_race_hook() noexcept;
#define PUFFS_RACE_POINT(name)                                                                     \
    do {                                                                                           \
        if (auto hook_ = ::puffs::current_race_hook()) {                                           \
            hook_(name);                                                                           \
        }                                                                                          \
    } while (false)
#else
#define PUFFS_RACE_POINT(name) static_cast<void>(0)
#endif

// turn: how often this wait has turned already, from 0.
using relax_hook = void (*)(unsigned turn);
[[gnu::noinline]] relax_hook& current_relax_hook() noexcept;

// Lets others run for a moment: the hook if there is one, else pauses, later yields to the
// operating system (spec H13).
void relax_turn(unsigned turn) noexcept;

} // namespace puffs
