#include "puffs/ipi/domain.hh"

#include "puffs/base/log.hh"
#include "puffs/base/race_point.hh"
#include "puffs/ipi/cpu.hh"
#include "puffs/ipi/send.hh"
#include "wait_loop.hh"

#include <bit>

namespace puffs::ipi {

domain::domain(core_id count) : count_(count) {
    PUFFS_ASSERT(count > 0 && count <= limits::cores, "number of cores out of range");
}

domain::~domain() {
    for (const std::atomic<cpu*>& c : cpus_) {
        PUFFS_ASSERT(c.load(std::memory_order_relaxed) == nullptr, "a cpu outlives its domain");
    }
}

cpu& domain::at(core_id id) const noexcept {
    PUFFS_ASSERT(id < count_, "core number out of range");
    cpu* const c = cpus_[id].load(std::memory_order_acquire);
    PUFFS_ASSERT(c != nullptr, "core is not registered");
    return *c;
}

void domain::attach(cpu& c) {
    PUFFS_ASSERT(c.id() < count_, "core number out of range");
    cpu* expected = nullptr;
    const bool free = cpus_[c.id()].compare_exchange_strong(expected, &c, std::memory_order_release,
                                                            std::memory_order_relaxed);
    PUFFS_ASSERT(free, "two cpus with one number");
}

void domain::detach(cpu& c) noexcept {
    cpus_[c.id()].store(nullptr, std::memory_order_release);
}

unsigned domain::add_handler(void (*function)(void* arg), void* arg) {
    PUFFS_ASSERT(function != nullptr, "handler without a function");
    unsigned id = 0;
    {
        const spin_guard g(table_mu_);
        // The two lowest bits are not registrable; taken_ holds only the first of them.
        const std::uint32_t busy = taken_ | (1U << bit_rings);
        id = static_cast<unsigned>(std::countr_one(busy));
        if (id < handler_slots) {
            taken_ |= 1U << id;
            handlers_[id].arg = arg;
            handlers_[id].function.store(function, std::memory_order_release);
        }
    }
    if (id >= handler_slots) {
        PUFFS_LOG(warn, "no free IPI handler: all {} are taken", handler_slots - first_handler);
        return 0;
    }
    return id;
}

// What remove_handler asks every core: is there anything left of this handler?
struct domain::flush {
    std::uint32_t bit = 0;
    std::atomic<bool> busy{false}; // any core stores, release by the acknowledgement of the message

    static void ask(void* p) {
        flush& f = *static_cast<flush*>(p);
        const cpu& c = cpu::current();
        // The acknowledgement alone says nothing: the message may be served by a pass that has not
        // seen the bit yet, or inside a handler of that very id that waits.
        const std::uint32_t left =
            c.pending_.load(std::memory_order_relaxed) | c.unserved_ | c.running_;
        if ((left & f.bit) != 0) {
            f.busy.store(true, std::memory_order_relaxed);
        }
    }
};

void domain::remove_handler(unsigned id) {
    PUFFS_ASSERT(id >= first_handler && id < handler_slots, "handler id out of range");
    const std::uint32_t bit = 1U << id;
    {
        const spin_guard g(table_mu_);
        PUFFS_ASSERT((taken_ & bit) != 0 && (leaving_ & bit) == 0, "handler is not registered");
        leaving_ |= bit;
    }
    if (cpu* const self = cpu::current_or_null()) {
        PUFFS_ASSERT((self->running_ & bit) == 0, "a handler removes itself");
        wait_loop others(*self, no_core, wait_loop::waits_for::answer,
                         "a handler that is being removed");
        flush f;
        f.bit = bit;
        for (;;) {
            sync_message m;
            m.function = flush::ask;
            m.arg = &f;
            broadcast(m);
            wait(m);
            if (!f.busy.exchange(false, std::memory_order_relaxed)) {
                break;
            }
            others.turn();
        }
    }
    PUFFS_RACE_POINT("remove_handler: flushed");
    handlers_[id].function.store(nullptr, std::memory_order_release);
    const spin_guard g(table_mu_);
    taken_ &= ~bit;
    leaving_ &= ~bit;
}

} // namespace puffs::ipi
