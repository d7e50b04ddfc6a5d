#include "puffs/lwkt/core.hh"

#include "puffs/base/assert.hh"
#include "sched_private.hh"

#include <algorithm>

namespace puffs::lwkt {
namespace {

// The calling code becomes the loop of a core for a scope. The harness steps cores from inside one another.
class become {
  public:
    explicit become(core& c) noexcept : outer_(core::current_or_null()) {
        ipi::cpu::set_current(&c);
        sched::set_current_waiter(nullptr);
        c.crit_enter();
    }
    ~become() {
        ipi::cpu::current().crit_exit_noyield();
        ipi::cpu::set_current(outer_);
        sched::set_current_waiter(thread::current_or_null());
    }
    become(const become&) = delete;
    become& operator=(const become&) = delete;

  private:
    core* const outer_;
};

} // namespace

core::core(ipi::domain& d, core_id id, const clock& c, event_source& events,
           const core_options& options)
    : cpu(d, id), impl_(std::make_unique<implementation>(options)), clock_(c), events_(events) {
    PUFFS_ASSERT(options.switch_budget > 0, "a core needs a budget of switches");
}

core::~core() {
    PUFFS_ASSERT(running_thread() == nullptr && !impl_->stepping, "a core dies while it runs");
    PUFFS_DEBUG_ASSERT(live_threads_ == impl_->idle_workers.size(), "light threads leaked");
    if (auto& retry = impl_->worker_retry) {
        timers_.cancel(*retry);
    }
    // Whatever queue a thread is on dies with the core.
    for (auto& queue : impl_->queues) {
        queue.clear();
    }
    impl_->cache.clear();
    impl_->bare.clear();
    for (thread* td : impl_->threads) {
        sched::free_thread(td);
    }
}

// One turn of the loop (spec H2); the caller has become this core.
bool core::turn() {
    bool any = has_requests();
    if (any) {
        serve_ipis();
        static_cast<void>(take_resched());
    }
    any |= events_.poll();
    any |= !timers_.empty() && timers_.expire(now());
    if (impl_->budget_left == 0 || !sched::runnable(*this)) {
        any |= sched::dispatch_ingress(*this);
    }
    any |= sched::run_threads(*this);
    return any;
}

bool core::step() {
    PUFFS_ASSERT(!impl_->stepping, "a core is stepped from inside itself");
    bool any = false;
    {
        become self(*this);
        impl_->stepping = true;
        adopt_os_stack(impl_->loop);
        any = turn();
        impl_->stepping = false;
    }
    // Leaving the loop's critical section has served what came during the turn.
    return any || sched::runnable(*this);
}

void core::run() {
    PUFFS_ASSERT(!impl_->stepping, "a core runs twice");
    become self(*this);
    impl_->stepping = true;
    adopt_os_stack(impl_->loop);
    while (!impl_->stop.load(std::memory_order_relaxed)) {
        turn();
        if (!idle()) {
            continue;
        }
        // T5: after "asleep" is published, whoever posts something rings the doorbell; what was posted before is
        // seen.
        if (publish_asleep() && !impl_->stop.load(std::memory_order_seq_cst)) {
            bump(sched_stats_.sleeps);
            events_.sleep(timers_.next());
        }
        publish_awake();
    }
    impl_->stepping = false;
}

void core::request_stop() noexcept {
    impl_->stop.store(true, std::memory_order_seq_cst);
    kick();
}

bool core::idle() const noexcept {
    const instant* next = timers_.next();
    return !sched::runnable(*this) && !has_requests() && (next == nullptr || now().before(*next)) &&
           !sched::ingress_waits(*this);
}

void core::ring_doorbell() noexcept {
    events_.wake();
}

// The outermost critical section was left with something pending (T4): serve it, and let a thread that outranks this
// one run. A thread that has left the run queue is about to switch by itself.
void core::serve_requests() noexcept {
    crit_enter();
    serve_ipis();
    const bool resched = take_resched();
    thread* td = running_.load(std::memory_order_relaxed);
    if (resched && td != nullptr && (td->flags_ & td_runq) != 0) {
        sched::keep_turn(*this, *td);
        sched::leave_after_switch(sched::switch_from(*this, *td));
        return;
    }
    crit_exit_noyield();
}

void core::attach(ingress& in) {
    impl_->ingresses.push_back(&in);
}

void core::detach(ingress& in) {
    std::erase(impl_->ingresses, &in);
    if (impl_->ingresses.empty()) {
        sched::dismiss_workers(*this);
    }
}

void core::for_each_thread(const std::function<void(const thread&)>& f) const {
    for (const thread* td : impl_->threads) {
        if ((td->flags_ & td_exited) == 0) {
            f(*td);
        }
    }
}

} // namespace puffs::lwkt
