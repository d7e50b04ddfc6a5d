// daemon/child.hh - one child process: its start, what it says, its end. Knows nothing of mounts.
//
// The child leads a process group of its own, has /dev/null as standard input, one pipe as standard output and error,
// and the write end of another pipe as descriptor `ready_fd`; it inherits nothing else. When this process dies the
// child gets SIGTERM, so that no server stays that nobody watches.
//
// Units:      lines without their newline; longer ones arrive in pieces of limits::output_line_bytes.
// Ownership:  owns the process until it is reaped; must not be destroyed between start() and child_exited().
// Threading:  the thread that runs the executor; it must be the one that called start(), because the kernel ties
//             "parent died" to the thread that forked.
// Ordering:   child_exited() is the last call, after every line that the child wrote before it died. What is left of
//             the child's group is killed first.
// Errors:     start(): no_such_server when the program cannot be executed, system for anything else.
// Source:     pidfd_open(2), PR_SET_PDEATHSIG(2const).
#pragma once

#include "daemon/awaitable.hh"
#include "daemon/failure.hh"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace puffs::daemon {

// How a process ended: by exit(code), or by a signal.
struct exit_status {
    bool by_signal = false;
    int number = 0; // exit code or signal

    [[nodiscard]] bool clean() const { return !by_signal && number == 0; }
    // "exit status 3", "killed by signal 9 (KILL)".
    [[nodiscard]] std::string text() const;

    friend bool operator==(const exit_status&, const exit_status&) = default;
};

class child_listener {
  public:
    virtual void child_printed(std::string_view line) = 0;
    // At most one of these two, once: the first line on the ready descriptor, or its end before a whole line came.
    virtual void child_answered(std::string_view line) = 0;
    virtual void child_closed_ready() = 0;
    virtual void child_exited(exit_status status) = 0;

  protected:
    ~child_listener() = default;
};

class child {
  public:
    static constexpr int ready_fd = 3;

    // Lifetime:  `context` and `listener` outlive the child.
    child(boost::asio::io_context& context, child_listener& listener);
    child(const child&) = delete;
    child& operator=(const child&) = delete;
    ~child();

    // start - execute words[0], an absolute path, with `words` as its arguments.
    // Requires:  not started, or child_exited() was called.
    // Blocks:    until the program is executed.
    [[nodiscard]] outcome<void> start(const std::vector<std::string>& words);

    // Nothing happens when the child is gone.
    void terminate(); // SIGTERM to the child
    void kill();      // SIGKILL to its process group

    [[nodiscard]] std::optional<pid_t> pid() const {
        return pid_ > 0 ? std::optional(pid_) : std::nullopt;
    }

  private:
    using descriptor = boost::asio::posix::stream_descriptor;

    void watch();
    void loop_ended();
    awaitable<void> read_output();
    awaitable<void> read_ready();
    awaitable<void> await_exit();
    void drain(descriptor& from, std::string& pending);
    void cut_lines();

    // Constant after construction.
    boost::asio::io_context& context_;
    child_listener& listener_;
    // Owned by the executor's thread.
    pid_t pid_ = 0;
    bool reaped_ = false;
    int loops_ = 0; // the three coroutines below that have not ended
    exit_status status_;
    descriptor output_;
    descriptor ready_;
    descriptor pidfd_;
    std::string output_text_; // not yet a whole line
    std::string ready_text_;
};

} // namespace puffs::daemon
