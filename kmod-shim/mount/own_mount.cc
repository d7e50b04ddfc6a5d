#include "mount/own_mount.hh"

#include <cerrno>
#include <poll.h>
#include <sys/statfs.h>
#include <utility>

namespace puffs::kmod {

std::expected<std::unique_ptr<own_mount>, std::string>
own_mount::make(const std::string& mount_point, const mount_options& o) {
    const auto fd = open_connection(mount_point, o);
    if (!fd) {
        return std::unexpected(fd.error());
    }
    return std::unique_ptr<own_mount>(new own_mount(mount_point, *fd));
}

own_mount::own_mount(std::string mount_point, int connection)
    : mount_point_(std::move(mount_point)), connection_(connection) {}

own_mount::~own_mount() {
    if (!gone_) {
        kmod::unmount(mount_point_, true);
    }
}

// A connection that lives has its mount; one that was aborted leaves a mount that answers nothing.
bool own_mount::is_there() const {
    if (gone_) {
        return false;
    }
    pollfd p{connection_, POLLIN, 0};
    if (::poll(&p, 1, 0) < 0 || (p.revents & POLLERR) == 0) {
        return true;
    }
    struct statfs answer {};
    return ::statfs(mount_point_.c_str(), &answer) < 0 &&
           (errno == ENOTCONN || errno == ECONNABORTED);
}

unmount_report own_mount::unmount(bool detach) {
    unmount_report report{unmount_outcome::done, {}};
    if (is_there()) {
        report = kmod::unmount(mount_point_, detach);
    }
    gone_ = report.outcome == unmount_outcome::done;
    return report;
}

void own_mount::take_away() {
    if (is_there()) {
        kmod::unmount(mount_point_, true);
    }
    gone_ = true;
}

} // namespace puffs::kmod
