// The half of node_table that finds, makes and ends nodes by the server's ids.
#include "node_table.hh"
#include "puffs/base/race_point.hh"

namespace puffs {

node_table::found node_table::find(shard& s, std::uint64_t id, vtype type, era_number since,
                                   node*& n) noexcept {
    if (since != any_era && s.ended[stamp_of(id)] > since) {
        return found::stale;
    }
    n = s.map.find(id);
    if (n == nullptr) {
        return found::absent;
    }
    // Zero is reached, and left, under this lock only.
    if (n->uses_.load(std::memory_order_relaxed) == 0) {
        return found::dying;
    }
    const vtype known = n->type();
    if (type != vtype::none && known != vtype::none && type != known) {
        return found::other_type;
    }
    return add_hold(*n) ? found::held : found::too_many;
}

node_map::array node_table::insert(shard& s, node& n, std::uint64_t id, vtype type) noexcept {
    n.id_ = id;
    n.type_.store(type, std::memory_order_relaxed);
    // Release: hold() by a cookie of this slot reads what stands above.
    n.uses_.store(node::one_hold, std::memory_order_release);
    live_.fetch_add(1, std::memory_order_relaxed);
    return s.map.insert(n);
}

result<node_hold> node_table::hold_id(std::uint64_t id, vtype type, era_number since) noexcept {
    shard& s = shard_of(id);
    node* spare = nullptr;
    for (;;) {
        PUFFS_RACE_POINT("node_table find");
        node* n = nullptr;
        found what = found::absent;
        std::size_t wanted_buckets = 0;
        node_map::array emptied; // freed after the lock is given up
        {
            spin_guard g(s.mu);
            what = find(s, id, type, since, n);
            if (what == found::absent && spare != nullptr) {
                n = std::exchange(spare, nullptr);
                emptied = insert(s, *n, id, type);
                what = found::held;
                wanted_buckets = s.map.wanted_buckets();
            }
        }
        if (what == found::dying) {
            wait_for_reclaim(s, id);
            continue;
        }
        if (what == found::absent) {
            auto taken = take_slot();
            if (!taken) {
                return fail(taken.error());
            }
            spare = *taken;
            continue;
        }
        if (spare != nullptr) {
            put_slot(*spare);
        }
        if (wanted_buckets != 0) {
            grow(s, wanted_buckets);
        }
        if (what == found::held) {
            return node_hold(*this, *n);
        }
        return fail(what == found::stale ? ESTALE : what == found::other_type ? EPROTO : ENFILE);
    }
}

void node_table::wait_for_reclaim(shard& s, std::uint64_t id) noexcept {
    reclaim_waiter me;
    me.who = &waiter::current();
    {
        spin_guard g(s.mu);
        node* const n = s.map.find(id);
        if (n == nullptr || n->uses_.load(std::memory_order_relaxed) != 0) {
            return;
        }
        me.on = n;
        s.waiters.push_back(me);
    }
    for (;;) {
        me.who->arm();
        PUFFS_RACE_POINT("node_table wait for reclaim");
        {
            spin_guard g(s.mu);
            if (me.over) {
                break;
            }
        }
        me.who->sleep(sleep_flags::none);
    }
    me.who->disarm();
}

// Gives the map a larger array; what is left over is freed after the lock is given up.
void node_table::grow(shard& s, std::size_t wanted) noexcept {
    node_map::array larger = node_map::allocate(wanted);
    spin_guard g(s.mu);
    s.map.grow(larger);
}

void node_table::reclaim_all() noexcept {
    for (std::size_t c = 0; c < chunks_max_; ++c) {
        chunk* const at = chunks_[c].load(std::memory_order_acquire);
        if (at == nullptr) {
            continue;
        }
        for (node& n : at->nodes) {
            if (n.uses_.load(std::memory_order_acquire) != 0 && &n != &root()) {
                n.uses_.store(0, std::memory_order_relaxed);
                reclaim_(context_, n);
                bury(n);
            }
        }
    }
}

} // namespace puffs
