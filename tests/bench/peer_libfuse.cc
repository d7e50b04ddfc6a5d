// peer_libfuse - the null file system of floor_proto.hh on libfuse's low-level API: the peer.
//
//     peer_libfuse [--loop single|mt|mt-clone] [--core N] [--file-bytes N] MOUNTPOINT
//
//   single    fuse_session_loop(): one thread
//   mt        fuse_session_loop_mt(): libfuse's thread pool on one descriptor
//   mt-clone  the same with clone_fd: a clone of /dev/fuse for each thread
//   --core    pins the process, and so all threads of the pool, to that core
//
// Runs in the foreground until the mount point is unmounted or SIGINT, SIGTERM or SIGHUP comes.
#define FUSE_USE_VERSION 314
#include "numbers.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fuse_lowlevel.h>
#include <memory>
#include <sched.h>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <utility>
#include <vector>

namespace puffs::bench {
namespace {

enum class loop_kind { single, mt, mt_clone };

constexpr int any_core = -1;
constexpr fuse_ino_t file_node = 2;
constexpr const char* file_name = "file";
constexpr std::size_t max_payload_bytes = std::size_t{1} << 20;
constexpr double no_timeout = 0;

struct options {
    loop_kind loop = loop_kind::single;
    int core = any_core;
    std::uint64_t file_bytes = std::uint64_t{64} << 20;
    std::string mount_point;
};

// The state of the file system, libfuse's userdata. Constant while it is mounted.
struct null_fs {
    std::uint64_t file_bytes;
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

bool parse_loop(std::string_view name, loop_kind& out) {
    if (name == "single")
        out = loop_kind::single;
    else if (name == "mt")
        out = loop_kind::mt;
    else if (name == "mt-clone")
        out = loop_kind::mt_clone;
    else
        return false;
    return true;
}

bool parse(int argc, char** argv, options& opts) {
    for (int i = 1; i < argc; ++i) {
        const std::string_view arg = argv[i];
        if (!arg.starts_with("--")) {
            if (!opts.mount_point.empty()) return false;
            opts.mount_point = arg;
            continue;
        }
        const std::string_view value = ++i < argc ? argv[i] : "";
        const bool ok = (arg == "--loop" && parse_loop(value, opts.loop)) ||
                        (arg == "--core" && parse_number(value, opts.core)) ||
                        (arg == "--file-bytes" && parse_number(value, opts.file_bytes));
        if (!ok) return false;
    }
    return !opts.mount_point.empty();
}

int run_loop(fuse_session* session, loop_kind loop) {
    if (loop == loop_kind::single) return fuse_session_loop(session);
    const std::unique_ptr<fuse_loop_config, decltype(&fuse_loop_cfg_destroy)> config(
        fuse_loop_cfg_create(), fuse_loop_cfg_destroy);
    fuse_loop_cfg_set_clone_fd(config.get(), loop == loop_kind::mt_clone);
    return fuse_session_loop_mt(session, config.get());
}

int serve(const options& opts) {
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
    null_fs fs{.file_bytes = opts.file_bytes};
    std::array<char*, 4> argv{const_cast<char*>("peer_libfuse"), const_cast<char*>("-o"),
                              const_cast<char*>("fsname=peer_libfuse,subtype=libfuse"), nullptr};
    fuse_args args = FUSE_ARGS_INIT(3, argv.data());
    fuse_session* session = fuse_session_new(&args, &ops, sizeof ops, &fs);
    if (session == nullptr) return 1;
    int result = 1;
    if (fuse_set_signal_handlers(session) == 0) {
        if (fuse_session_mount(session, opts.mount_point.c_str()) == 0) {
            result = run_loop(session, opts.loop);
            fuse_session_unmount(session);
        }
        fuse_remove_signal_handlers(session);
    }
    fuse_session_destroy(session);
    return result == 0 ? 0 : 1;
}

} // namespace
} // namespace puffs::bench

int main(int argc, char** argv) {
    using namespace puffs::bench;
    options opts;
    if (!parse(argc, argv, opts)) {
        std::fprintf(stderr, "usage: peer_libfuse [--loop single|mt|mt-clone] [--core N] "
                             "[--file-bytes N] MOUNTPOINT\n");
        return 2;
    }
    if (opts.core != any_core) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(static_cast<unsigned>(opts.core), &set);
        if (sched_setaffinity(0, sizeof set, &set) != 0) {
            std::perror("peer_libfuse: pinning to a core");
            return 1;
        }
    }
    return serve(opts);
}
