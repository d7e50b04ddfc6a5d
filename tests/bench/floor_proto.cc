#include "floor_proto.hh"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <sys/stat.h>

namespace puffs::bench {
namespace {

constexpr std::uint64_t root_node = FUSE_ROOT_ID;
constexpr std::uint64_t file_node = 2;
constexpr std::string_view file_name = "file";

void append_dirent(std::vector<std::byte>& out, std::uint64_t node, std::uint32_t type,
                   std::string_view name) {
    const std::size_t at = out.size();
    fuse_dirent entry{};
    entry.ino = node;
    entry.namelen = static_cast<std::uint32_t>(name.size());
    entry.type = type;
    out.resize(at + FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + name.size()));
    entry.off = out.size();
    std::memcpy(out.data() + at, &entry, FUSE_NAME_OFFSET);
    std::memcpy(out.data() + at + FUSE_NAME_OFFSET, name.data(), name.size());
}

template <class Argument>
const Argument* argument(std::span<const std::byte> request) {
    if (request.size() < sizeof(fuse_in_header) + sizeof(Argument)) return nullptr;
    return reinterpret_cast<const Argument*>(request.data() + sizeof(fuse_in_header));
}

} // namespace

floor_proto::floor_proto(std::uint64_t file_bytes, std::byte* kept)
    : file_bytes_(file_bytes), kept_(kept), zeros_(max_payload_bytes) {
    append_dirent(directory_, root_node, DT_DIR, ".");
    append_dirent(directory_, root_node, DT_DIR, "..");
    append_dirent(directory_, file_node, DT_REG, file_name);
    reply_.iov[0].iov_base = &header_;
    reply_.iov[0].iov_len = sizeof header_;
    reply_.iov[1].iov_base = &body_;
}

const floor_reply& floor_proto::answer(std::span<const std::byte> request,
                                       std::span<const std::byte> data) {
    constexpr std::size_t write_bytes = sizeof(fuse_in_header) + sizeof(fuse_write_in);
    const auto& in = *reinterpret_cast<const fuse_in_header*>(request.data());
    data_ = data.empty() ? request.subspan(std::min(write_bytes, request.size())) : data;
    header_.unique = in.unique;
    const auto with = [&]<class Argument>(void (floor_proto::*operation)(const Argument&)) {
        if (const auto* arg = argument<Argument>(request))
            (this->*operation)(*arg);
        else
            fail(EIO);
    };
    switch (in.opcode) {
    case FUSE_INIT:
        with(&floor_proto::init);
        break;
    case FUSE_LOOKUP:
        lookup(in.nodeid, reinterpret_cast<const char*>(request.data()) + sizeof in);
        break;
    case FUSE_GETATTR:
    case FUSE_SETATTR:
        getattr(in.nodeid);
        break;
    case FUSE_OPEN:
    case FUSE_OPENDIR:
        body_.open = {};
        succeed(sizeof body_.open);
        break;
    case FUSE_READ:
        with(&floor_proto::read);
        break;
    case FUSE_WRITE:
        with(&floor_proto::write);
        break;
    case FUSE_READDIR:
        with(&floor_proto::readdir);
        break;
    case FUSE_STATFS:
        body_.statfs = {};
        body_.statfs.st.bsize = 4096;
        body_.statfs.st.frsize = 4096;
        body_.statfs.st.namelen = 255;
        succeed(sizeof body_.statfs);
        break;
    case FUSE_RELEASE:
    case FUSE_RELEASEDIR:
    case FUSE_DESTROY:
        succeed(0);
        break;
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
        reply_.iov_count = 0;
        break;
    default:
        fail(ENOSYS);
    }
    return reply_;
}

void floor_proto::fail(int errno_value) {
    header_.error = -errno_value;
    header_.len = sizeof header_;
    reply_.iov_count = 1;
}

void floor_proto::succeed(std::size_t size_bytes) {
    header_.error = 0;
    header_.len = static_cast<std::uint32_t>(sizeof header_ + size_bytes);
    reply_.iov[1] = {&body_, size_bytes};
    reply_.iov_count = size_bytes == 0 ? 1 : 2;
}

void floor_proto::init(const fuse_init_in& in) {
    body_.init = {};
    body_.init.major = FUSE_KERNEL_VERSION;
    body_.init.minor = FUSE_KERNEL_MINOR_VERSION;
    body_.init.max_readahead = in.max_readahead;
    body_.init.flags = in.flags & (FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_MAX_PAGES |
                                   FUSE_PARALLEL_DIROPS | FUSE_ASYNC_DIO);
    // AUTO_INVAL_DATA costs a GETATTR a read when attributes time out at once. libfuse and puffs ask for it, memfs does
    // not, and a floor is that of the same requests.
    if (kept_ == nullptr) body_.init.flags |= in.flags & FUSE_AUTO_INVAL_DATA;
    body_.init.max_write = max_payload_bytes;
    body_.init.max_pages = max_payload_bytes / 4096;
    body_.init.time_gran = 1;
    succeed(sizeof body_.init);
}

void floor_proto::lookup(std::uint64_t parent, std::string_view name) {
    if (parent != root_node || name != file_name) return fail(ENOENT);
    body_.entry = {};
    body_.entry.nodeid = file_node;
    fill(body_.entry.attr, file_node);
    succeed(sizeof body_.entry);
}

void floor_proto::getattr(std::uint64_t node) {
    body_.attr = {};
    fill(body_.attr.attr, node);
    succeed(sizeof body_.attr);
}

void floor_proto::read(const fuse_read_in& in) {
    const std::uint64_t left = in.offset < file_bytes_ ? file_bytes_ - in.offset : 0;
    const auto size = std::min<std::uint64_t>({left, in.size, zeros_.size()});
    succeed(size);
    reply_.iov[1].iov_base = kept_ != nullptr && size != 0 ? kept_ + in.offset : zeros_.data();
}

void floor_proto::write(const fuse_write_in& in) {
    body_.write = {};
    body_.write.size = in.size;
    const std::uint64_t room = in.offset < file_bytes_ ? file_bytes_ - in.offset : 0;
    const auto size = std::min<std::uint64_t>({room, in.size, data_.size()});
    if (kept_ != nullptr && size != 0) std::memcpy(kept_ + in.offset, data_.data(), size);
    succeed(sizeof body_.write);
}

void floor_proto::readdir(const fuse_read_in& in) {
    const std::size_t from = std::min<std::size_t>(in.offset, directory_.size());
    const std::size_t left = directory_.size() - from;
    succeed(left <= in.size ? left : 0);
    reply_.iov[1].iov_base = directory_.data() + from;
}

void floor_proto::fill(fuse_attr& attr, std::uint64_t node) const {
    attr.ino = node;
    attr.mode = node == root_node ? S_IFDIR | 0755 : S_IFREG | 0666;
    attr.nlink = node == root_node ? 2 : 1;
    attr.size = node == root_node ? 0 : file_bytes_;
    attr.blocks = attr.size / 512;
    attr.blksize = 4096;
}

} // namespace puffs::bench
