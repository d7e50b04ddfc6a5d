#include "puffs/ipi/send.hh"

#include "puffs/base/bump.hh"
#include "puffs/base/race_point.hh"
#include "run_handler.hh"
#include "wait_loop.hh"

namespace puffs::ipi {

// The sending side's way into a cpu.
struct sender {
    static constexpr std::uint64_t half = ipiq::slots / 2;
    static constexpr std::uint64_t quarter = ipiq::slots / 4;
    static constexpr std::uint64_t two_thirds = ipiq::slots * 2 / 3;

    static cpu& here() noexcept {
        cpu& c = cpu::current();
        PUFFS_ASSERT(c.crit_count_ > 0, "IPI sent outside a critical section");
        return c;
    }
    static ipiq& ring(cpu& self, cpu& target) noexcept { return target.rings_in_[self.id_]; }

    // Runs a function on the calling core as if it had been sent there.
    template <class F>
    static void run_here(cpu& self, F&& f) noexcept {
        self.run_handler(f);
        if (self.intr_nest_ == 0 && self.unserved_ != 0) {
            // Taken aside by the function, and no pass of this core is under way to run it.
            self.pending_.fetch_or(self.unserved_, std::memory_order_relaxed);
        }
    }

    static void put(cpu& self, cpu& target, sync_message& m) noexcept {
        if (!target.mailbox_.try_put(m)) {
            bump(self.stats_.mailbox_full);
            wait_loop room(self, target.id_, wait_loop::waits_for::room,
                           "a free slot of its mailbox");
            do {
                room.turn();
            } while (!target.mailbox_.try_put(m));
        }
        target.post(domain::bit_mailbox);
    }

    // Says that the ring from `self` holds something. Returns nothing to do for the kick: a passive
    // message may have set the bits without one, so the caller kicks whatever they were.
    static void publish(cpu& self, cpu& target) noexcept {
        const std::uint64_t source = std::uint64_t{1} << (self.id_ % 64U);
        PUFFS_RACE_POINT("ring: before the source bit");
        const std::uint64_t old =
            target.ring_sources_[self.id_ / 64U].fetch_or(source, std::memory_order_seq_cst);
        PUFFS_RACE_POINT("ring: source bit set");
        // A source bit that is still set was set by an earlier send, which then set the pending bit
        // too, and the target clears pending first: it has not looked at this ring yet.
        if ((old & source) == 0) {
            target.pending_.fetch_or(1U << domain::bit_rings, std::memory_order_seq_cst);
            PUFFS_RACE_POINT("ring: published");
        }
    }

    static void make_room(cpu& self, cpu& target, ipiq& q) noexcept {
        if (q.used() <= half) {
            return;
        }
        bump(self.stats_.ring_full);
        target.kick();
        wait_loop room(self, target.id_, wait_loop::waits_for::room, "room in its ring");
        while (q.used() >= quarter) {
            if (self.intr_nest_ > 0) {
                self.take_aside();
                room.turn_without_serving();
            } else {
                room.turn();
            }
        }
    }

    static std::uint64_t append(cpu& self, cpu& target, ipi_function f, void* arg,
                                std::intptr_t value) noexcept {
        ipiq& q = ring(self, target);
        make_room(self, target, q);
        const bool pushed = q.push(f, arg, value);
        PUFFS_ASSERT(pushed, "ring full after waiting for room");
        const std::uint64_t sequence = q.windex();
        publish(self, target);
        return sequence;
    }

    static void enqueue(cpu& target, thread_post& node) noexcept {
        node.next = target.inbox_.load(std::memory_order_relaxed);
        while (!target.inbox_.compare_exchange_weak(node.next, &node, std::memory_order_release,
                                                    std::memory_order_relaxed)) {
        }
        PUFFS_RACE_POINT("thread post: queued");
        target.pending_.fetch_or(1U << domain::bit_rings, std::memory_order_seq_cst);
        PUFFS_RACE_POINT("thread post: published");
        target.kick();
    }
};

namespace {

void assert_remote(const cpu& self, core_id target) noexcept {
    PUFFS_ASSERT(target != self.id(), "IPI to the calling core");
}

void assert_handler(unsigned id) noexcept {
    PUFFS_ASSERT(id >= domain::first_handler && id < domain::handler_slots,
                 "handler id out of range");
}

} // namespace

void trigger(unsigned id, core_id target) noexcept {
    cpu& self = sender::here();
    assert_handler(id);
    assert_remote(self, target);
    self.owner_domain().at(target).post(id);
}

void trigger_multi(unsigned id, const core_set& targets) noexcept {
    cpu& self = sender::here();
    assert_handler(id);
    targets.for_each([&](core_id c) {
        if (c != self.id()) {
            self.owner_domain().at(c).post(id);
        }
    });
    if (targets.contains(self.id())) {
        self.post(id);
        self.serve_ipis();
    }
}

void unicast(sync_message& m, core_id target) noexcept {
    cpu& self = sender::here();
    assert_remote(self, target);
    multicast(m, core_set{target});
}

void multicast(sync_message& m, const core_set& targets) noexcept {
    cpu& self = sender::here();
    PUFFS_ASSERT(m.function != nullptr, "synchronous IPI without a function");
    const bool here_too = targets.contains(self.id());
    // Relaxed: the slots of the mailboxes publish it.
    m.pending.store(targets.count() - (here_too ? 1U : 0U), std::memory_order_relaxed);
    targets.for_each([&](core_id c) {
        if (c != self.id()) {
            sender::put(self, self.owner_domain().at(c), m);
        }
    });
    if (here_too) {
        sender::run_here(self, [&] { m.function(m.arg); });
    }
}

void broadcast(sync_message& m) noexcept {
    multicast(m, sender::here().owner_domain().all());
}

void wait(sync_message& m) noexcept {
    cpu& self = sender::here();
    wait_loop acknowledgements(self, no_core, wait_loop::waits_for::answer,
                               "acknowledgements of a synchronous message");
    for (;;) {
        const unsigned pending = m.pending.load(std::memory_order_acquire);
        PUFFS_ASSERT(pending <= self.owner_domain().size(), "wait for a message not sent");
        if (pending == 0) {
            return;
        }
        acknowledgements.turn();
    }
}

std::uint64_t send(core_id target, ipi_function f, void* arg, std::intptr_t value) noexcept {
    cpu& self = sender::here();
    if (target == self.id()) {
        sender::run_here(self, [&] { f(arg, value); });
        return 0;
    }
    cpu& there = self.owner_domain().at(target);
    const std::uint64_t sequence = sender::append(self, there, f, arg, value);
    there.kick();
    return sequence;
}

std::uint64_t send_passive(core_id target, ipi_function f, void* arg,
                           std::intptr_t value) noexcept {
    cpu& self = sender::here();
    assert_remote(self, target);
    return sender::append(self, self.owner_domain().at(target), f, arg, value);
}

bool send_nowait(core_id target, ipi_function f, void* arg, std::intptr_t value) noexcept {
    cpu& self = sender::here();
    if (target == self.id()) {
        sender::run_here(self, [&] { f(arg, value); });
        return true;
    }
    cpu& there = self.owner_domain().at(target);
    ipiq& q = sender::ring(self, there);
    if (q.used() > sender::two_thirds) {
        return false;
    }
    const bool pushed = q.push(f, arg, value);
    PUFFS_ASSERT(pushed, "ring full below two thirds");
    sender::publish(self, there);
    there.kick();
    return true;
}

void wait_sent(core_id target, std::uint64_t sequence) noexcept {
    cpu& self = sender::here();
    if (target == self.id()) {
        return; // ran inside send
    }
    PUFFS_ASSERT(self.intr_nest() == 0, "a handler waits for a ring");
    cpu& there = self.owner_domain().at(target);
    const ipiq& q = sender::ring(self, there);
    PUFFS_ASSERT(sequence <= q.windex(), "wait for an IPI not sent");
    if (q.finished(sequence)) {
        return;
    }
    there.kick(); // a passive message has not done so
    wait_loop run(self, target, wait_loop::waits_for::answer, "an IPI that was sent to it");
    while (!q.finished(sequence)) {
        run.turn();
    }
}

void synchronize() noexcept {
    cpu& self = sender::here();
    domain& d = self.owner_domain();
    for (core_id c = 0; c < d.size(); ++c) {
        if (c != self.id()) {
            d.at(c).kick();
        }
    }
    for (core_id c = 0; c < d.size(); ++c) {
        if (c != self.id()) {
            wait_sent(c, sender::ring(self, d.at(c)).windex());
        }
    }
}

void post_from_thread(cpu& target, thread_post& node) noexcept {
    PUFFS_ASSERT(node.function != nullptr, "thread post without a function");
    sender::enqueue(target, node);
}

} // namespace puffs::ipi
