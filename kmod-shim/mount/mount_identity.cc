#include "mount/mount_identity.hh"

#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <sstream>
#include <sys/stat.h>

namespace puffs::kmod {

namespace {

// include/uapi/linux/stat.h of Linux 6.8.
constexpr unsigned statx_mnt_id_unique = 0x4000;

// Without AT_STATX_DONT_SYNC a file server would be asked for the attributes, perhaps ourselves, who do not answer yet.
std::optional<struct statx> look_at(const std::string& path, unsigned mask) {
    struct statx found {};
    if (::statx(AT_FDCWD, path.c_str(), AT_STATX_DONT_SYNC | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
                mask, &found) < 0 ||
        (found.stx_mask & mask) == 0) {
        return std::nullopt;
    }
    return found;
}

struct entry {
    std::string path; // as it is written there
    std::string type;
};

std::optional<entry> find(const mount_identity& m) {
    const std::string device = fmt::format("{}:{}", m.device_major, m.device_minor);
    std::ifstream table("/proc/self/mountinfo");
    for (std::string line; std::getline(table, line);) {
        // 36 35 98:0 /root /mount/point rw,noatime shared:1 - type source options
        std::istringstream fields(line);
        std::uint64_t id = 0;
        std::string word;
        entry e;
        fields >> id >> word >> word;
        if (id != m.id || word != device) {
            continue;
        }
        fields >> word >> e.path;
        while (fields >> word && word != "-") {
        }
        fields >> e.type;
        return e;
    }
    return std::nullopt;
}

// The table is split at blanks: in a path they are a backslash and three octal digits.
std::string as_listed(const std::string& path) {
    std::string text;
    for (const char c : path) {
        if (c == ' ' || c == '\t' || c == '\n' || c == '\\') {
            text += fmt::format("\\{:03o}", c);
        } else {
            text += c;
        }
    }
    return text;
}

} // namespace

std::optional<mount_identity> mount_at(const std::string& path) {
    const auto found = look_at(path, STATX_MNT_ID);
    if (!found) {
        return std::nullopt;
    }
    const auto unique = look_at(path, statx_mnt_id_unique);
    return mount_identity{.id = found->stx_mnt_id,
                          .unique = unique ? unique->stx_mnt_id : 0,
                          .device_major = found->stx_dev_major,
                          .device_minor = found->stx_dev_minor};
}

bool is_listed(const mount_identity& m, const std::string& path) {
    const auto entry = find(m);
    return entry && entry->path == as_listed(path);
}

std::optional<std::string> type_of(const mount_identity& m) {
    const auto entry = find(m);
    return entry ? std::optional(entry->type) : std::nullopt;
}

} // namespace puffs::kmod
