// mount/own_mount.hh - the mount that this process made: whether it is there still, and taking it away.
//
//   made -> there -> gone        gone: unmounted by us or from outside
//
// After an unmount from outside, what is at the mount point is somebody else's: what was mounted there before us, or
// the mount of our successor. The functions leave that alone.
//
// Ownership:  the connection's descriptor is the caller's; it stays open for as long as the functions are called.
// Threading:  one ordinary thread; not on a core (unmounting blocks).
// Errors:     one line that names the thing and the cause.
#pragma once

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
    // Takes it away if it is not gone, without a look at whose it is: that is for a start that failed, after which the
    // descriptor may be closed and nobody has had the time to mount something else.
    ~own_mount();
    own_mount(const own_mount&) = delete;
    own_mount& operator=(const own_mount&) = delete;

    [[nodiscard]] int connection() const noexcept { return connection_; }
    // Whether it has been seen to go. One that was unmounted from outside is noticed by the calls below only.
    [[nodiscard]] bool gone() const noexcept { return gone_; }

    // unmount - as mount_point.hh's. One that is gone already, by whomever, is done.
    unmount_report unmount(bool detach);
    // take_away - detaches it if it is there; what cannot be detached is given up.
    void take_away();

  private:
    own_mount(std::string mount_point, int connection);
    [[nodiscard]] bool is_there() const;

    const std::string mount_point_;
    const int connection_;
    bool gone_ = false;
};

} // namespace puffs::kmod
