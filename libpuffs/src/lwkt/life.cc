#include "puffs/base/assert.hh"
#include "puffs/base/log.hh"
#include "puffs/base/spinlock.hh"
#include "puffs/lwkt/run_on.hh"
#include "sched_private.hh"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

namespace puffs::lwkt {

// A thread without a request on its way: those that still have one are fenced, and come back when it has arrived.
thread* sched::allocate(core& c, bool with_cached_stack) {
    core::implementation& impl = of(c);
    for (auto* list : {&impl.cache, &impl.bare}) {
        if (list == &impl.cache && !with_cached_stack) {
            continue;
        }
        while (!list->empty()) {
            thread& td = list->front();
            list->pop_front();
            impl.cached_count -= list == &impl.cache ? 1U : 0U;
            PUFFS_ASSERT((td.flags_ & (td_exited | td_running)) == td_exited,
                         "a cached thread has finished exiting");
            if (td.remote_requests_.load(std::memory_order_acquire) == 0) {
                bump(c.sched_stats_.reused);
                return &td;
            }
            td.flags_ |= td_fenced;
        }
    }
    auto* td = new thread(c);
    impl.threads.push_back(td);
    bump(c.sched_stats_.created);
    return td;
}

result<thread*> sched::create(core& c, thread::function entry, void* arg, std::string_view name,
                              const create_options& o) {
    PUFFS_ASSERT(o.priority >= 0 && o.priority <= priority::max, "priority out of range");
    const std::size_t usual = of(c).options.stack_bytes;
    const std::size_t bytes = o.stack_bytes == 0 ? usual : o.stack_bytes;
    thread& td = *allocate(c, bytes == usual);
    if (auto mapped = td.stack_.map(bytes); !mapped) {
        td.flags_ = td_exited;
        recycle(c, td);
        return std::unexpected(mapped.error());
    }
    const std::size_t length = std::min(name.size(), thread::name_bytes_max);
    std::memcpy(td.name_, name.data(), length);
    td.name_[length] = '\0';
    td.entry_ = entry;
    td.arg_ = arg;
    td.flags_ = td_allocated_thread | td_allocated_stack | (o.verbose ? td_verbose : 0U) |
                (o.stopped ? td_stopreq : 0U);
    td.priority_ = o.priority;
    td.crit_count_ = 1;
    td.preempted_ = nullptr;
    td.woken_ = false;
    td.usual_stack_ = bytes == usual;
    td.signals_.store(0, std::memory_order_relaxed);
    td.signal_mask_.store(0, std::memory_order_relaxed);
    prepare(
        td.context_, td.stack_, [](void* self) { thread_main(self); }, &td);
    ++c.live_threads_;
    if (!o.stopped) {
        enqueue(c, td);
    }
    return &td;
}

void sched::thread_main(void* self) noexcept {
    thread& td = *static_cast<thread*>(self);
    arrived(core::current());
    core::current().crit_exit(); // the initial critical level (L28)
    td.entry_(td.arg_);
    exit_thread();
}

void exit_thread() noexcept {
    thread& td = thread::current();
    core& c = core::current();
    c.crit_enter();
    sched::leave_for_good(c, td);
    PUFFS_PANIC("an exited thread ran again");
}

void sched::leave_for_good(core& c, thread& td) noexcept {
    PUFFS_ASSERT(td.wait_.load(std::memory_order_relaxed) == nullptr, "a waiting thread exits");
    PUFFS_ASSERT((td.flags_ & td_tokens) == 0, "a thread exits with tokens");
    if ((td.flags_ & td_verbose) != 0) {
        PUFFS_LOG(info, "light thread {} of core {} exits", td.name(), c.id());
    }
    td.flags_ |= td_exited;
    dequeue(c, td);
    --c.live_threads_;
    switch_from(c, td);
}

void sched::reap(core& c, thread& td) noexcept {
    destroy(td.context_);
    if (td.remote_requests_.load(std::memory_order_acquire) != 0) {
        td.flags_ |= td_fenced;
        return;
    }
    recycle(c, td);
}

void sched::recycle(core& c, thread& td) noexcept {
    core::implementation& impl = of(c);
    PUFFS_ASSERT((td.flags_ & td_exited) != 0 && (td.flags_ & td_running) == 0 &&
                     c.running_.load(std::memory_order_relaxed) != &td && impl.exiting != &td,
                 "a thread is freed when it is off its stack");
    if (td.stack_.mapped() && td.usual_stack_ && impl.cached_count < impl.options.cached_threads) {
        impl.cache.push_front(td);
        ++impl.cached_count;
        return;
    }
    td.stack_.unmap();
    td.flags_ &= ~std::uint32_t{td_allocated_stack};
    impl.bare.push_front(td);
}

void sched::free_thread(thread* td) noexcept {
    destroy(td->context_);
    delete td;
}

result<thread*> create(thread::function entry, void* arg, std::string_view name,
                       const create_options& o) {
    core& c = core::current();
    c.crit_enter();
    auto td = sched::create(c, entry, arg, name, o);
    core::current().crit_exit();
    return td;
}

namespace {

// A thread to be made on another core. Where no stack can be mapped, the core tries again by its timers; who asked has
// gone on, or waits for the thread, and cannot be told.
struct creation {
    static constexpr std::chrono::milliseconds retry_interval{10};

    creation(core& c, thread::function f, void* a, std::string_view n, const create_options& o)
        : target(c), entry(f), arg(a), name(n), options(o) {}

    static void try_now(void* self) {
        auto& request = *static_cast<creation*>(self);
        const bool made =
            sched::create(request.target, request.entry, request.arg, request.name, request.options)
                .has_value();
        ++request.attempts;
        if (made) {
            if (request.attempts > 1) {
                PUFFS_LOG(warn, "light thread {} has its stack after {} attempts", request.name,
                          request.attempts);
            }
            delete &request;
            return;
        }
        PUFFS_ASSERT(request.attempts < limits::creation_attempts,
                     "no memory for the stack of a light thread that another thread asked for");
        if (request.attempts == 1) {
            PUFFS_LOG(warn, "no memory for the stack of light thread {}, trying again",
                      request.name);
        }
        request.target.timers().arm(request.retry, request.target.now().after(retry_interval));
    }

    core& target;
    const thread::function entry;
    void* const arg;
    const std::string name;
    const create_options options;
    unsigned attempts = 0;
    ipi::thread_post post;
    timer retry{try_now, this};
};

} // namespace

void create_on(core& target, thread::function entry, void* arg, std::string_view name,
               const create_options& o) {
    auto request = std::make_unique<creation>(target, entry, arg, name, o);
    request->post.function = [](void* self, std::intptr_t) { creation::try_now(self); };
    request->post.arg = request.get();
    ipi::post_from_thread(target, request.release()->post);
}

namespace {

// A function that an ordinary thread waits for.
struct remote_call {
    void (*const function)(void* arg);
    void* const arg;
    waiter& caller;
    spinlock mu;
    bool done PUFFS_GUARDED_BY(mu) = false;

    bool is_done() {
        const spin_guard guard(mu);
        return done;
    }
    void run() {
        function(arg);
        const ipi::crit_section crit;
        // Until the wake is done the caller cannot leave, and take this with it.
        const spin_guard guard(mu);
        done = true;
        caller.wake();
    }
};

} // namespace

void run_on(core& c, void (*function)(void* arg), void* arg, std::string_view name) {
    PUFFS_ASSERT(ipi::cpu::current_or_null() == nullptr, "run_on is for ordinary threads");
    remote_call call{function, arg, waiter::current(), {}};
    create_on(
        c, [](void* self) { static_cast<remote_call*>(self)->run(); }, &call, name);
    for (;;) {
        call.caller.arm();
        if (call.is_done()) {
            call.caller.disarm();
            return;
        }
        call.caller.sleep(sleep_flags::none);
    }
}

} // namespace puffs::lwkt
