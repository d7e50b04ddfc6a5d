// The declarations of fuse/wire*.hh against Debian's <linux/fuse.h>, for all that its protocol 7.38 knows. What came
// later is held by the assertions in the headers themselves.
#include "fuse/wire.hh"

#include "fuse/op_table.hh"
#include "fuse/wire_dev.hh"
#include "fuse/wire_file.hh"
#include "fuse/wire_init.hh"
#include "fuse/wire_node.hh"
#include "fuse/wire_notify.hh"

#include <gtest/gtest.h>
#include <linux/fuse.h>
#include <sys/ioctl.h>

namespace puffs::fuse::wire {
namespace {

#define SAME_SIZE(ours, theirs) static_assert(sizeof(ours) == sizeof(struct theirs))
#define SAME_PLACE(ours, theirs, field)                                                            \
    static_assert(offsetof(ours, field) == offsetof(struct theirs, field) &&                       \
                  sizeof(ours::field) == sizeof(theirs::field))

SAME_SIZE(in_header, fuse_in_header);
SAME_PLACE(in_header, fuse_in_header, len);
SAME_PLACE(in_header, fuse_in_header, opcode);
SAME_PLACE(in_header, fuse_in_header, unique);
SAME_PLACE(in_header, fuse_in_header, nodeid);
SAME_PLACE(in_header, fuse_in_header, uid);
SAME_PLACE(in_header, fuse_in_header, gid);
SAME_PLACE(in_header, fuse_in_header, pid);
SAME_PLACE(in_header, fuse_in_header, total_extlen);
SAME_SIZE(out_header, fuse_out_header);
SAME_PLACE(out_header, fuse_out_header, len);
SAME_PLACE(out_header, fuse_out_header, error);
SAME_PLACE(out_header, fuse_out_header, unique);
SAME_SIZE(wire::attr, fuse_attr);
SAME_PLACE(wire::attr, fuse_attr, ino);
SAME_PLACE(wire::attr, fuse_attr, size);
SAME_PLACE(wire::attr, fuse_attr, blocks);
SAME_PLACE(wire::attr, fuse_attr, atime);
SAME_PLACE(wire::attr, fuse_attr, mtime);
SAME_PLACE(wire::attr, fuse_attr, ctime);
SAME_PLACE(wire::attr, fuse_attr, atimensec);
SAME_PLACE(wire::attr, fuse_attr, mtimensec);
SAME_PLACE(wire::attr, fuse_attr, ctimensec);
SAME_PLACE(wire::attr, fuse_attr, mode);
SAME_PLACE(wire::attr, fuse_attr, nlink);
SAME_PLACE(wire::attr, fuse_attr, uid);
SAME_PLACE(wire::attr, fuse_attr, gid);
SAME_PLACE(wire::attr, fuse_attr, rdev);
SAME_PLACE(wire::attr, fuse_attr, blksize);
SAME_PLACE(wire::attr, fuse_attr, flags);
SAME_SIZE(entry_out, fuse_entry_out);
SAME_PLACE(entry_out, fuse_entry_out, nodeid);
SAME_PLACE(entry_out, fuse_entry_out, generation);
SAME_PLACE(entry_out, fuse_entry_out, entry_valid);
SAME_PLACE(entry_out, fuse_entry_out, attr_valid);
SAME_PLACE(entry_out, fuse_entry_out, entry_valid_nsec);
SAME_PLACE(entry_out, fuse_entry_out, attr_valid_nsec);
SAME_PLACE(entry_out, fuse_entry_out, attr);
SAME_SIZE(attr_out, fuse_attr_out);
SAME_PLACE(attr_out, fuse_attr_out, attr_valid_nsec);
SAME_PLACE(attr_out, fuse_attr_out, attr);
SAME_SIZE(kstatfs, fuse_kstatfs);
SAME_PLACE(kstatfs, fuse_kstatfs, blocks);
SAME_PLACE(kstatfs, fuse_kstatfs, bfree);
SAME_PLACE(kstatfs, fuse_kstatfs, bavail);
SAME_PLACE(kstatfs, fuse_kstatfs, files);
SAME_PLACE(kstatfs, fuse_kstatfs, ffree);
SAME_PLACE(kstatfs, fuse_kstatfs, bsize);
SAME_PLACE(kstatfs, fuse_kstatfs, namelen);
SAME_PLACE(kstatfs, fuse_kstatfs, frsize);
SAME_SIZE(file_lock, fuse_file_lock);
SAME_SIZE(wire::dirent, fuse_dirent);
SAME_PLACE(wire::dirent, fuse_dirent, ino);
SAME_PLACE(wire::dirent, fuse_dirent, off);
SAME_PLACE(wire::dirent, fuse_dirent, namelen);
SAME_PLACE(wire::dirent, fuse_dirent, type);
static_assert(sizeof(wire::dirent) == FUSE_NAME_OFFSET);
SAME_SIZE(direntplus, fuse_direntplus);
static_assert(sizeof(direntplus) == FUSE_NAME_OFFSET_DIRENTPLUS);
static_assert(record_align(1) == FUSE_REC_ALIGN(1) && record_align(8) == FUSE_REC_ALIGN(8));
SAME_SIZE(ext_header, fuse_ext_header);
SAME_SIZE(secctx, fuse_secctx);
static_assert(ext_secctx_last == FUSE_MAX_NR_SECCTX);

SAME_SIZE(forget_in, fuse_forget_in);
SAME_SIZE(forget_one, fuse_forget_one);
SAME_PLACE(forget_one, fuse_forget_one, nlookup);
SAME_SIZE(batch_forget_in, fuse_batch_forget_in);
SAME_SIZE(getattr_in, fuse_getattr_in);
SAME_PLACE(getattr_in, fuse_getattr_in, fh);
SAME_SIZE(setattr_in, fuse_setattr_in);
SAME_PLACE(setattr_in, fuse_setattr_in, fh);
SAME_PLACE(setattr_in, fuse_setattr_in, size);
SAME_PLACE(setattr_in, fuse_setattr_in, lock_owner);
SAME_PLACE(setattr_in, fuse_setattr_in, atime);
SAME_PLACE(setattr_in, fuse_setattr_in, mtime);
SAME_PLACE(setattr_in, fuse_setattr_in, ctime);
SAME_PLACE(setattr_in, fuse_setattr_in, atimensec);
SAME_PLACE(setattr_in, fuse_setattr_in, mtimensec);
SAME_PLACE(setattr_in, fuse_setattr_in, ctimensec);
SAME_PLACE(setattr_in, fuse_setattr_in, mode);
SAME_PLACE(setattr_in, fuse_setattr_in, uid);
SAME_PLACE(setattr_in, fuse_setattr_in, gid);
SAME_SIZE(mknod_in, fuse_mknod_in);
SAME_PLACE(mknod_in, fuse_mknod_in, rdev);
SAME_PLACE(mknod_in, fuse_mknod_in, umask);
SAME_SIZE(mkdir_in, fuse_mkdir_in);
SAME_SIZE(rename_in, fuse_rename_in);
SAME_SIZE(rename2_in, fuse_rename2_in);
SAME_PLACE(rename2_in, fuse_rename2_in, flags);
SAME_SIZE(link_in, fuse_link_in);
SAME_SIZE(statfs_out, fuse_statfs_out);
SAME_SIZE(setxattr_in, fuse_setxattr_in);
static_assert(setxattr_compat_bytes == FUSE_COMPAT_SETXATTR_IN_SIZE);
SAME_SIZE(getxattr_in, fuse_getxattr_in);
SAME_SIZE(getxattr_out, fuse_getxattr_out);
SAME_SIZE(access_in, fuse_access_in);
SAME_SIZE(interrupt_in, fuse_interrupt_in);

SAME_SIZE(open_in, fuse_open_in);
SAME_PLACE(open_in, fuse_open_in, open_flags);
SAME_SIZE(create_in, fuse_create_in);
SAME_PLACE(create_in, fuse_create_in, mode);
SAME_PLACE(create_in, fuse_create_in, umask);
SAME_PLACE(create_in, fuse_create_in, open_flags);
SAME_SIZE(open_out, fuse_open_out);
SAME_PLACE(open_out, fuse_open_out, open_flags);
SAME_SIZE(release_in, fuse_release_in);
SAME_PLACE(release_in, fuse_release_in, release_flags);
SAME_PLACE(release_in, fuse_release_in, lock_owner);
SAME_SIZE(flush_in, fuse_flush_in);
SAME_PLACE(flush_in, fuse_flush_in, lock_owner);
SAME_SIZE(read_in, fuse_read_in);
SAME_PLACE(read_in, fuse_read_in, offset);
SAME_PLACE(read_in, fuse_read_in, size);
SAME_PLACE(read_in, fuse_read_in, flags);
SAME_SIZE(write_in, fuse_write_in);
SAME_PLACE(write_in, fuse_write_in, offset);
SAME_PLACE(write_in, fuse_write_in, size);
SAME_PLACE(write_in, fuse_write_in, write_flags);
SAME_SIZE(write_out, fuse_write_out);
SAME_SIZE(fsync_in, fuse_fsync_in);
SAME_PLACE(fsync_in, fuse_fsync_in, fsync_flags);
SAME_SIZE(lk_in, fuse_lk_in);
SAME_PLACE(lk_in, fuse_lk_in, lk);
SAME_PLACE(lk_in, fuse_lk_in, lk_flags);
SAME_SIZE(lk_out, fuse_lk_out);
SAME_SIZE(bmap_in, fuse_bmap_in);
SAME_SIZE(bmap_out, fuse_bmap_out);
SAME_SIZE(ioctl_in, fuse_ioctl_in);
SAME_PLACE(ioctl_in, fuse_ioctl_in, in_size);
SAME_SIZE(ioctl_iovec, fuse_ioctl_iovec);
SAME_SIZE(ioctl_out, fuse_ioctl_out);
SAME_SIZE(poll_in, fuse_poll_in);
SAME_PLACE(poll_in, fuse_poll_in, events);
SAME_SIZE(poll_out, fuse_poll_out);
SAME_SIZE(fallocate_in, fuse_fallocate_in);
SAME_PLACE(fallocate_in, fuse_fallocate_in, mode);
SAME_SIZE(lseek_in, fuse_lseek_in);
SAME_PLACE(lseek_in, fuse_lseek_in, whence);
SAME_SIZE(lseek_out, fuse_lseek_out);
SAME_SIZE(copy_file_range_in, fuse_copy_file_range_in);
SAME_SIZE(setupmapping_in, fuse_setupmapping_in);
SAME_SIZE(removemapping_in, fuse_removemapping_in);
SAME_SIZE(removemapping_one, fuse_removemapping_one);
SAME_SIZE(syncfs_in, fuse_syncfs_in);

SAME_SIZE(init_in, fuse_init_in);
SAME_PLACE(init_in, fuse_init_in, flags2);
SAME_SIZE(init_out, fuse_init_out);
SAME_PLACE(init_out, fuse_init_out, max_background);
SAME_PLACE(init_out, fuse_init_out, congestion_threshold);
SAME_PLACE(init_out, fuse_init_out, max_write);
SAME_PLACE(init_out, fuse_init_out, time_gran);
SAME_PLACE(init_out, fuse_init_out, max_pages);
SAME_PLACE(init_out, fuse_init_out, flags2);

SAME_SIZE(notify_poll_wakeup_out, fuse_notify_poll_wakeup_out);
SAME_SIZE(notify_inval_inode_out, fuse_notify_inval_inode_out);
SAME_PLACE(notify_inval_inode_out, fuse_notify_inval_inode_out, len);
SAME_SIZE(notify_inval_entry_out, fuse_notify_inval_entry_out);
SAME_PLACE(notify_inval_entry_out, fuse_notify_inval_entry_out, flags);
SAME_SIZE(notify_delete_out, fuse_notify_delete_out);
SAME_SIZE(notify_store_out, fuse_notify_store_out);
SAME_SIZE(notify_retrieve_out, fuse_notify_retrieve_out);
SAME_SIZE(notify_retrieve_in, fuse_notify_retrieve_in);
SAME_PLACE(notify_retrieve_in, fuse_notify_retrieve_in, size);

static_assert(dev_ioc_clone == FUSE_DEV_IOC_CLONE);
static_assert(root_id == FUSE_ROOT_ID && version_major == FUSE_KERNEL_VERSION);
static_assert(min_read_buffer_bytes == FUSE_MIN_READ_BUFFER);
static_assert(expire_only == FUSE_EXPIRE_ONLY && ioctl_max_iov == FUSE_IOCTL_MAX_IOV);

struct numbered {
    std::uint64_t ours;
    std::uint64_t theirs;
    const char* name;
};
#define OPCODE(ours, theirs)                                                                       \
    numbered {                                                                                     \
        static_cast<std::uint64_t>(opcode::ours), theirs, #ours                                    \
    }
#define NOTIFY(ours, theirs)                                                                       \
    numbered {                                                                                     \
        static_cast<std::uint64_t>(notify_code::ours), theirs, #ours                               \
    }
#define FLAG(ours, theirs)                                                                         \
    numbered {                                                                                     \
        ours, static_cast<std::uint64_t>(theirs), #theirs                                          \
    }
#define INIT(ours, theirs)                                                                         \
    numbered {                                                                                     \
        init_flag::ours, static_cast<std::uint64_t>(theirs), #theirs                               \
    }

TEST(wire, opcodes_have_the_kernels_numbers) {
    const numbered all[] = {
        OPCODE(lookup, FUSE_LOOKUP),
        OPCODE(forget, FUSE_FORGET),
        OPCODE(getattr, FUSE_GETATTR),
        OPCODE(setattr, FUSE_SETATTR),
        OPCODE(readlink, FUSE_READLINK),
        OPCODE(symlink, FUSE_SYMLINK),
        OPCODE(mknod, FUSE_MKNOD),
        OPCODE(mkdir, FUSE_MKDIR),
        OPCODE(unlink, FUSE_UNLINK),
        OPCODE(rmdir, FUSE_RMDIR),
        OPCODE(rename, FUSE_RENAME),
        OPCODE(link, FUSE_LINK),
        OPCODE(open, FUSE_OPEN),
        OPCODE(read, FUSE_READ),
        OPCODE(write, FUSE_WRITE),
        OPCODE(statfs, FUSE_STATFS),
        OPCODE(release, FUSE_RELEASE),
        OPCODE(fsync, FUSE_FSYNC),
        OPCODE(setxattr, FUSE_SETXATTR),
        OPCODE(getxattr, FUSE_GETXATTR),
        OPCODE(listxattr, FUSE_LISTXATTR),
        OPCODE(removexattr, FUSE_REMOVEXATTR),
        OPCODE(flush, FUSE_FLUSH),
        OPCODE(init, FUSE_INIT),
        OPCODE(opendir, FUSE_OPENDIR),
        OPCODE(readdir, FUSE_READDIR),
        OPCODE(releasedir, FUSE_RELEASEDIR),
        OPCODE(fsyncdir, FUSE_FSYNCDIR),
        OPCODE(getlk, FUSE_GETLK),
        OPCODE(setlk, FUSE_SETLK),
        OPCODE(setlkw, FUSE_SETLKW),
        OPCODE(access, FUSE_ACCESS),
        OPCODE(create, FUSE_CREATE),
        OPCODE(interrupt, FUSE_INTERRUPT),
        OPCODE(bmap, FUSE_BMAP),
        OPCODE(destroy, FUSE_DESTROY),
        OPCODE(ioctl, FUSE_IOCTL),
        OPCODE(poll, FUSE_POLL),
        OPCODE(notify_reply, FUSE_NOTIFY_REPLY),
        OPCODE(batch_forget, FUSE_BATCH_FORGET),
        OPCODE(fallocate, FUSE_FALLOCATE),
        OPCODE(readdirplus, FUSE_READDIRPLUS),
        OPCODE(rename2, FUSE_RENAME2),
        OPCODE(lseek, FUSE_LSEEK),
        OPCODE(copy_file_range, FUSE_COPY_FILE_RANGE),
        OPCODE(setupmapping, FUSE_SETUPMAPPING),
        OPCODE(removemapping, FUSE_REMOVEMAPPING),
        OPCODE(syncfs, FUSE_SYNCFS),
        OPCODE(tmpfile, FUSE_TMPFILE),
    };
    for (const numbered& n : all) {
        EXPECT_EQ(n.ours, n.theirs) << n.name;
        const op_row& row = row_of(static_cast<std::uint32_t>(n.theirs));
        EXPECT_EQ(row.name, n.name);
        EXPECT_EQ(static_cast<std::uint64_t>(row.op), n.theirs) << n.name;
    }
    EXPECT_EQ(op_rows().size(),
              std::size(all) + 2); // and statx, copy_file_range_64 of later minors
}

TEST(wire, init_flags_have_the_kernels_bits) {
    const numbered all[] = {
        INIT(async_read, FUSE_ASYNC_READ),
        INIT(posix_locks, FUSE_POSIX_LOCKS),
        INIT(file_ops, FUSE_FILE_OPS),
        INIT(atomic_o_trunc, FUSE_ATOMIC_O_TRUNC),
        INIT(export_support, FUSE_EXPORT_SUPPORT),
        INIT(big_writes, FUSE_BIG_WRITES),
        INIT(dont_mask, FUSE_DONT_MASK),
        INIT(splice_write, FUSE_SPLICE_WRITE),
        INIT(splice_move, FUSE_SPLICE_MOVE),
        INIT(splice_read, FUSE_SPLICE_READ),
        INIT(flock_locks, FUSE_FLOCK_LOCKS),
        INIT(has_ioctl_dir, FUSE_HAS_IOCTL_DIR),
        INIT(auto_inval_data, FUSE_AUTO_INVAL_DATA),
        INIT(do_readdirplus, FUSE_DO_READDIRPLUS),
        INIT(readdirplus_auto, FUSE_READDIRPLUS_AUTO),
        INIT(async_dio, FUSE_ASYNC_DIO),
        INIT(writeback_cache, FUSE_WRITEBACK_CACHE),
        INIT(no_open_support, FUSE_NO_OPEN_SUPPORT),
        INIT(parallel_dirops, FUSE_PARALLEL_DIROPS),
        INIT(handle_killpriv, FUSE_HANDLE_KILLPRIV),
        INIT(posix_acl, FUSE_POSIX_ACL),
        INIT(abort_error, FUSE_ABORT_ERROR),
        INIT(max_pages, FUSE_MAX_PAGES),
        INIT(cache_symlinks, FUSE_CACHE_SYMLINKS),
        INIT(no_opendir_support, FUSE_NO_OPENDIR_SUPPORT),
        INIT(explicit_inval_data, FUSE_EXPLICIT_INVAL_DATA),
        INIT(map_alignment, FUSE_MAP_ALIGNMENT),
        INIT(submounts, FUSE_SUBMOUNTS),
        INIT(handle_killpriv_v2, FUSE_HANDLE_KILLPRIV_V2),
        INIT(setxattr_ext, FUSE_SETXATTR_EXT),
        INIT(init_ext, FUSE_INIT_EXT),
        INIT(security_ctx, FUSE_SECURITY_CTX),
        INIT(has_inode_dax, FUSE_HAS_INODE_DAX),
        INIT(has_expire_only, FUSE_HAS_EXPIRE_ONLY),
    };
    for (const numbered& n : all) {
        EXPECT_EQ(n.ours, n.theirs) << n.name;
    }
}

TEST(wire, other_flags_and_codes_have_the_kernels_numbers) {
    const numbered all[] = {
        FLAG(fattr::mode, FATTR_MODE),
        FLAG(fattr::uid, FATTR_UID),
        FLAG(fattr::gid, FATTR_GID),
        FLAG(fattr::size, FATTR_SIZE),
        FLAG(fattr::atime, FATTR_ATIME),
        FLAG(fattr::mtime, FATTR_MTIME),
        FLAG(fattr::fh, FATTR_FH),
        FLAG(fattr::atime_now, FATTR_ATIME_NOW),
        FLAG(fattr::mtime_now, FATTR_MTIME_NOW),
        FLAG(fattr::lockowner, FATTR_LOCKOWNER),
        FLAG(fattr::ctime, FATTR_CTIME),
        FLAG(fattr::kill_suidgid, FATTR_KILL_SUIDGID),
        FLAG(fopen::direct_io, FOPEN_DIRECT_IO),
        FLAG(fopen::keep_cache, FOPEN_KEEP_CACHE),
        FLAG(fopen::nonseekable, FOPEN_NONSEEKABLE),
        FLAG(fopen::cache_dir, FOPEN_CACHE_DIR),
        FLAG(fopen::stream, FOPEN_STREAM),
        FLAG(fopen::noflush, FOPEN_NOFLUSH),
        FLAG(fopen::parallel_direct_writes, FOPEN_PARALLEL_DIRECT_WRITES),
        FLAG(attr_flag::submount, FUSE_ATTR_SUBMOUNT),
        FLAG(attr_flag::dax, FUSE_ATTR_DAX),
        FLAG(getattr_flag::fh, FUSE_GETATTR_FH),
        FLAG(open_flag::kill_suidgid, FUSE_OPEN_KILL_SUIDGID),
        FLAG(release_flag::flush, FUSE_RELEASE_FLUSH),
        FLAG(release_flag::flock_unlock, FUSE_RELEASE_FLOCK_UNLOCK),
        FLAG(read_flag::lockowner, FUSE_READ_LOCKOWNER),
        FLAG(write_flag::cache, FUSE_WRITE_CACHE),
        FLAG(write_flag::lockowner, FUSE_WRITE_LOCKOWNER),
        FLAG(write_flag::kill_suidgid, FUSE_WRITE_KILL_SUIDGID),
        FLAG(fsync_flag::fdatasync, FUSE_FSYNC_FDATASYNC),
        FLAG(setxattr_flag::acl_kill_sgid, FUSE_SETXATTR_ACL_KILL_SGID),
        FLAG(lk_flag::flock, FUSE_LK_FLOCK),
        FLAG(ioctl_flag::compat, FUSE_IOCTL_COMPAT),
        FLAG(ioctl_flag::unrestricted, FUSE_IOCTL_UNRESTRICTED),
        FLAG(ioctl_flag::retry, FUSE_IOCTL_RETRY),
        FLAG(ioctl_flag::is_32bit, FUSE_IOCTL_32BIT),
        FLAG(ioctl_flag::dir, FUSE_IOCTL_DIR),
        FLAG(ioctl_flag::compat_x32, FUSE_IOCTL_COMPAT_X32),
        FLAG(poll_flag::schedule_notify, FUSE_POLL_SCHEDULE_NOTIFY),
        FLAG(setupmapping_flag::write, FUSE_SETUPMAPPING_FLAG_WRITE),
        FLAG(setupmapping_flag::read, FUSE_SETUPMAPPING_FLAG_READ),
        NOTIFY(poll, FUSE_NOTIFY_POLL),
        NOTIFY(inval_inode, FUSE_NOTIFY_INVAL_INODE),
        NOTIFY(inval_entry, FUSE_NOTIFY_INVAL_ENTRY),
        NOTIFY(store, FUSE_NOTIFY_STORE),
        NOTIFY(retrieve, FUSE_NOTIFY_RETRIEVE),
        NOTIFY(remove, FUSE_NOTIFY_DELETE),
    };
    for (const numbered& n : all) {
        EXPECT_EQ(n.ours, n.theirs) << n.name;
    }
}

} // namespace
} // namespace puffs::fuse::wire
