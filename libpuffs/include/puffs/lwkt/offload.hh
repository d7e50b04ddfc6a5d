// lwkt/offload.hh - work that blocks its thread, done by an ordinary thread while the light thread waits.
//
// For what has no call in lwkt/io.hh: a library that reads files, getaddrinfo, a lock of other programs. The work is a
// message to the pool's spin port; a thread of the pool takes it, does it, and replies to another on the stack of the
// one who waits.
//
// Units:      threads.
// Full:       with all threads at work further work waits in the port, in order; it is bounded by the light threads
//             that wait for it.
// Ownership:  a pool owns its threads; the runtime owns the pool of its cores. Work is borrowed until run() returns.
// Threading:  run: a light thread of any core. A thread is started when work comes and all that there are have work, at
//             most threads_max, and stays; starting one holds the core for some tens of microseconds. So up to
//             threads_max pieces of work may wait for each other.
// Blocks:     run: the light thread. The destructor: until the threads have ended; requires that nobody waits.
// Errors:     none of its own. Where no thread at all can be started the work is done on the core, with a log line.
// Source:     DragonFly lwkt spin ports (idea).
#pragma once

#include "puffs/base/limits.hh"
#include "puffs/lwkt/core.hh"

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace puffs::lwkt {

class offload_pool {
  public:
    explicit offload_pool(unsigned threads_max = limits::offload_threads);
    ~offload_pool();
    offload_pool(const offload_pool&) = delete;
    offload_pool& operator=(const offload_pool&) = delete;

    void run(void (*work)(void* arg), void* arg) noexcept;
    [[nodiscard]] unsigned threads() const noexcept; // started; any thread

  private:
    struct implementation;
    std::unique_ptr<implementation> impl_;
};

// offload - f() on an ordinary thread; what it returns. f must not throw, and must not call what needs a light thread.
template <class F>
requires std::is_nothrow_invocable_v<F&>
auto offload(F&& f) noexcept -> std::invoke_result_t<F&> {
    using value = std::invoke_result_t<F&>;
    offload_pool& pool = core::current().offload_threads();
    if constexpr (std::is_void_v<value>) {
        pool.run([](void* g) { (*static_cast<std::remove_reference_t<F>*>(g))(); }, &f);
    } else {
        struct both {
            F& f;
            std::optional<value> got;
        } work{f, std::nullopt};
        pool.run([](void* w) { static_cast<both*>(w)->got.emplace(static_cast<both*>(w)->f()); },
                 &work);
        return std::move(*work.got);
    }
}

} // namespace puffs::lwkt
