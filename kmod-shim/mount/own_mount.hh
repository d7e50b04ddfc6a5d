// mount/own_mount.hh - the mount that this process made: whether it is there still, and taking it away.
//
//   there -> gone      unmounted, by us or from outside
//         -> given_up  could not be taken away: listed still, below another mount or dead
//
// Known by its identity: what else is at the mount point belongs to somebody else, be it what was mounted there before
// us, the mount of our successor, or one that somebody put on top of ours. The functions leave that alone.
//
// Ownership:  the connection's descriptor is the caller's; it stays open for as long as the functions are called.
// Threading:  one ordinary thread; not on a core (unmounting blocks).
// Errors:     one line that names the thing and the cause.
#pragma once

#include "mount/mount_identity.hh"
#include "mount/mount_point.hh"
#include "puffs/kmod/mount_options.hh"

#include <expected>
#include <memory>
#include <string>

namespace puffs::kmod {

class own_mount {
  public:
    // Mounts on a path that check_mount_point() gave.
    static std::expected<std::unique_ptr<own_mount>, std::string>
    make(const std::string& mount_point, const mount_options& o);
    // Detaches it if it is there. For a start that failed: the descriptor may be closed.
    ~own_mount();
    own_mount(const own_mount&) = delete;
    own_mount& operator=(const own_mount&) = delete;

    [[nodiscard]] int connection() const noexcept { return connection_; }
    // Whether it has been seen to go. One that was unmounted from outside is noticed by the calls below only.
    [[nodiscard]] bool gone() const noexcept { return state_ == state::gone; }

    // unmount - as mount_point.hh's. One that is gone already, by whomever, is done. One that does not lie on top is
    // failed, and stays.
    unmount_report unmount(bool detach);
    // take_away - detaches it if it is there; what cannot be detached is given up. Done or, the first time, failed.
    unmount_report take_away();

  private:
    enum class state { there, gone, given_up };
    own_mount(std::string mount_point, int connection, mount_identity identity);
    [[nodiscard]] bool answers_or_is_dead() const;

    const std::string mount_point_;
    const int connection_;
    const mount_identity identity_;
    state state_ = state::there;
};

} // namespace puffs::kmod
