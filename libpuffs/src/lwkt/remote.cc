// Requests to a thread from elsewhere. One word a thread collects what was asked; whoever finds it empty posts the
// thread's one request, so that a request needs no memory and never waits (L19), and a thread whose word is not zero is
// not reused (L29).

#include "puffs/base/assert.hh"
#include "puffs/base/race_point.hh"
#include "sched_private.hh"

namespace puffs::lwkt {
namespace {

// The word after one more request. Later schedules and deschedules of one requester keep their order.
constexpr std::uint64_t with(std::uint64_t word, std::uint64_t ask) {
    constexpr std::uint64_t priority_bits = (std::uint64_t{1} << 5) - 1;
    switch (ask & (ask_schedule | ask_deschedule | ask_signal | ask_priority | ask_tokens)) {
    case ask_schedule:
        return (word | ask_schedule) & ~std::uint64_t{ask_deschedule_last};
    case ask_deschedule:
        return word | ask_deschedule | ask_deschedule_last;
    case ask_signal:
    case ask_tokens:
        return word | ask;
    default: { // a priority: the later replaces, critical levels add up (L21)
        const std::uint64_t flags = word & ((std::uint64_t{1} << ask_priority_shift) - 1);
        const std::uint64_t levels = (word >> ask_priority_shift) & ~priority_bits;
        return flags | ask_priority | ((ask >> ask_priority_shift) + levels) << ask_priority_shift;
    }
    }
}
static_assert(with(with(0, ask_schedule), ask_deschedule) ==
              (ask_schedule | ask_deschedule | ask_deschedule_last));
static_assert(with(with(0, ask_deschedule), ask_schedule) == (ask_schedule | ask_deschedule));
static_assert(with(with(0, ask_priority | 33U << ask_priority_shift),
                   ask_priority | 34U << ask_priority_shift) ==
              (ask_priority | 66U << ask_priority_shift));

} // namespace

void sched::request(thread& td, std::uint64_t ask) noexcept {
    if (core* here = core::current_or_null(); here != nullptr && ask == ask_schedule) {
        bump(counters(*here).remote_schedules);
    }
    std::uint64_t word = td.remote_requests_.load(std::memory_order_relaxed);
    while (!td.remote_requests_.compare_exchange_weak(
        word, with(word, ask), std::memory_order_acq_rel, std::memory_order_relaxed)) {
    }
    PUFFS_RACE_POINT("lwkt.request.asked");
    if (word != 0) {
        return; // the request on its way has not been taken yet, and will see this
    }
    td.schedule_post_.function = request_arrives;
    td.schedule_post_.arg = &td;
    ipi::post_from_thread(td.owner(), td.schedule_post_);
    PUFFS_RACE_POINT("lwkt.request.posted");
}

void sched::request_arrives(void* arg, std::intptr_t /*unused*/) {
    thread& td = *static_cast<thread*>(arg);
    core& here = core::current();
    PUFFS_RACE_POINT("lwkt.request.arrives");
    if (&td.owner() != &here) {
        ipi::post_from_thread(td.owner(), td.schedule_post_); // it has moved: chase it
        return;
    }
    const std::uint64_t word = td.remote_requests_.exchange(0, std::memory_order_acq_rel);
    PUFFS_RACE_POINT("lwkt.request.taken");
    if ((td.flags_ & td_exited) != 0) {
        if ((td.flags_ & td_fenced) != 0) {
            td.flags_ &= ~std::uint32_t{td_fenced};
            recycle(here, td);
        }
        return;
    }
    if ((word & ask_priority) != 0) {
        set_priority_here(here, td, static_cast<int>(word >> ask_priority_shift));
    }
    if ((word & ask_deschedule) != 0 && (word & ask_deschedule_last) == 0) {
        deschedule_here(here, td);
    }
    if ((word & ask_schedule) != 0) {
        schedule_here(here, td);
    }
    if ((word & ask_tokens) != 0) {
        tokens_call_here(here, td);
    }
    if ((word & ask_deschedule_last) != 0) {
        deschedule_here(here, td);
    }
    if ((word & ask_signal) != 0) {
        signal_here(here, td);
    }
}

} // namespace puffs::lwkt
