#include "mount/init_of.hh"

#include <algorithm>

namespace puffs::kmod {

namespace {

// Requests that nobody waits for, in flight at once. The kernel bounds what users may ask (max_user_bgreq of its
// module).
constexpr std::size_t background_of_core = 16, background_least = 64, background_most = 65535;

// Not unless it is asked to (libfuse, lib/mount.c); the last of the options counts, as for mount(8).
bool honours_set_id(const mount_options& o) {
    bool suid = false;
    for (const std::string& option : o.kernel) {
        if (option == "suid" || option == "nosuid") {
            suid = option == "suid";
        }
    }
    return suid;
}

} // namespace

fuse::init_options init_of(const mount_options& o, std::size_t cores, bool uring) {
    fuse::init_options i;
    i.io_uring = uring;
    i.max_write_bytes = o.max_write;
    i.max_read_bytes = o.max_read;
    i.max_background = static_cast<std::uint16_t>(
        o.max_background != 0
            ? o.max_background
            : std::clamp(background_of_core * cores, background_least, background_most));
    i.congestion_threshold = static_cast<std::uint16_t>(o.congestion_threshold);
    i.writeback_cache = o.user.writeback_cache;
    // With delayed writes the kernel believes its own copy of the mode, and would run a program by the set-id bits that
    // the server has cleared; without, it asks for the attributes before it reads (page_inval::automatic).
    i.handle_killpriv_v2 = o.clears_set_id && !o.user.writeback_cache;
    // A target that is kept stays until its node goes, whatever the server says about times.
    i.cache_symlinks = o.user.sole_owner;
    // Automatic, the kernel drops a file's pages when it hears of the time that its own write has given the file.
    const bool mode_is_asked = i.handle_killpriv_v2 && honours_set_id(o);
    i.invalidation =
        o.user.sole_owner && !mode_is_asked ? fuse::page_inval::told : fuse::page_inval::automatic;
    i.readdirplus = !o.readdirplus   ? fuse::readdirplus_use::automatic
                    : *o.readdirplus ? fuse::readdirplus_use::always
                                     : fuse::readdirplus_use::never;
    return i;
}

} // namespace puffs::kmod
