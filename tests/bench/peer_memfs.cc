// peer_memfs - a memory file system on libfuse's low-level API: the peer of examples/memfs.
//
//     peer_memfs [OPTIONS OF libfuse_server.hh] MOUNTPOINT
//
// Written to be quick with what libfuse offers: the kernel keeps names, attributes and pages for as
// long as it likes and opens files by itself (no OPEN, no OPENDIR), directories are read together
// with attributes, reads are answered from the file's memory without a copy of ours.
//
// Limits:     no fallocate, holes to seek, RENAME_EXCHANGE or times of access; no limit of sizes and names but the
//             kernel's. The kernel checks permissions. All is gone after unmount.
#include "memory_fs.hh"

#include <cerrno>
#include <mutex>
#include <span>
#include <sys/statvfs.h>
#include <vector>

namespace puffs::bench {
namespace {

constexpr unsigned background_requests = 64; // as the framework's default on few cores

void init(void*, fuse_conn_info* conn) {
    conn->max_write = max_payload_bytes;
    conn->max_background = background_requests;
    // With files that the kernel opens by itself, only SETATTR tells of O_TRUNC; and nobody else changes files behind
    // the pages that the kernel keeps.
    conn->want &= ~static_cast<unsigned>(FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_AUTO_INVAL_DATA);
    conn->want |= conn->capable & (FUSE_CAP_NO_OPEN_SUPPORT | FUSE_CAP_NO_OPENDIR_SUPPORT |
                                   FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_HANDLE_KILLPRIV);
    // A pipe between the kernel and memory costs more than the copy that it saves.
    conn->want &=
        ~static_cast<unsigned>(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
}

void forget(fuse_req_t req, fuse_ino_t id, std::uint64_t count) {
    if (id != FUSE_ROOT_ID) node_of(req, id).give_back(count);
    fuse_reply_none(req);
}

void forget_multi(fuse_req_t req, std::size_t count, fuse_forget_data* forgets) {
    for (const auto& one : std::span(forgets, count)) {
        if (one.ino != FUSE_ROOT_ID) node_of(req, one.ino).give_back(one.nlookup);
    }
    fuse_reply_none(req);
}

void getattr(fuse_req_t req, fuse_ino_t id, fuse_file_info*) {
    const auto st = node_of(req, id).locked_attributes();
    fuse_reply_attr(req, &st, long_time_s);
}

void setattr(fuse_req_t req, fuse_ino_t id, struct stat* wanted, int which, fuse_file_info*) {
    auto& node = node_of(req, id);
    struct stat st {};
    {
        const std::unique_lock hold(node.lock);
        if ((which & FUSE_SET_ATTR_MODE) != 0) {
            node.st.st_mode = node.type | (wanted->st_mode & 07777);
        }
        if ((which & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID | FUSE_SET_ATTR_SIZE)) != 0 &&
            (which & FUSE_SET_ATTR_MODE) == 0 && node.is_file()) {
            node.clear_set_id();
        }
        if ((which & FUSE_SET_ATTR_UID) != 0) node.st.st_uid = wanted->st_uid;
        if ((which & FUSE_SET_ATTR_GID) != 0) node.st.st_gid = wanted->st_gid;
        if ((which & FUSE_SET_ATTR_SIZE) != 0) {
            node.bytes.truncate(static_cast<std::uint64_t>(wanted->st_size));
            node.changed();
        }
        const auto time = time_of_day();
        if ((which & FUSE_SET_ATTR_ATIME) != 0) {
            node.st.st_atim = (which & FUSE_SET_ATTR_ATIME_NOW) != 0 ? time : wanted->st_atim;
        }
        if ((which & FUSE_SET_ATTR_MTIME) != 0) {
            node.st.st_mtim = (which & FUSE_SET_ATTR_MTIME_NOW) != 0 ? time : wanted->st_mtim;
        }
        node.st.st_ctim = time;
        st = node.attributes();
    }
    fuse_reply_attr(req, &st, long_time_s);
}

// ENOSYS: the kernel opens this and every other file and directory by itself, and keeps their pages.
void open(fuse_req_t req, fuse_ino_t, fuse_file_info*) {
    answer_error(req, ENOSYS);
}

void release(fuse_req_t req, fuse_ino_t, fuse_file_info*) {
    answer_error(req, 0);
}

void read(fuse_req_t req, fuse_ino_t id, std::size_t size, off_t offset, fuse_file_info*) {
    thread_local std::vector<iovec> places;
    places.clear();
    auto& node = node_of(req, id);
    const std::shared_lock hold(node.lock); // the kernel copies from the file's memory
    node.bytes.gather(static_cast<std::uint64_t>(offset), size, places);
    fuse_reply_iov(req, places.data(), static_cast<int>(places.size()));
}

void write(fuse_req_t req, fuse_ino_t id, const char* from, std::size_t size, off_t offset,
           fuse_file_info*) {
    auto& node = node_of(req, id);
    {
        const std::unique_lock hold(node.lock);
        node.bytes.write(from, size, static_cast<std::uint64_t>(offset));
        node.clear_set_id();
        node.changed();
    }
    fuse_reply_write(req, size);
}

void statfs(fuse_req_t req, fuse_ino_t) {
    constexpr fsblkcnt_t some_blocks = fsblkcnt_t{1} << 20;
    struct statvfs st {};
    st.f_bsize = st.f_frsize = 4096;
    st.f_blocks = st.f_bfree = st.f_bavail = some_blocks;
    st.f_files = st.f_ffree = st.f_favail = some_blocks;
    st.f_namemax = 255;
    fuse_reply_statfs(req, &st);
}

fuse_lowlevel_ops operations() {
    fuse_lowlevel_ops ops{};
    ops.init = init;
    ops.forget = forget;
    ops.forget_multi = forget_multi;
    ops.getattr = getattr;
    ops.setattr = setattr;
    ops.open = open;
    ops.release = release;
    ops.opendir = open;
    ops.releasedir = release;
    ops.read = read;
    ops.write = write;
    ops.statfs = statfs;
    add_name_operations(ops);
    add_xattr_operations(ops);
    return ops;
}

} // namespace
} // namespace puffs::bench

int main(int argc, char** argv) {
    using namespace puffs::bench;
    server_options opts;
    CLI::App app("a memory file system on libfuse's low-level API", "peer_memfs");
    declare_server(app, opts);
    parse_or_exit(app, argc, argv);
    memory_fs fs;
    return serve(opts, operations(), &fs, "fsname=peer_memfs,subtype=libfuse,default_permissions");
}
