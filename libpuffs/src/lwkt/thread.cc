#include "puffs/lwkt/thread.hh"

#include "puffs/base/assert.hh"
#include "sched_private.hh"

#include <cerrno>
#include <csignal>

namespace puffs::lwkt {
namespace {

constexpr std::uint64_t bit_of(int number) {
    return std::uint64_t{1} << static_cast<unsigned>(number - 1);
}

constexpr std::uint64_t important =
    bit_of(SIGINT) | bit_of(SIGTERM) | bit_of(SIGKILL) | bit_of(SIGHUP) | bit_of(SIGQUIT);

} // namespace

thread::thread(core& owner) noexcept : port_(name_, *this), core_(&owner) {}

thread& thread::current() noexcept {
    thread* td = current_or_null();
    PUFFS_ASSERT(td != nullptr, "this is not a light thread");
    return *td;
}

void thread::post_signal(int number) noexcept {
    PUFFS_ASSERT(number >= 1 && number <= 64, "signal number out of range");
    signals_.fetch_or(bit_of(number), std::memory_order_release);
    if ((bit_of(number) & important) == 0) {
        return;
    }
    core* here = core::current_or_null();
    if (here == nullptr || here != &owner()) {
        sched::request(*this, ask_signal);
        return;
    }
    here->crit_enter();
    sched::signal_here(*here, *this);
    core::current().crit_exit();
}

void thread::clear_signals() noexcept {
    signals_.store(0, std::memory_order_relaxed);
}

std::uint64_t thread::set_signal_mask(std::uint64_t mask) noexcept {
    return signal_mask_.exchange(mask & ~bit_of(SIGKILL), std::memory_order_relaxed);
}

void thread::arm() noexcept {
    PUFFS_DEBUG_ASSERT(this == current_or_null(), "a thread arms itself");
    woken_ = false;
}

void thread::disarm() noexcept {}

void thread::sleep(sleep_flags flags) noexcept {
    PUFFS_DEBUG_ASSERT(this == current_or_null(), "a thread sleeps itself");
    core& c = core::current();
    const bool catches = flags == sleep_flags::catch_signals;
    c.crit_enter();
    if (!woken_ && !(catches && pending_signal() != 0)) {
        flags_ |= catches ? td_sintr : 0U;
        sched::dequeue(c, *this);
        core& here = sched::switch_from(c, *this);
        flags_ &= ~std::uint32_t{td_sintr};
        sched::leave_after_switch(here);
        return;
    }
    c.crit_exit();
}

void thread::wake() noexcept {
    schedule(*this);
}

int thread::pending_signal() const noexcept {
    const std::uint64_t open =
        signals_.load(std::memory_order_acquire) & ~signal_mask_.load(std::memory_order_relaxed);
    return (open & important) != 0 ? EINTR : 0;
}

core_id thread::on_core() const noexcept {
    return owner().id();
}

} // namespace puffs::lwkt
