// The extended attributes of peer_memfs.
#include "memory_fs.hh"

#include <cerrno>
#include <mutex>
#include <string>
#include <sys/xattr.h>

namespace puffs::bench {
namespace {

// Answers with the text, or with its size when `size` is 0.
void answer_text(fuse_req_t req, const std::string& text, std::size_t size) {
    if (size == 0)
        fuse_reply_xattr(req, text.size());
    else if (size < text.size())
        answer_error(req, ERANGE);
    else
        fuse_reply_buf(req, text.data(), text.size());
}

void getxattr(fuse_req_t req, fuse_ino_t id, const char* name, std::size_t size) {
    auto& node = node_of(req, id);
    const std::shared_lock hold(node.lock);
    const auto found = node.xattrs.find(name);
    if (found == node.xattrs.end())
        answer_error(req, ENODATA);
    else
        answer_text(req, found->second, size);
}

void listxattr(fuse_req_t req, fuse_ino_t id, std::size_t size) {
    auto& node = node_of(req, id);
    const std::shared_lock hold(node.lock);
    std::string names;
    for (const auto& [name, value] : node.xattrs)
        names.append(name).push_back('\0');
    answer_text(req, names, size);
}

int set(memory_node& node, const char* name, std::string value, int flags) {
    const std::unique_lock hold(node.lock);
    const bool is_there = node.xattrs.contains(name);
    if ((flags & XATTR_CREATE) != 0 && is_there) return EEXIST;
    if ((flags & XATTR_REPLACE) != 0 && !is_there) return ENODATA;
    node.xattrs.insert_or_assign(name, std::move(value));
    node.st.st_ctim = time_of_day();
    return 0;
}

void setxattr(fuse_req_t req, fuse_ino_t id, const char* name, const char* value, std::size_t size,
              int flags) {
    answer_error(req, set(node_of(req, id), name, std::string(value, size), flags));
}

int remove(memory_node& node, const char* name) {
    const std::unique_lock hold(node.lock);
    if (node.xattrs.erase(name) == 0) return ENODATA;
    node.st.st_ctim = time_of_day();
    return 0;
}

void removexattr(fuse_req_t req, fuse_ino_t id, const char* name) {
    answer_error(req, remove(node_of(req, id), name));
}

} // namespace

void add_xattr_operations(fuse_lowlevel_ops& ops) {
    ops.getxattr = getxattr;
    ops.listxattr = listxattr;
    ops.setxattr = setxattr;
    ops.removexattr = removexattr;
}

} // namespace puffs::bench
