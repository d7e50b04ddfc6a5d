#include "puffs/msg/request.hh"

#include <array>
#include <cstddef>

namespace puffs::msg {

namespace {

constexpr std::array<const char*, static_cast<std::size_t>(vn_op::count_)> vn_names = {
    "none",        "lookup",        "create",    "mknod",    "open",       "close",
    "access",      "getattr",       "setattr",   "read",     "write",      "fsync",
    "seek",        "remove",        "link",      "rename",   "mkdir",      "rmdir",
    "symlink",     "readdir",       "readlink",  "reclaim",  "inactive",   "pathconf",
    "advlock",     "poll",          "mmap",      "abortop",  "getextattr", "setextattr",
    "listextattr", "deleteextattr", "fallocate", "fdiscard", "copy_range", "ioctl",
    "tmpfile",
};
static_assert(vn_names.back() != nullptr, "each operation has a name");

constexpr std::array<const char*, static_cast<std::size_t>(vfs_op::suspend) + 1> vfs_names = {
    "none", "unmount", "statvfs", "sync", "fhtonode", "nodetofh", "suspend",
};
static_assert(vfs_names.back() != nullptr, "each operation has a name");

} // namespace

// The numbers may come from a peer: one that is no operation has a name too.
const char* name_of(vn_op op) {
    const auto i = static_cast<std::size_t>(op);
    return i < vn_names.size() && i != 0 ? vn_names[i] : "unknown";
}

const char* name_of(vfs_op op) {
    const auto i = static_cast<std::size_t>(op);
    return i < vfs_names.size() && i != 0 ? vfs_names[i] : "unknown";
}

const char* name_of(const header& h) {
    return (h.opclass & opclass_mask) == static_cast<std::uint32_t>(opclass::vfs)
               ? name_of(static_cast<vfs_op>(h.optype))
               : name_of(static_cast<vn_op>(h.optype));
}

} // namespace puffs::msg
