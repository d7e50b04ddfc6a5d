#include "daemon/mount.hh"

#include "daemon/detach.hh"
#include "daemon/limits.hh"
#include "puffs/base/assert.hh"
#include "puffs/base/log.hh"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <csignal>
#include <utility>

namespace puffs::daemon {
namespace {

namespace asio = boost::asio;

constexpr std::string_view ready_word = "ready";
constexpr std::string_view error_word = "error: ";

} // namespace

std::string_view name(mount_state state) {
    switch (state) {
    case mount_state::starting:
        return "starting";
    case mount_state::running:
        return "running";
    case mount_state::stopping:
        return "stopping";
    case mount_state::stopped:
        return "stopped";
    case mount_state::failed:
        return "failed";
    }
    return "";
}

mount::mount(asio::io_context& context, change_signal& changed, const supervision& common,
             mount_spec spec, std::uint64_t id)
    : context_(context), changed_(changed), common_(common), spec_(std::move(spec)), id_(id),
      since_(std::chrono::system_clock::now()), wake_(context), child_(context, *this) {}

mount::~mount() = default;

void mount::start() {
    PUFFS_ASSERT(!active_ && state_ == mount_state::stopped, "mount started twice");
    enter(mount_state::starting);
    spawn(run());
}

void mount::stop() {
    stop_wanted_ = true;
    switch (state_) {
    case mount_state::starting:
    case mount_state::running:
        enter(mount_state::stopping);
        child_.terminate();
        set_deadline(common_.stop_timeout);
        return;
    case mount_state::stopping:
        return;
    case mount_state::stopped:
    case mount_state::failed:
        if (restart_due_) {
            restart_due_ = false;
            failed_.reset();
            enter(mount_state::stopped);
            wake_.cancel();
        } else if (active_) {
            child_.kill(); // given up before; once more
        } else {
            enter(mount_state::stopping);
            spawn(finish());
        }
        return;
    }
}

void mount::hurry() {
    if (state_ == mount_state::stopping && server_lives_) {
        killed_ = true;
        child_.kill();
        set_deadline(limits::kill_wait);
    }
}

mount_status mount::status() const {
    return {.spec = spec_,
            .state = state_,
            .since = since_,
            .pid = child_.pid(),
            .restarts = restarts_,
            .failed = failed_,
            .last_exit = last_exit_};
}

bool mount::settled() const {
    switch (state_) {
    case mount_state::starting:
    case mount_state::stopping:
        return false;
    case mount_state::stopped:
        return !active_;
    case mount_state::running:
    case mount_state::failed:
        return true;
    }
    return true;
}

void mount::spawn(awaitable<void> body) {
    active_ = true;
    asio::co_spawn(context_, std::move(body), [](const std::exception_ptr& thrown) {
        if (thrown) std::rethrow_exception(thrown);
    });
}

awaitable<void> mount::run() {
    for (;;) {
        co_await serve_once();
        co_await finish();
        const bool again = co_await pause_before_restart();
        if (!again) break;
        active_ = true;
        enter(mount_state::starting);
    }
}

// One life of one server, from its start to its end.
awaitable<void> mount::serve_once() {
    was_running_ = killed_ = false;
    failed_.reset();
    last_line_.clear();
    if (stop_wanted_) co_return; // before the first step
    if (auto launched = launch(); !launched) {
        leave_with(std::move(launched.error()));
        co_return;
    }
    set_deadline(common_.start_timeout);
    while (server_lives_) {
        wake_.expires_at(deadline_);
        boost::system::error_code cancelled;
        co_await wake_.async_wait(with_error(cancelled));
        if (server_lives_ && steady::now() >= deadline_) deadline_passed();
    }
}

outcome<void> mount::launch() {
    auto before = mounts_at(spec_.mountpoint);
    if (!before) return std::unexpected(before.error());
    if (!before->empty() && before->back().is_fuse()) {
        return fail(failure_code::exists, spec_.mountpoint +
                                              " is the mount point of another file system (" +
                                              before->back().type + ")");
    }
    const auto program = find_server(spec_.server, common_.server_dirs);
    if (!program) return std::unexpected(program.error());
    if (auto ok = child_.start(server_command(*program, spec_, child::ready_fd)); !ok) return ok;
    server_lives_ = launched_ = true;
    before_ = std::move(*before);
    own_.reset();
    PUFFS_LOG(info, "{}: started {} as process {}", spec_.mountpoint, *program,
              child_.pid().value_or(0));
    return {};
}

void mount::deadline_passed() {
    deadline_ = steady::time_point::max();
    switch (state_) {
    case mount_state::starting:
        leave_with({failure_code::start_timeout,
                    "not ready within " + std::to_string(common_.start_timeout.count()) + " ms"});
        hurry();
        return;
    case mount_state::stopping:
        if (!killed_) {
            PUFFS_LOG(warn, "{}: does not stop, killed", spec_.mountpoint);
            hurry();
            return;
        }
        failed_ = {failure_code::stop_failed, "the server does not die"};
        enter(mount_state::failed);
        return;
    case mount_state::running:
    case mount_state::stopped:
    case mount_state::failed:
        return;
    }
}

// The server is gone: so must be its mount.
awaitable<void> mount::finish() {
    outcome<void> detached;
    if (launched_) detached = co_await remove_left_mount();
    launched_ = !detached;
    if (!detached) failed_ = std::move(detached.error());
    const bool stopped = detached && (stop_wanted_ || !failed_);
    if (was_running_ && steady::now() - running_since_ >= limits::steady) restarts_ = 0;
    restart_due_ = detached && !stopped && was_running_ && restarts_ < limits::restarts &&
                   spec_.restart_when() == restart_policy::on_failure;
    if (stopped) failed_.reset();
    active_ = restart_due_;
    enter(stopped ? mount_state::stopped : mount_state::failed);
}

awaitable<outcome<void>> mount::remove_left_mount() {
    auto left = left_mount();
    if (!left) co_return std::unexpected(std::move(left.error()));
    if (!*left) co_return outcome<void>();
    const bool said_gone = last_exit_ && last_exit_->clean();
    co_return co_await detach(spec_.mountpoint, std::move(**left),
                              own_ && !said_gone ? detach_what::own : detach_what::own_if_dead);
}

// Returns whether to serve again. After `false` this object may be gone.
awaitable<bool> mount::pause_before_restart() {
    if (!restart_due_) co_return false;
    wake_.expires_after(common_.restart_pause * (1U << restarts_));
    boost::system::error_code cancelled;
    co_await wake_.async_wait(with_error(cancelled));
    if (!restart_due_) {
        active_ = false;
        changed_.raise();
        co_return false;
    }
    restart_due_ = false;
    ++restarts_;
    co_return true;
}

void mount::child_printed(std::string_view line) {
    last_line_ = one_line(line);
    PUFFS_LOG(info, "[{}] {}", spec_.mountpoint, last_line_);
}

void mount::child_answered(std::string_view line) {
    if (state_ != mount_state::starting) return;
    if (line == ready_word) {
        was_running_ = true;
        running_since_ = steady::now();
        deadline_ = steady::time_point::max();
        wake_.cancel();
        enter(mount_state::running);
        note_own_mount();
        return;
    }
    leave_with({failure_code::start_failed, line.starts_with(error_word)
                                                ? one_line(line.substr(error_word.size()))
                                                : "answered '" + one_line(line) + "'"});
    child_.terminate(); // it should be on its way out
    set_deadline(common_.stop_timeout);
}

// Most often the server is dying, and its exit status says more.
void mount::child_closed_ready() {
    if (state_ == mount_state::starting) set_deadline(limits::no_answer);
}

void mount::child_exited(exit_status status) {
    server_lives_ = false;
    last_exit_ = status;
    // Who is killed has had no time to say why: its last line is about something else. A panic is followed by an abort.
    const bool said_why = !last_line_.empty() && (!status.by_signal || status.number == SIGABRT);
    const auto said = said_why ? ": " + last_line_ : "";
    switch (state_) {
    case mount_state::starting:
        leave_with({failure_code::start_failed, status.text() + " before it was ready" + said});
        break;
    case mount_state::running:
        if (status.clean()) {
            PUFFS_LOG(info, "{}: unmounted from outside", spec_.mountpoint);
            enter(mount_state::stopping);
        } else {
            leave_with({failure_code::died, status.text() + said});
        }
        break;
    case mount_state::stopping:
        if (!status.clean())
            PUFFS_LOG(warn, "{}: stopped with {}", spec_.mountpoint, status.text());
        break;
    case mount_state::stopped:
    case mount_state::failed:
        break;
    }
    wake_.cancel();
}

void mount::enter(mount_state state) {
    state_ = state;
    since_ = std::chrono::system_clock::now();
    if (state == mount_state::failed && failed_) {
        PUFFS_LOG(err, "{}: failed: {}", spec_.mountpoint, failed_->message);
    } else {
        PUFFS_LOG(info, "{}: {}", spec_.mountpoint, name(state));
    }
    changed_.raise();
}

// The failure counts once the server and its mount are gone.
void mount::leave_with(failure why) {
    failed_ = std::move(why);
    enter(mount_state::stopping);
}

void mount::set_deadline(steady::duration from_now) {
    deadline_ = steady::now() + from_now;
    wake_.cancel();
}

// Nobody but the server has had a reason to mount there since it was started.
void mount::note_own_mount() {
    const auto there = mounts_at(spec_.mountpoint);
    if (!there) return; // left_mount() looks again
    if (there->empty() || !there->back().is_fuse()) {
        PUFFS_LOG(warn, "{}: the server says it is ready, but nothing is mounted here",
                  spec_.mountpoint);
        return;
    }
    own_ = there->back();
}

// What a server that never said it was ready may have left is on top, and was not there before.
outcome<std::optional<mount_entry>> mount::left_mount() const {
    if (own_) return own_;
    const auto there = mounts_at(spec_.mountpoint);
    if (!there) return std::unexpected(there.error());
    if (there->empty() || !there->back().is_fuse()) return std::nullopt;
    if (std::ranges::find(before_, there->back()) != before_.end()) return std::nullopt;
    return there->back();
}

} // namespace puffs::daemon
