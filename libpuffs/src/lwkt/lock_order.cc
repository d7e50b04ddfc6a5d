#include "lock_order.hh"

#ifdef PUFFS_LOCK_ORDER

#include "puffs/base/assert.hh"
#include "puffs/base/os_mutex.hh"

#include <map>
#include <set>
#include <vector>

namespace puffs::lwkt::detail {
namespace {

constexpr std::size_t waiters_kept = 4096; // that hold nothing now

struct order {
    os_mutex mu;
    // key: held, value: taken meanwhile
    std::map<const mutex*, std::set<const mutex*>> taken_under PUFFS_GUARDED_BY(mu);
    std::map<const waiter*, std::vector<const mutex*>> held PUFFS_GUARDED_BY(mu);

    bool leads(const mutex* from, const mutex* to, std::set<const mutex*>& seen) const
        PUFFS_REQUIRES(mu) {
        if (from == to) {
            return true;
        }
        const auto next = taken_under.find(from);
        if (next == taken_under.end() || !seen.insert(from).second) {
            return false;
        }
        for (const mutex* m : next->second) {
            if (leads(m, to, seen)) {
                return true;
            }
        }
        return false;
    }
};

order& all() {
    static auto* one = new order; // mutexes of static storage may outlive any other end
    return *one;
}

} // namespace

void order_wanted(const mutex& m, const waiter& by) {
    order& o = all();
    const os_guard guard(o.mu);
    const auto mine = o.held.find(&by);
    if (mine == o.held.end()) {
        return;
    }
    for (const mutex* h : mine->second) {
        std::set<const mutex*> seen;
        PUFFS_ASSERT(h == &m || !o.leads(&m, h, seen), "mutexes are locked in two orders");
        o.taken_under[h].insert(&m);
    }
}

void order_taken(const mutex& m, const waiter& by) {
    order& o = all();
    const os_guard guard(o.mu);
    o.held[&by].push_back(&m);
}

void order_given(const mutex& m, const waiter& by) {
    order& o = all();
    const os_guard guard(o.mu);
    auto& mine = o.held[&by];
    std::erase(mine, &m);
    if (mine.empty() && o.held.size() > waiters_kept) { // else its memory serves the next lock
        o.held.erase(&by);
    }
}

void order_forget(const mutex& m) {
    order& o = all();
    const os_guard guard(o.mu);
    o.taken_under.erase(&m);
    for (auto& [held, taken] : o.taken_under) {
        taken.erase(&m);
    }
}

} // namespace puffs::lwkt::detail

#endif
