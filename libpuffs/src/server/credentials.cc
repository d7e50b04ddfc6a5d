#include "puffs/server/credentials.hh"

#include <cstdlib>
#include <fstream>
#include <string>
#include <sys/stat.h>

namespace puffs {

namespace {

constexpr std::uint32_t unchanged = 0xffffffff;

// The supplementary groups of a thread, as /proc says now.
bool has_supplementary(std::uint32_t tid, std::uint32_t gid) {
    if (tid == 0) {
        return false; // a caller in a pid namespace that this one cannot see
    }
    std::ifstream status("/proc/" + std::to_string(tid) + "/status");
    std::string line;
    while (std::getline(status, line)) {
        if (!line.starts_with("Groups:")) {
            continue;
        }
        const char* at = line.c_str() + sizeof("Groups:") - 1;
        char* end = nullptr;
        for (auto group = std::strtoul(at, &end, 10); end != at;
             at = end, group = std::strtoul(at, &end, 10)) {
            if (group == gid) {
                return true;
            }
        }
        return false;
    }
    return false;
}

result<void> allow_if(bool allowed, int otherwise) {
    return allowed ? result<void>() : fail(otherwise);
}

} // namespace

bool is_member(const msg::caller& who, std::uint32_t gid) {
    return who.gid == gid || has_supplementary(who.pid, gid);
}

result<void> access(const msg::caller& who, const msg::attr& va, int mode) {
    const auto wanted = static_cast<std::uint32_t>(mode) & 7U;
    if (who.uid == 0) {
        const bool executable = S_ISDIR(va.mode) || (va.mode & 0111) != 0;
        return allow_if((wanted & access_execute) == 0 || executable, EACCES);
    }
    const auto grants = [&](unsigned shift) { return (va.mode >> shift & wanted) == wanted; };
    if (who.uid == va.uid) {
        return allow_if(grants(6), EACCES);
    }
    // /proc is asked only when group and others differ in what is wanted.
    if (grants(3) == grants(0)) {
        return allow_if(grants(0), EACCES);
    }
    return allow_if(grants(is_member(who, va.gid) ? 3 : 0), EACCES);
}

result<void> access_chown(const msg::caller& who, const msg::attr& va, std::uint32_t uid,
                          std::uint32_t gid) {
    if (who.uid == 0) {
        return {};
    }
    if (who.uid != va.uid || (uid != unchanged && uid != va.uid)) {
        return fail(EPERM);
    }
    return allow_if(gid == unchanged || gid == va.gid || is_member(who, gid), EPERM);
}

result<void> access_chmod(const msg::caller& who, const msg::attr& va, std::uint32_t mode) {
    if (who.uid == 0) {
        return {};
    }
    if (who.uid != va.uid) {
        return fail(EPERM);
    }
    // Set-group-id of a group that the owner is not in: chmod(2) drops the bit, BSD refuses it.
    const bool sets_group = (mode & S_ISGID) != 0 && !S_ISDIR(va.mode);
    return allow_if(!sets_group || is_member(who, va.gid), EPERM);
}

result<void> access_times(const msg::caller& who, const msg::attr& va, bool to_now) {
    if (who.uid == 0 || who.uid == va.uid) {
        return {};
    }
    return to_now ? access(who, va, access_write) : fail(EPERM);
}

result<void> access_sticky(const msg::caller& who, const msg::attr& dir, const msg::attr& entry) {
    if ((dir.mode & S_ISVTX) == 0) {
        return {};
    }
    return allow_if(who.uid == 0 || who.uid == dir.uid || who.uid == entry.uid, EPERM);
}

} // namespace puffs
