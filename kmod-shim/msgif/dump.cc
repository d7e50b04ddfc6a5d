// A listing of the parks of one core, for people (F7).
#include "puffs/msg/types.hh"
#include "shard.hh"

#include <fmt/format.h>
#include <iterator>

namespace puffs::kmod {

namespace {

const char* operation_of(const msg::header& h) {
    if ((h.opclass & msg::opclass_mask) == static_cast<std::uint32_t>(msg::opclass::vfs)) {
        return msg::name_of(static_cast<msg::vfs_op>(h.optype));
    }
    return msg::name_of(static_cast<msg::vn_op>(h.optype));
}

} // namespace

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
    const instant now = lwkt::core::current().now();
    for (std::size_t slot = 0; slot < slots_; ++slot) {
        const park& p = at(slot);
        if (p.refs_ == 0) {
            continue;
        }
        const auto age =
            p.enqueued_at_ == instant{} ? std::chrono::nanoseconds(0) : now.since(p.enqueued_at_);
        fmt::format_to(std::back_inserter(out),
                       "core {} slot {} {}{} id {:#x} {} node {:#x} pid {} refs {} age {} us\n",
                       home_, p.slot_, state_of(p),
                       (p.flags_ & park_waitergone) != 0 ? " (waiter gone)" : "", p.req_.head.id,
                       operation_of(p.req_.head), static_cast<std::uint64_t>(p.req_.head.node),
                       p.req_.head.who.pid, p.refs_,
                       std::chrono::duration_cast<std::chrono::microseconds>(age).count());
    }
}

} // namespace puffs::kmod
