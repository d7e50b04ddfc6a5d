#include "mount/own_mount.hh"

#include <cerrno>
#include <fmt/format.h>
#include <poll.h>
#include <sys/statfs.h>
#include <unistd.h>
#include <utility>

namespace puffs::kmod {

std::expected<std::unique_ptr<own_mount>, std::string>
own_mount::make(const std::string& mount_point, const mount_options& o) {
    const auto fd = open_connection(mount_point, o);
    if (!fd) {
        return std::unexpected(fd.error());
    }
    const auto identity = mount_at(mount_point);
    if (!identity) {
        ::close(*fd);
        kmod::unmount(mount_point, true); // nobody has had the time to mount something else
        return std::unexpected(
            fmt::format("mounting on '{}': the mount is not to be found", mount_point));
    }
    return std::unique_ptr<own_mount>(new own_mount(mount_point, *fd, *identity));
}

own_mount::own_mount(std::string mount_point, int connection, mount_identity identity)
    : mount_point_(std::move(mount_point)), connection_(connection), identity_(identity) {}

own_mount::~own_mount() {
    if (state_ == state::there && mount_at(mount_point_) == identity_) {
        kmod::unmount(mount_point_, true);
    }
}

// A connection that lives has its mount; one that was aborted leaves a mount that answers nothing. What answers without
// our connection has been given our numbers.
bool own_mount::answers_or_is_dead() const {
    pollfd p{connection_, POLLIN, 0};
    if (::poll(&p, 1, 0) < 0 || (p.revents & POLLERR) == 0) {
        return true;
    }
    struct statfs answer {};
    return ::statfs(mount_point_.c_str(), &answer) < 0 &&
           (errno == ENOTCONN || errno == ECONNABORTED);
}

unmount_report own_mount::unmount(bool detach) {
    if (state_ != state::there) {
        return {unmount_outcome::done, {}};
    }
    const auto top = mount_at(mount_point_);
    const bool numbers_given_again = top && top->id == identity_.id;
    if (top != identity_ && !numbers_given_again && is_listed(identity_, mount_point_)) {
        const auto other = top ? type_of(*top) : std::nullopt;
        return {unmount_outcome::failed,
                fmt::format("unmounting '{}': {} lies there now, on top of this mount",
                            mount_point_,
                            other ? fmt::format("another mount ({})", *other) : "something else")};
    }
    unmount_report report{unmount_outcome::done, {}};
    if (top == identity_ && answers_or_is_dead()) {
        report = kmod::unmount(mount_point_, detach);
    }
    if (report.outcome == unmount_outcome::done) {
        state_ = state::gone;
    }
    return report;
}

unmount_report own_mount::take_away() {
    unmount_report report = unmount(true);
    if (report.outcome != unmount_outcome::done) {
        state_ = state::given_up;
    }
    return report;
}

} // namespace puffs::kmod
