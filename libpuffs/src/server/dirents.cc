#include "puffs/server/dirents.hh"

#include "puffs/base/limits.hh"
#include "puffs/base/log.hh"

#include <algorithm>
#include <cstring>

namespace puffs {

bool dirents::add(std::string_view name, std::uint64_t ino, msg::vtype type, std::uint64_t next) {
    if (name.empty() || name.size() > limits::name_bytes ||
        name.find_first_of(std::string_view("/\0", 2)) != std::string_view::npos) {
        PUFFS_LOG(err, "readdir: an entry of {} bytes has no name of one component: left out",
                  name.size());
        return true;
    }
    const std::size_t bytes = msg::dirent_bytes(name.size(), plus_);
    if (refused_ || bytes > out_.size() - used_) {
        refused_ = true; // also what would fit: entries are never passed over
        return false;
    }
    std::byte* at = out_.data() + used_;
    std::memset(at, 0, bytes);
    if (plus_) {
        const msg::newinfo nobody;
        std::memcpy(at, &nobody, sizeof nobody);
        at += msg::dirent_plus_bytes;
    }
    msg::dirent_head head;
    head.ino = ino;
    head.next = next;
    head.name_bytes = static_cast<std::uint32_t>(name.size());
    head.type = static_cast<std::uint32_t>(type);
    std::memcpy(at, &head, sizeof head);
    std::memcpy(at + sizeof head, name.data(), name.size());
    used_ += bytes;
    return true;
}

} // namespace puffs
