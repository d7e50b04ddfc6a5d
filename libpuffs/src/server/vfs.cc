// Operations on the file system: statvfs, sync, unmount.
#include "call.hh"

namespace puffs::handlers {

result<void> vfs(call& c) {
    switch (static_cast<msg::vfs_op>(c.req.head.optype)) {
    case msg::vfs_op::statvfs: {
        fs_stats sb;
        if (c.ops().statvfs != nullptr) {
            const auto said = c.ops().statvfs(c.server(), c.ctx);
            if (!said) {
                return fail(said.error());
            }
            sb = *said;
        }
        c.args().statvfs.sb = sb;
        return {};
    }
    case msg::vfs_op::sync:
        return c.ops().sync != nullptr ? c.ops().sync(c.server(), c.ctx) : result<void>();
    case msg::vfs_op::unmount:
        return {}; // the kernel cannot be refused; the server hears of it from finish()
    case msg::vfs_op::fhtonode:
    case msg::vfs_op::nodetofh:
    case msg::vfs_op::suspend:
        break;
    }
    return fail(EOPNOTSUPP);
}

} // namespace puffs::handlers
