#include "puffs/kmod/park.hh"

#include "puffs/base/assert.hh"

#include <algorithm>

namespace puffs::kmod {

void park::set_runs(std::span<const std::byte> in, std::span<std::byte> out) noexcept {
    delivery_.data = {in, out};
    maxlen_ = sizeof(msg::request) + std::max(in.size(), out.size());
    copylen_ = sizeof(msg::request) + in.size();
}

void park::setfaf() {
    PUFFS_ASSERT((flags_ & park_call) == 0, "a park that calls back wants a reply");
    flags_ &= ~std::uint32_t{park_wantreply};
}

void park::setdelta(std::size_t delta) {
    PUFFS_ASSERT(delta < maxlen_, "delta leaves nothing to send");
    copylen_ = maxlen_ - delta;
}

void park::setinfo(msg::opclass c, std::uint32_t type, msg::cookie node) noexcept {
    req_.head.opclass = static_cast<std::uint32_t>(c) & msg::opclass_mask;
    req_.head.optype = type;
    req_.head.node = node;
}

void park::setcall(callback fn, void* arg) {
    PUFFS_ASSERT((flags_ & park_wantreply) != 0,
                 "a park that is fired and forgotten has no end to tell");
    flags_ |= park_call;
    call_ = fn;
    call_arg_ = arg;
}

} // namespace puffs::kmod
