#include "sched_private.hh"
#include "stack_switch.hh"

#include <bit>

namespace puffs::lwkt {

void sched::push_tail(core& c, thread& td) noexcept {
    core::implementation& impl = of(c);
    const auto level = static_cast<unsigned>(td.priority_);
    td.flags_ = (td.flags_ | td_runq) & ~std::uint32_t{td_stopreq};
    impl.queues[level].push_back(td);
    impl.queue_mask |= std::uint32_t{1} << level;
}

void sched::enqueue(core& c, thread& td) noexcept {
    if ((td.flags_ & td_runq) != 0) {
        return;
    }
    push_tail(c, td);
    const thread* running = c.running_.load(std::memory_order_relaxed);
    if (running != nullptr && td.priority_ > running->priority_) {
        c.post_resched();
    }
}

void sched::dequeue(core& c, thread& td) noexcept {
    if ((td.flags_ & td_runq) == 0) {
        return;
    }
    td.flags_ &= ~std::uint32_t{td_runq};
    auto& queue = of(c).queues[static_cast<unsigned>(td.priority_)];
    queue.erase(queue.iterator_to(td)); // the mask bit stays: only the switcher clears it (L4, L5)
}

void sched::keep_turn(core& c, thread& td) noexcept {
    auto& queue = of(c).queues[static_cast<unsigned>(td.priority_)];
    queue.splice(queue.begin(), queue, queue.iterator_to(td));
}

void sched::give_turn(core& c, thread& td) noexcept {
    enqueue(c, td);
    auto& queue = of(c).queues[static_cast<unsigned>(td.priority_)];
    if (&queue.back() != &td) {
        queue.splice(queue.end(), queue, queue.iterator_to(td));
    }
}

bool sched::runnable(const core& c) noexcept {
    const core::implementation& impl = *c.impl_;
    for (std::uint32_t mask = impl.queue_mask; mask != 0; mask &= mask - 1) {
        if (!impl.queues[static_cast<unsigned>(std::countr_zero(mask))].empty()) {
            return true;
        }
    }
    return false;
}

// The head of the highest non-empty queue (L6).
[[gnu::always_inline]] inline thread* sched::head(core& c) noexcept {
    core::implementation& impl = of(c);
    while (impl.queue_mask != 0) {
        const auto level = 31U - static_cast<unsigned>(std::countl_zero(impl.queue_mask));
        auto& queue = impl.queues[level];
        if (!queue.empty()) {
            return &queue.front();
        }
        impl.queue_mask &= ~(std::uint32_t{1} << level);
    }
    return nullptr;
}

[[gnu::always_inline]] inline void sched::to_tail(core& c, thread& td) noexcept {
    auto& queue = of(c).queues[static_cast<unsigned>(td.priority_)];
    if (&td != &queue.back()) {
        queue.splice(queue.end(), queue, queue.iterator_to(td));
    }
}

// The next to run; it goes to the tail of its queue before it does (L6). Without a call of another function, unless
// tokens are in play.
thread* sched::pick(core& c) noexcept {
    thread* next = head(c);
    if (next != nullptr) {
        if ((next->flags_ & td_tokens) != 0) [[unlikely]] {
            return pick_with_tokens(c);
        }
        to_tail(c, *next);
    }
    return next;
}

// Who runs has all its tokens (K11); who cannot have them has left the queue.
[[gnu::noinline]] thread* sched::pick_with_tokens(core& c) noexcept {
    thread* next = head(c);
    while (next != nullptr && (next->flags_ & td_tokens) != 0 && !take_tokens(c, *next)) {
        next = head(c);
    }
    if (next != nullptr) {
        to_tail(c, *next);
    }
    return next;
}

// Serves what is pending. A wish to reschedule is fulfilled by the switch that follows.
void sched::poll(core& c) noexcept {
    c.serve_ipis();
    static_cast<void>(c.take_resched());
}

// Always inlined: a frame between the jump and the thread costs a mispredicted return (stack_switch.hh).
[[gnu::always_inline]] inline core& sched::leave_to(core& c, thread& td, thread* next,
                                                    bool dies) noexcept {
    core::implementation& impl = of(c);
    td.crit_count_ = c.crit_count();
    c.running_.store(next, std::memory_order_release);
    thread::set_current(next);
    if (next != nullptr) {
        next->flags_ |= td_running;
        c.set_crit_count(next->crit_count_);
        detail::switch_inline(td.context_, next->context_, dies);
    } else {
        c.set_crit_count(impl.loop_crit_count);
        detail::switch_inline(td.context_, impl.loop, dies);
    }
    core& here = this_core();
    arrived(here);
    return here;
}

core& sched::switch_from(core& c, thread& td) noexcept {
    PUFFS_ASSERT(c.intr_nest() == 0 || td.preempted_ != nullptr,
                 "an interrupt handler must not switch");
    PUFFS_ASSERT(c.crit_count() > 0, "a switch runs in a critical section");
    core::implementation& impl = of(c);
    bump(c.sched_stats_.switches);
    if ((td.flags_ & td_tokens) != 0) [[unlikely]] {
        give_up_tokens(td);
    }
    if (c.has_requests()) [[unlikely]] {
        poll(c);
    }
    thread* next = nullptr;
    if (td.preempted_ != nullptr) [[unlikely]] {
        next = td.preempted_; // whether or not it is scheduled (L8)
        td.preempted_ = nullptr;
        next->flags_ |= td_preempt_done;
    } else if (impl.budget_left > 0) {
        --impl.budget_left;
        next = pick(c);
    }
    if (next == &td) {
        return c;
    }
    const bool dies = (td.flags_ & td_exited) != 0;
    if (dies) {
        impl.exiting = &td;
    } else {
        td.flags_ &= ~std::uint32_t{td_running};
    }
    return leave_to(c, td, next, dies);
}

void sched::run_on_top(core& c, thread& target) noexcept {
    thread& td = running(c);
    PUFFS_ASSERT(((td.flags_ | target.flags_) & td_preempt_lock) == 0,
                 "a preemption inside a preemption");
    PUFFS_ASSERT(((td.flags_ | target.flags_) & td_tokens) == 0,
                 "who has tokens is in a critical section, and is not preempted nor preempts");
    td.flags_ |= td_preempt_lock;
    target.flags_ |= td_preempt_lock;
    target.preempted_ = &td;
    td.flags_ &= ~std::uint32_t{td_running};
    bump(c.sched_stats_.switches);
    leave_to(c, td, &target, false);
    PUFFS_ASSERT((td.flags_ & td_preempt_done) != 0,
                 "a preempted thread goes on before its preemptor has switched");
    td.flags_ &= ~std::uint32_t{td_preempt_lock | td_preempt_done};
    target.flags_ &= ~std::uint32_t{td_preempt_lock};
}

bool sched::run_threads(core& c) noexcept {
    core::implementation& impl = of(c);
    impl.budget_left = impl.options.switch_budget;
    thread* next = pick(c);
    if (next == nullptr) {
        return false;
    }
    bump(c.sched_stats_.switches);
    impl.loop_crit_count = c.crit_count();
    c.running_.store(next, std::memory_order_release);
    next->flags_ |= td_running;
    thread::set_current(next);
    c.set_crit_count(next->crit_count_);
    detail::switch_inline(impl.loop, next->context_);
    arrived(c);
    return true;
}

void sched::reap_exited(core& c) noexcept {
    core::implementation& impl = of(c);
    thread& gone = *impl.exiting;
    impl.exiting = nullptr;
    gone.flags_ &= ~std::uint32_t{td_running};
    reap(c, gone);
}

} // namespace puffs::lwkt
