#include "crossing.hh"

#include "puffs/ipi/domain.hh"
#include "puffs/msgport/port.hh"
#include "puffs/server/usermount.hh"

#include <algorithm>

namespace puffs {

namespace {

// One runs, the next one is there when it ends.
constexpr unsigned guests_max = 2;
constexpr std::uint64_t mean_weight = 8; // the newest counts for an eighth

} // namespace

crossing::crossing(usermount& um, core_id cores, std::chrono::nanoseconds limit)
    : um_(um), limit_(limit) {
    for (core_id c = 0; c < cores; ++c) {
        lanes_.push_back(std::make_unique<lane>(*this, c));
    }
}

bool crossing::hand_on(lane& mine, const lwkt::core& here, msg::delivery& d) {
    if (!is_too_much(mine, here.waiting_work())) {
        return false;
    }
    lane* const other = free_lane(here.id());
    if (other == nullptr) {
        return false;
    }
    mine.began = 0; // how long the handing takes says nothing
    mine.handed_on.store(mine.handed_on.load(std::memory_order_relaxed) + 1,
                         std::memory_order_relaxed);
    other->guests.fetch_add(1, std::memory_order_relaxed);
    msgport::forwardmsg(other->guests_port.port(), d);
    return true;
}

// Between two requests that ran here one behind the other lies the time of the first.
bool crossing::is_too_much(lane& mine, unsigned waiting) const {
    const std::uint64_t now = read_ticks();
    if (mine.limit == 0) {
        const double ticks = static_cast<double>(limit_.count()) / rate_.ns_per_tick();
        mine.limit = std::max<std::uint64_t>(static_cast<std::uint64_t>(ticks), 1);
    }
    if (mine.began != 0) {
        const std::uint64_t took = elapsed(mine.began, now);
        mine.run = mine.run == 0 ? took : (mine.run * (mean_weight - 1) + took) / mean_weight;
    }
    mine.began = now;
    return mine.run * waiting > mine.limit;
}

crossing::lane* crossing::free_lane(core_id here) const noexcept {
    const ipi::domain& cores = ipi::cpu::current().owner_domain();
    for (std::size_t i = 1; i < lanes_.size(); ++i) {
        const auto at = static_cast<core_id>((here + i) % lanes_.size());
        const unsigned guests = lanes_[at]->guests.load(std::memory_order_relaxed);
        if (guests == 0 ? cores.at(at).is_asleep() : guests < guests_max) {
            return lanes_[at].get();
        }
    }
    return nullptr;
}

void crossing::run_guest(void* all, msgport::msg& m) {
    auto& self = *static_cast<crossing*>(all);
    auto& d = static_cast<msg::delivery&>(m);
    d.result.u64 = self.um_.execute(*d.req, d.data);
    self.lanes_[ipi::cpu::current().id()]->guests.fetch_sub(1, std::memory_order_relaxed);
    msgport::replymsg(d, d.req->head.rv);
}

} // namespace puffs
