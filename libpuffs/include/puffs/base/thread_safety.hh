// base/thread_safety.hh - names for clang's thread-safety attributes; nothing under other
// compilers.
//
// Two kinds of capability are used: locks (spinlock) and core affinity (ipi::core_affinity: "the
// running code belongs to this core"), which is asserted at run time in debug builds and known to
// the analysis after assert_here(). Source: clang documentation, "Thread Safety Analysis".
#pragma once

#if defined(__clang__)
#define PUFFS_TSA(x) __attribute__((x))
#else
#define PUFFS_TSA(x)
#endif

#define PUFFS_CAPABILITY(name) PUFFS_TSA(capability(name))
#define PUFFS_SCOPED_CAPABILITY PUFFS_TSA(scoped_lockable)
#define PUFFS_GUARDED_BY(x) PUFFS_TSA(guarded_by(x))
#define PUFFS_REQUIRES(...) PUFFS_TSA(requires_capability(__VA_ARGS__))
#define PUFFS_ACQUIRE(...) PUFFS_TSA(acquire_capability(__VA_ARGS__))
#define PUFFS_TRY_ACQUIRE(...) PUFFS_TSA(try_acquire_capability(__VA_ARGS__))
#define PUFFS_RELEASE(...) PUFFS_TSA(release_capability(__VA_ARGS__))
#define PUFFS_ASSERT_CAPABILITY(x) PUFFS_TSA(assert_capability(x))
#define PUFFS_NO_TSA PUFFS_TSA(no_thread_safety_analysis)
