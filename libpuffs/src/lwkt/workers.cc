// The threads that run ingress work: leader and followers (spec H3). The leader takes piece after piece; when it
// blocks in one, the loop makes an idle worker, or a new one, the leader. A worker that comes back from a block
// finishes its piece and becomes idle unless it still leads.

#include "puffs/base/assert.hh"
#include "puffs/base/log.hh"
#include "sched_private.hh"

#include <algorithm>

namespace puffs::lwkt {
namespace {

constexpr std::chrono::milliseconds worker_retry_interval{10}; // after a worker could not be made

bool contains(const std::vector<thread*>& list, const thread& td) {
    return std::find(list.begin(), list.end(), &td) != list.end();
}

} // namespace

ingress* sched::next_ready(core& c) noexcept {
    core::implementation& impl = of(c);
    for (std::size_t i = 0; i < impl.ingresses.size(); ++i) {
        const std::size_t at = (impl.next_ingress + i) % impl.ingresses.size();
        if (impl.ingresses[at]->ready()) {
            impl.next_ingress = at + 1;
            return impl.ingresses[at];
        }
    }
    return nullptr;
}

bool sched::ingress_waits(const core& c) noexcept {
    const core::implementation& impl = *c.impl_;
    const bool worker_to_be_had =
        !impl.idle_workers.empty() || (impl.workers_count < impl.options.workers_max &&
                                       !(impl.worker_retry && impl.worker_retry->armed()));
    return worker_to_be_had && std::any_of(impl.ingresses.begin(), impl.ingresses.end(),
                                           [](ingress* in) { return in->ready(); });
}

thread* sched::new_worker(core& c) {
    core::implementation& impl = of(c);
    auto made =
        create(c, worker_main, nullptr, "worker", {.priority = priority::request, .stopped = true});
    if (made) {
        ++impl.workers_count;
        return *made;
    }
    PUFFS_LOG(warn, "core {}: no memory for the stack of a worker", c.id());
    if (!impl.worker_retry) {
        impl.worker_retry.emplace([](void*) {}, nullptr); // only ends the sleep
    }
    c.timers().arm(*impl.worker_retry, c.now().after(worker_retry_interval));
    return nullptr;
}

bool sched::dispatch_ingress(core& c) {
    core::implementation& impl = of(c);
    if (impl.ingresses.empty() ||
        (impl.leader != nullptr && (impl.leader->flags_ & td_runq) != 0) || !ingress_waits(c)) {
        return false;
    }
    thread* worker = nullptr;
    if (impl.idle_workers.empty()) {
        worker = new_worker(c);
        if (worker == nullptr) {
            return false;
        }
    } else {
        worker = impl.idle_workers.back();
        impl.idle_workers.pop_back();
    }
    if (impl.leader != nullptr) {
        bump(c.sched_stats_.worker_takeovers);
    }
    impl.leader = worker;
    schedule_here(c, *worker);
    return true;
}

void sched::worker_main(void* /*unused*/) {
    thread& td = thread::current();
    for (;;) {
        core& c = core::current();
        core::implementation& impl = of(c);
        while (impl.leader == &td) {
            ingress* in = next_ready(c);
            if (in == nullptr) {
                impl.leader = nullptr;
                break;
            }
            in->run_one();
            yield(); // requests that were unblocked finish before the next one begins
        }
        if (impl.ingresses.empty() || impl.idle_workers.size() >= impl.options.cached_threads) {
            --impl.workers_count;
            return;
        }
        park_worker(c, td);
    }
}

void sched::park_worker(core& c, thread& td) noexcept {
    core::implementation& impl = of(c);
    impl.idle_workers.push_back(&td);
    while (contains(impl.idle_workers, td)) {
        c.crit_enter();
        dequeue(c, td);
        leave_after_switch(switch_from(c, td));
    }
}

void sched::dismiss_workers(core& c) noexcept {
    core::implementation& impl = of(c);
    PUFFS_ASSERT(impl.leader == nullptr || (impl.leader->flags_ & td_runq) != 0,
                 "an ingress is detached while its work is running");
    for (thread* worker : impl.idle_workers) {
        schedule(*worker);
    }
    impl.idle_workers.clear();
}

} // namespace puffs::lwkt
