#include "puffs/kmod/statistics.hh"

namespace puffs::kmod {

const char* name_of_kind(operation_kind k) noexcept {
    if (k == 0) {
        return "other";
    }
    return k < first_vfs_kind ? msg::name_of(static_cast<msg::vn_op>(k))
                              : msg::name_of(static_cast<msg::vfs_op>(k - first_vfs_kind));
}

} // namespace puffs::kmod
