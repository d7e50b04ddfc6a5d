#include "node_table.hh"

#include "puffs/base/log.hh"
#include "puffs/base/race_point.hh"
#include "puffs/ipi/cpu.hh"

#include <algorithm>
#include <new>

namespace puffs {

node_table::node_table(std::uint64_t root_id, std::uint32_t nodes_max, reclaim_function reclaim,
                       void* context)
    : nodes_max_(nodes_max), reclaim_(reclaim), context_(context),
      shards_(std::make_unique<shard[]>(shards)),
      chunks_max_((std::size_t{nodes_max} + 1 + chunk_slots - 1) / chunk_slots),
      chunks_(std::make_unique<std::atomic<chunk*>[]>(chunks_max_)) {
    PUFFS_ASSERT(nodes_max > 0, "a mount has at least a root");
    for (std::size_t i = 0; i < shards; ++i) {
        node_map::array first = node_map::allocate(node_map::first_buckets);
        if (first.count == 0) {
            throw std::bad_alloc();
        }
        spin_guard g(shards_[i].mu);
        shards_[i].map.grow(first);
    }
    node_hold root_hold = [&] {
        auto made = hold_id(root_id, vtype::dir, any_era);
        if (!made) {
            throw std::bad_alloc();
        }
        return std::move(*made);
    }();
    PUFFS_ASSERT(root_hold->cookie() == msg::cookie::root, "the root has the first slot");
    root_hold.node_ = nullptr; // kept until the table goes
}

node_table::~node_table() {
    for (std::size_t i = 0; i < chunks_max_; ++i) {
        delete chunks_[i].load(std::memory_order_relaxed);
    }
}

// Slots.

node* node_table::slot(std::uint32_t number) const noexcept {
    const std::size_t c = number / chunk_slots;
    if (number == 0 || c >= chunks_max_) {
        return nullptr;
    }
    chunk* const at = chunks_[c].load(std::memory_order_acquire);
    return at == nullptr ? nullptr : &at->nodes[number % chunk_slots];
}

result<std::uint32_t> node_table::fresh_slot() noexcept {
    std::uint32_t number = 0;
    {
        spin_guard g(free_mu_);
        if (slots_used_ <= nodes_max_) {
            number = slots_used_++;
        }
    }
    if (number == 0) {
        if (!said_full_.exchange(true, std::memory_order_relaxed)) {
            PUFFS_LOG(err, "the mount has {} live nodes, its limit: answering enfile", nodes_max_);
        }
        return fail(ENFILE);
    }
    return number;
}

result<node*> node_table::take_slot() noexcept {
    {
        spin_guard g(free_mu_);
        if (free_ != nullptr) {
            node* const n = free_;
            free_ = n->next_;
            return n;
        }
    }
    const auto number = fresh_slot();
    if (!number) {
        return fail(number.error());
    }
    std::atomic<chunk*>& at = chunks_[*number / chunk_slots];
    if (at.load(std::memory_order_acquire) == nullptr) {
        std::lock_guard g(chunk_mu_);
        if (at.load(std::memory_order_relaxed) == nullptr) {
            auto* made = new (std::nothrow) chunk;
            if (made == nullptr) {
                return fail(ENOMEM); // the slot's number is lost: one of nodes_max
            }
            at.store(made, std::memory_order_release);
        }
    }
    node* const n = slot(*number);
    n->cookie_ = msg::make_cookie(*number, 0);
    return n;
}

void node_table::put_slot(node& n) noexcept {
    spin_guard g(free_mu_);
    n.next_ = free_;
    free_ = &n;
}

// Uses.

bool node_table::add_hold(node& n) noexcept {
    std::uint64_t uses = n.uses_.load(std::memory_order_relaxed);
    do {
        if ((uses & node::holds_max) == node::holds_max) {
            return false;
        }
    } while (!n.uses_.compare_exchange_weak(uses, uses + node::one_hold, std::memory_order_acquire,
                                            std::memory_order_relaxed));
    return true;
}

result<node_hold> node_table::hold(msg::cookie c) noexcept {
    node* const n = slot(msg::slot_of(c));
    if (n == nullptr) {
        return fail(ESTALE);
    }
    std::uint64_t uses = n->uses_.load(std::memory_order_relaxed);
    do {
        if (uses == 0) {
            return fail(ESTALE);
        }
        if ((uses & node::holds_max) == node::holds_max) {
            return fail(ENFILE);
        }
        PUFFS_RACE_POINT("node_table hold");
    } while (!n->uses_.compare_exchange_weak(uses, uses + node::one_hold, std::memory_order_acquire,
                                             std::memory_order_relaxed));
    node_hold held(*this, *n);
    if (n->cookie_ != c) {
        return fail(ESTALE);
    }
    return held;
}

// Takes `uses` away. Zero is reached under the map's lock only; who reaches it reclaims the node.
void node_table::lessen(node& n, std::uint64_t uses) noexcept {
    std::uint64_t now = n.uses_.load(std::memory_order_relaxed);
    while (now != uses) {
        PUFFS_ASSERT(now > uses, "more uses dropped than there are");
        if (n.uses_.compare_exchange_weak(now, now - uses, std::memory_order_acq_rel,
                                          std::memory_order_relaxed)) {
            return;
        }
    }
    PUFFS_RACE_POINT("node_table last use");
    shard& s = shard_of(n.id_);
    bool died = false;
    {
        spin_guard g(s.mu);
        now = n.uses_.load(std::memory_order_relaxed);
        while (!n.uses_.compare_exchange_weak(now, now - uses, std::memory_order_acq_rel,
                                              std::memory_order_relaxed)) {
        }
        PUFFS_ASSERT(now >= uses, "more uses dropped than there are");
        died = now == uses;
    }
    if (died) {
        PUFFS_RACE_POINT("node_table dying");
        reclaim_(context_, n);
        bury(n);
    }
}

// The server has reclaimed the node: its id is free, and so is its slot.
void node_table::bury(node& n) noexcept {
    shard& s = shard_of(n.id_);
    {
        // A wake may let another thread of this core run, which must not find the lock held.
        std::optional<ipi::crit_section> stay;
        if (ipi::cpu::current_or_null() != nullptr) {
            stay.emplace();
        }
        spin_guard g(s.mu);
        s.map.erase(n);
        s.ended[stamp_of(n.id_)] = reclaims_.fetch_add(1, std::memory_order_relaxed) + 1;
        for (auto w = s.waiters.begin(); w != s.waiters.end();) {
            if (w->on != &n) {
                ++w;
                continue;
            }
            w->over = true;
            waiter& who = *w->who;
            w = s.waiters.erase(w);
            who.wake(); // inside the lock: the waiter leaves only after taking it
        }
    }
    live_.fetch_sub(1, std::memory_order_relaxed);
    n.opens_.store(0, std::memory_order_relaxed);
    n.cookie_ = msg::make_cookie(msg::slot_of(n.cookie_), msg::generation_of(n.cookie_) + 1);
    put_slot(n);
}

bool node_table::give_back(msg::cookie c, std::uint64_t count) noexcept {
    if (c == msg::cookie::root) {
        return true; // its lookups are not counted against its life
    }
    auto held = hold(c);
    if (!held) {
        return false;
    }
    node& n = **held;
    std::uint64_t now = n.uses_.load(std::memory_order_relaxed);
    std::uint64_t taken = 0;
    do {
        const std::uint64_t lookups = now >> node::hold_bits;
        // A count that has reached its end says nothing any more: the node stays.
        taken = lookups == node::lookups_max ? 0 : std::min(count, lookups);
    } while (!n.uses_.compare_exchange_weak(now, now - taken * node::one_lookup,
                                            std::memory_order_acq_rel, std::memory_order_relaxed));
    return taken == count;
}

std::optional<std::uint32_t> node_table::close_file(node& n) noexcept {
    std::uint32_t opens = n.opens_.load(std::memory_order_relaxed);
    do {
        if (opens == 0) {
            return std::nullopt;
        }
    } while (!n.opens_.compare_exchange_weak(opens, opens - 1, std::memory_order_relaxed));
    lessen(n, node::one_hold);
    return opens - 1;
}

void node_hold::drop() noexcept {
    if (node* const n = std::exchange(node_, nullptr)) {
        table_->lessen(*n, node::one_hold);
    }
}

msg::cookie node_hold::into_lookup() noexcept {
    node* const n = std::exchange(node_, nullptr);
    const msg::cookie c = n->cookie_;
    std::uint64_t now = n->uses_.load(std::memory_order_relaxed);
    std::uint64_t next = 0;
    do {
        const bool at_end = now >> node::hold_bits == node::lookups_max;
        next = now - node::one_hold + (at_end ? 0 : node::one_lookup);
    } while (!n->uses_.compare_exchange_weak(now, next, std::memory_order_acq_rel,
                                             std::memory_order_relaxed));
    return c;
}

void node_hold::into_open() noexcept {
    node* const n = std::exchange(node_, nullptr);
    n->opens_.fetch_add(1, std::memory_order_relaxed);
}

} // namespace puffs
