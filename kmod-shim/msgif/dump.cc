// A listing of the parks of one core, for people (F7).
#include "puffs/msg/request.hh"
#include "shard.hh"

#include <fmt/format.h>
#include <iterator>

namespace puffs::kmod {

const char* shard::state_of(const park& p) noexcept {
    if ((p.flags_ & park_onqueue1) != 0) {
        return "touser";
    }
    if ((p.flags_ & park_onqueue2) != 0) {
        return "replywait";
    }
    if (p.taken_) {
        return "taken";
    }
    if ((p.flags_ & park_done) != 0) {
        return "done";
    }
    return (p.flags_ & park_haserror) != 0 ? "failed" : "new";
}

void shard::dump(std::string& out) const {
    const std::uint64_t now = read_ticks();
    const double us_per_tick = mount_.ns_per_tick() / 1000;
    for (std::size_t slot = 0; slot < slots_; ++slot) {
        const park& p = at(slot);
        if (p.refs_ == 0) {
            continue;
        }
        const std::uint64_t age = p.enqueued_ == 0 ? 0 : elapsed(p.enqueued_, now);
        fmt::format_to(std::back_inserter(out),
                       "core {} slot {} {}{} id {:#x} {} node {:#x} pid {} refs {} age {:.0f} us\n",
                       home_, p.slot_, state_of(p),
                       (p.flags_ & park_waitergone) != 0 ? " (waiter gone)" : "", p.req_.head.id,
                       msg::name_of(p.req_.head), static_cast<std::uint64_t>(p.req_.head.node),
                       p.req_.head.who.pid, p.refs_, static_cast<double>(age) * us_per_tick);
    }
}

} // namespace puffs::kmod
