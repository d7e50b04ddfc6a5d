// daemon/mount.hh - one supervised mount: a file server and the place where it serves.
//
//   state    | ready line | error line | deadline   | server exits          | stop()
//   ---------+------------+------------+------------+-----------------------+----------------------------
//   starting | running    | stopping F | stopping F | stopping F            | stopping
//   running  | -          | -          | -          | stopping (F if not 0) | stopping
//   stopping | -          | -          | SIGKILL; F | detached, then *      | -
//            |            |            | at the 2nd |                       |
//   stopped  | -          | -          | -          | -                     | stopping (detach once more)
//   failed   | -          | -          | starting R | stays failed G        | stopping, or stopped if R
//
//   F  a failure is recorded
//   *  stopped when nothing is mounted there any more, and no failure is recorded or stop() was called; else failed
//   R  a restart is due: the server was running, the policy is on-failure, and fewer than limits::restarts were made
//   G  given up: the server did not even die of SIGKILL, and its end was still waited for
//
// A server that exits 0 by itself was unmounted by somebody else: stopped, not failed.
//
// The process is `child`'s affair, the mount namespace is `detach`'s; what a later form adds (the FUSE connection held
// here, a new server on the old connection) is a third thing beside these two, and this class stays the one that
// decides.
//
// Units:      deadlines on the steady clock; `since` on the system clock.
// Ownership:  owns its server process. Must not be destroyed while active().
// Threading:  the thread that runs the executor.
// Errors:     in status().failed: no_such_server, exists, start_failed, start_timeout, died, stop_failed, system.
#pragma once

#include "daemon/awaitable.hh"
#include "daemon/change_signal.hh"
#include "daemon/child.hh"
#include "daemon/failure.hh"
#include "daemon/limits.hh"
#include "daemon/mount_spec.hh"
#include "daemon/mountpoint.hh"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace puffs::daemon {

enum class mount_state { starting, running, stopping, stopped, failed };

[[nodiscard]] std::string_view name(mount_state state);

struct mount_status {
    mount_spec spec;
    mount_state state = mount_state::stopped;
    std::chrono::system_clock::time_point since; // when it entered the state
    std::optional<pid_t> pid;
    unsigned restarts = 0;                // made in a row
    std::optional<failure> failed;        // why it is failed
    std::optional<exit_status> last_exit; // how its last server ended
};

// What all mounts of a daemon have in common.
struct supervision {
    std::vector<std::string> server_dirs;
    std::chrono::milliseconds start_timeout{10'000};
    std::chrono::milliseconds stop_timeout{10'000};
    std::chrono::milliseconds restart_pause = limits::restart_pause;
};

class mount final : private child_listener {
  public:
    // Requires:  check(spec).
    // Lifetime:  the references outlive the mount.
    mount(boost::asio::io_context& context, change_signal& changed, const supervision& common,
          mount_spec spec, std::uint64_t id);
    mount(const mount&) = delete;
    mount& operator=(const mount&) = delete;
    ~mount();

    // Begins to serve. The state is `starting` when it returns. Requires: new; called once.
    void start();

    // Begins to unmount, whatever the state; the outcome shows in status() once settled().
    void stop();

    // Ends the wait for a server that is stopping: SIGKILL.
    void hurry();

    [[nodiscard]] const std::string& mountpoint() const { return spec_.mountpoint; }
    [[nodiscard]] std::uint64_t id() const { return id_; }
    [[nodiscard]] mount_status status() const;

    // Neither starting nor stopping; if stopped, also not active().
    [[nodiscard]] bool settled() const;
    // A coroutine of this object has not ended: always unless stopped or failed; when failed, only while a restart is
    // due or after the server was given up.
    [[nodiscard]] bool active() const { return active_; }
    // There is a server, or will be if nobody calls stop().
    [[nodiscard]] bool serving() const {
        return !settled() || state_ == mount_state::running || restart_due_;
    }
    // Stopped or failed for good, with nothing left to detach.
    [[nodiscard]] bool replaceable() const { return !active_ && !launched_; }

  private:
    using steady = std::chrono::steady_clock;

    void child_printed(std::string_view line) override;
    void child_answered(std::string_view line) override;
    void child_closed_ready() override;
    void child_exited(exit_status status) override;

    void spawn(awaitable<void> body);
    awaitable<void> run();
    awaitable<void> serve_once();
    awaitable<void> finish();
    awaitable<outcome<void>> remove_left_mount();
    awaitable<bool> pause_before_restart();
    outcome<void> launch();
    void deadline_passed();
    void enter(mount_state state);
    void leave_with(failure why);
    void set_deadline(steady::duration from_now);
    void note_own_mount();
    [[nodiscard]] outcome<std::optional<mount_entry>> left_mount() const;

    // Constant after construction.
    boost::asio::io_context& context_;
    change_signal& changed_;
    const supervision& common_;
    const mount_spec spec_;
    const std::uint64_t id_;
    // Owned by the executor's thread.
    mount_state state_ = mount_state::stopped;
    std::chrono::system_clock::time_point since_;
    steady::time_point running_since_{};
    bool active_ = false;
    bool server_lives_ = false;
    bool launched_ = false; // a server was started and may have left a mount
    // What others mounted is never touched: what is there before a server starts, and what is not the mount that it
    // had when it said that it is ready.
    std::vector<mount_entry> before_;
    std::optional<mount_entry> own_;
    bool stop_wanted_ = false;
    bool was_running_ = false; // in this life
    bool killed_ = false;      // in this life
    bool restart_due_ = false;
    unsigned restarts_ = 0;
    std::optional<failure> failed_;
    std::optional<exit_status> last_exit_;
    std::string last_line_; // what the server printed last
    steady::time_point deadline_ = steady::time_point::max();
    boost::asio::steady_timer
        wake_; // expires at the deadline; cancelled when run() must look again
    child child_;
};

} // namespace puffs::daemon
