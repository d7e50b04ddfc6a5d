#include "homes.hh"

#include "puffs/base/race_point.hh"
#include "puffs/ipi/domain.hh"
#include "puffs/ipi/send.hh"
#include "puffs/lwkt/thread.hh"
#include "puffs/server/usermount.hh"

#include <utility>

namespace puffs {

// Asks the home of a node for its pin; on the stack of the thread that waits.
struct pin_request : msgport::msg {
    puffs::node* wanted = nullptr; // the message's hook has the name node
    bool only_if_free = false;
    pin_request* next = nullptr; // of those who wait for the node, a ring
};

namespace {

// In a delivery's user flags: the node of the lower home is pinned and held for it.
constexpr std::uint32_t first_is_pinned = msgport::msg_user0;

// The nodes that a request names; the second is none for most.
struct named_nodes {
    msg::cookie first = msg::cookie::none, second = msg::cookie::none;
};

named_nodes nodes_of(const msg::request& r) {
    if (static_cast<msg::opclass>(r.head.opclass & msg::opclass_mask) != msg::opclass::vn) {
        return {};
    }
    const auto op = static_cast<msg::vn_op>(r.head.optype);
    if (op == msg::vn_op::link) {
        return {r.head.node, r.args.link.target};
    }
    if (op == msg::vn_op::rename) {
        return {r.head.node, r.args.rename.target_dir};
    }
    return {r.head.node, msg::cookie::none};
}

core_id here() {
    return ipi::cpu::current().id();
}

} // namespace

homes::lane::lane(homes& h, core_id c)
    : requests("home requests", c, handle_request, &h),
      errands("home errands", c, handle_errand, &h), pins_port("home pins", c, pin_arrives, this) {}

homes::homes(usermount& um, node_table& nodes, core_id cores) : um_(um), nodes_(nodes) {
    for (core_id c = 0; c < cores; ++c) {
        lanes_.push_back(std::make_unique<lane>(*this, c));
    }
}

homes::~homes() = default;

core_id homes::of(msg::cookie c) const noexcept {
    if (c == msg::cookie::root) {
        return 0;
    }
    // The upper half of the hash, scaled to the number of cores.
    return static_cast<core_id>((hash_of(msg::slot_of(c)) >> 32) * lanes_.size() >> 32);
}

// ---- requests

int homes::take(msg::delivery& d) {
    auto [low, high] = nodes_of(*d.req);
    if (low == msg::cookie::none) { // of no node: where it was asked
        d.result.u64 = um_.execute(*d.req, d.data);
        return d.req->head.rv;
    }
    if (high == msg::cookie::none) {
        high = low;
    } else if (of(high) < of(low)) {
        std::swap(low, high);
    }
    const bool arrived = (d.flags() & first_is_pinned) != 0;
    const core_id to = of(arrived ? high : low);
    if (to != here()) {
        msgport::forwardmsg(lanes_[to]->requests.port(), d);
        return msgport::easync;
    }
    if (of(high) == to && !arrived) {
        d.result.u64 = um_.execute(*d.req, d.data);
        return d.req->head.rv;
    }
    if (arrived) {
        d.clear_user_flags(first_is_pinned);
        const node_hold first = nodes_.take_over(low);
        d.result.u64 = um_.execute(*d.req, d.data, first.get());
        return d.req->head.rv;
    }
    auto first = nodes_.hold(low);
    if (!first) {
        d.result.u64 = 0;
        d.req->head.rv = first.error().number();
        return d.req->head.rv;
    }
    pin(**first);
    d.set_user_flags(first_is_pinned);
    first->leave();
    msgport::forwardmsg(lanes_[of(high)]->requests.port(), d);
    return msgport::easync;
}

void homes::handle_request(void* all, msgport::msg& m) {
    const int rv = static_cast<homes*>(all)->take(static_cast<msg::delivery&>(m));
    if (rv != msgport::easync) {
        msgport::replymsg(m, rv);
    }
}

void homes::handle_errand(void* /*all*/, msgport::msg& m) {
    auto& e = static_cast<errand&>(m);
    e.function(e.arg);
    msgport::replymsg(m, 0);
}

void homes::run_there(core_id there, void (*function)(void*), void* arg) {
    errand e;
    e.init(lwkt::thread::current().port());
    e.function = function;
    e.arg = arg;
    msgport::domsg(lanes_[there]->errands.port(), e);
}

// ---- pins

void homes::pin(node& n) noexcept {
    if (of(n) == here()) {
        const ipi::crit_section crit;
        if (!n.pinned_) {
            n.pinned_ = true;
            return;
        }
    }
    static_cast<void>(ask_for(n, false));
}

bool homes::try_pin(node& n) noexcept {
    if (of(n) == here()) {
        const ipi::crit_section crit;
        return !std::exchange(n.pinned_, true);
    }
    return ask_for(n, true) == 0;
}

int homes::ask_for(node& n, bool only_if_free) noexcept {
    pin_request r;
    r.init(lwkt::thread::current().port());
    r.wanted = &n;
    r.only_if_free = only_if_free;
    return msgport::domsg(lanes_[of(n)]->pins_port, r);
}

void homes::pin_arrives(msgport::core_port& self, msgport::msg& m) {
    auto& l = *static_cast<lane*>(self.context());
    auto& r = static_cast<pin_request&>(m);
    node& n = *r.wanted;
    if (!std::exchange(n.pinned_, true)) {
        msgport::replymsg(r, 0);
        return;
    }
    if (r.only_if_free) {
        msgport::replymsg(r, EBUSY);
        return;
    }
    pin_request* const last = std::exchange(n.pin_waiters_, &r);
    r.next = last == nullptr ? &r : std::exchange(last->next, &r);
    l.pins_waited_for.store(l.pins_waited_for.load(std::memory_order_relaxed) + 1,
                            std::memory_order_seq_cst);
}

void homes::unpin(node& n) noexcept {
    const core_id home = of(n);
    const ipi::crit_section crit;
    if (home == here()) {
        give_on(*lanes_[home], n);
        return;
    }
    ipi::send_passive(home, unpin_arrives, &n, reinterpret_cast<std::intptr_t>(lanes_[home].get()));
    PUFFS_RACE_POINT("homes: pin sent back");
    if (lanes_[home]->pins_waited_for.load(std::memory_order_seq_cst) != 0) {
        ipi::cpu::current().owner_domain().at(home).kick();
    }
}

// The node may have died meanwhile, and its slot have become another one: the pin is the slot's.
void homes::unpin_arrives(void* n, std::intptr_t lane_address) {
    give_on(*reinterpret_cast<lane*>(lane_address), *static_cast<node*>(n));
}

// To whoever waits longest: the pin stays taken.
void homes::give_on(lane& l, node& n) noexcept {
    PUFFS_ASSERT(n.pinned_, "a pin is given back that nobody has");
    pin_request* const last = n.pin_waiters_;
    if (last == nullptr) {
        n.pinned_ = false;
        return;
    }
    pin_request* const oldest = last->next;
    if (oldest == last) {
        n.pin_waiters_ = nullptr;
    } else {
        last->next = oldest->next;
    }
    l.pins_waited_for.store(l.pins_waited_for.load(std::memory_order_relaxed) - 1,
                            std::memory_order_relaxed);
    msgport::replymsg(*oldest, 0);
}

} // namespace puffs
