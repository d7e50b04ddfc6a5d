// lwkt/sched.hh - the scheduling calls: create, schedule, switch, yield, priorities, exit.
//
// Threading:  "self" calls by a light thread for itself; [any] from any core or ordinary thread,
//             asynchronous when the target is not on the calling core (L17-L21).
// Blocks:     switch_away, yield, exit: the calling light thread.
// Errors:     misuse panics: switching inside an IPI handler (L7), descheduling while on a wait
//             queue (L16), negative priorities (L21).
#pragma once

#include "puffs/lwkt/core.hh"
#include "puffs/lwkt/thread.hh"

#include <functional>
#include <string_view>

namespace puffs::lwkt {

struct create_options {
    int priority = lwkt::priority::request;
    bool stopped = false;        // STOPREQ: the creator schedules it later (L28)
    bool verbose = false;        // log its exit
    std::size_t stack_bytes = 0; // 0: the core's default (only the default size is cached)
};

// create - a thread of the current core, from its cache if it can (L24), scheduled unless
// `stopped`.
// Returns:   the thread; enomem when no stack can be mapped.
// Lifetime:  `arg` belongs to the thread; the reference is valid until the thread exits.
result<thread*> create(thread::function entry, void* arg, std::string_view name,
                       const create_options& o = {});
// create_on - as create, on another core, by IPI; asynchronous. [any] Allocates what travels there. Where no stack can
// be mapped the core tries again by its timers, with a log line at the first attempt and at the last;
// limits::creation_attempts in vain panic, for nobody is left who could be told.
void create_on(core& target, thread::function entry, void* arg, std::string_view name,
               const create_options& o = {});

void schedule(thread& td) noexcept;   // [any] (L17-L19)
void deschedule(thread& td) noexcept; // [any]; meant for controlled situations (L20)
void schedule_self() noexcept;
void deschedule_self() noexcept; // leaves the run queue; runs on until it switches (L16)
void switch_away() noexcept;     // to the highest runnable thread, or to the core's loop (L6)
void yield() noexcept;           // equals get their turn (L15)
// serves requests that outrank the thread; does not rotate equals (L13)
void yield_quick() noexcept;
void set_priority(thread& td, int pri) noexcept;     // [any] (L21)
void set_priority_self(int pri) noexcept;            // 0..31 (L22)
[[noreturn]] void exit_thread() noexcept;            // (L29)
void sleep_for(std::chrono::nanoseconds d) noexcept; // this light thread, by the core's timers

// Aliases kept from the source (L30).
inline result<thread*> kthread_create(thread::function entry, void* arg, std::string_view name) {
    return create(entry, arg, name);
}
[[noreturn]] inline void kthread_exit() noexcept {
    exit_thread();
}

} // namespace puffs::lwkt
