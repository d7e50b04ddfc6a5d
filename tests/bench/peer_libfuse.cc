// peer_libfuse - the null file system of floor_proto.hh on libfuse's low-level API: the peer.
//
//     peer_libfuse [OPTIONS OF libfuse_server.hh] [--file-bytes N] MOUNTPOINT
#include "libfuse_server.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <utility>
#include <vector>

namespace puffs::bench {
namespace {

constexpr fuse_ino_t file_node = 2;
constexpr const char* file_name = "file";
constexpr double no_timeout = 0;

// The state of the file system, libfuse's userdata. Constant while it is mounted.
struct null_fs {
    std::uint64_t file_bytes = std::uint64_t{64} << 20;
    std::vector<char> zeros = std::vector<char>(max_payload_bytes);
};

const null_fs& fs_of(fuse_req_t req) {
    return *static_cast<const null_fs*>(fuse_req_userdata(req));
}

struct stat attributes(const null_fs& fs, fuse_ino_t node) {
    struct stat st {};
    const bool is_root = node == FUSE_ROOT_ID;
    st.st_ino = node;
    st.st_mode = is_root ? S_IFDIR | 0755 : S_IFREG | 0666;
    st.st_nlink = is_root ? 2 : 1;
    st.st_size = is_root ? 0 : static_cast<off_t>(fs.file_bytes);
    st.st_blocks = st.st_size / 512;
    st.st_blksize = 4096;
    return st;
}

void init(void*, fuse_conn_info* conn) {
    conn->max_write = max_payload_bytes;
}

void lookup(fuse_req_t req, fuse_ino_t parent, const char* name) {
    if (parent != FUSE_ROOT_ID || std::strcmp(name, file_name) != 0) {
        fuse_reply_err(req, ENOENT);
        return;
    }
    fuse_entry_param entry{};
    entry.ino = file_node;
    entry.attr = attributes(fs_of(req), file_node);
    entry.attr_timeout = no_timeout;
    entry.entry_timeout = no_timeout;
    fuse_reply_entry(req, &entry);
}

void getattr(fuse_req_t req, fuse_ino_t node, fuse_file_info*) {
    const auto st = attributes(fs_of(req), node);
    fuse_reply_attr(req, &st, no_timeout);
}

void setattr(fuse_req_t req, fuse_ino_t node, struct stat*, int, fuse_file_info* file) {
    getattr(req, node, file);
}

void open(fuse_req_t req, fuse_ino_t, fuse_file_info* file) {
    fuse_reply_open(req, file);
}

void release(fuse_req_t req, fuse_ino_t, fuse_file_info*) {
    fuse_reply_err(req, 0);
}

void read(fuse_req_t req, fuse_ino_t, size_t size, off_t offset, fuse_file_info*) {
    const auto& fs = fs_of(req);
    const auto at = static_cast<std::uint64_t>(offset);
    const std::uint64_t left = at < fs.file_bytes ? fs.file_bytes - at : 0;
    fuse_reply_buf(req, fs.zeros.data(), std::min<std::uint64_t>({left, size, fs.zeros.size()}));
}

void write(fuse_req_t req, fuse_ino_t, const char*, size_t size, off_t, fuse_file_info*) {
    fuse_reply_write(req, size);
}

void readdir(fuse_req_t req, fuse_ino_t, size_t size, off_t offset, fuse_file_info*) {
    const std::array<std::pair<const char*, fuse_ino_t>, 3> entries{
        {{".", FUSE_ROOT_ID}, {"..", FUSE_ROOT_ID}, {file_name, file_node}}};
    std::array<char, 256> out;
    std::size_t used = 0;
    const std::size_t room = std::min(size, out.size());
    for (auto i = static_cast<std::size_t>(offset); i < entries.size(); ++i) {
        const auto st = attributes(fs_of(req), entries[i].second);
        const auto need = fuse_add_direntry(req, out.data() + used, room - used, entries[i].first,
                                            &st, static_cast<off_t>(i + 1));
        if (need > room - used) break;
        used += need;
    }
    fuse_reply_buf(req, out.data(), used);
}

void statfs(fuse_req_t req, fuse_ino_t) {
    struct statvfs st {};
    st.f_bsize = 4096;
    st.f_frsize = 4096;
    st.f_namemax = 255;
    fuse_reply_statfs(req, &st);
}

} // namespace
} // namespace puffs::bench

int main(int argc, char** argv) {
    using namespace puffs::bench;
    server_options opts;
    null_fs fs;
    CLI::App app("a null file system on libfuse's low-level API", "peer_libfuse");
    declare_server(app, opts);
    app.add_option("--file-bytes", fs.file_bytes, "size of the file");
    parse_or_exit(app, argc, argv);
    fuse_lowlevel_ops ops{};
    ops.init = init;
    ops.lookup = lookup;
    ops.getattr = getattr;
    ops.setattr = setattr;
    ops.open = open;
    ops.release = release;
    ops.opendir = open;
    ops.releasedir = release;
    ops.read = read;
    ops.write = write;
    ops.readdir = readdir;
    ops.statfs = statfs;
    return serve(opts, ops, &fs, "fsname=peer_libfuse,subtype=libfuse");
}
