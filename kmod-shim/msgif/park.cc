#include "puffs/kmod/park.hh"

#include "puffs/base/assert.hh"

namespace puffs::kmod {

void park::setfaf() {
    PUFFS_ASSERT((flags_ & park_call) == 0, "a park that calls back wants a reply");
    flags_ &= ~std::uint32_t{park_wantreply};
}

void park::setdelta(std::size_t delta) {
    PUFFS_ASSERT(delta < maxlen_, "delta leaves nothing to send");
    copylen_ = maxlen_ - delta;
}

void park::setcall(callback fn, void* arg) {
    PUFFS_ASSERT((flags_ & park_wantreply) != 0,
                 "a park that is fired and forgotten has no end to tell");
    flags_ |= park_call;
    call_ = fn;
    call_arg_ = arg;
}

} // namespace puffs::kmod
