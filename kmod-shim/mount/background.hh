// mount/background.hh - going to the background: a parent that waits until the child says that the mount answers.
//
// Threading:  before any other thread exists.
// Source:     daemon(7).
#pragma once

#include <expected>
#include <string>

namespace puffs::kmod {

// go_to_background - forks. In the parent it does not return: the parent exits with 0 when the
// child reported ready, with 1 when it reported an error or died, after repeating its line on
// standard error. In the child it returns the descriptor for report(): a session of its own,
// working directory /, standard streams still those of the parent until detach_streams().
std::expected<int, std::string> go_to_background();
// report - one line to the parent or supervisor, "ready" or "error: TEXT", and closes the descriptor; in the place of a
// standard stream /dev/null is left.
void report_ready(int fd);
void report_error(int fd, const std::string& text);
// Standard streams to /dev/null, once everybody has been told who listens on one of them.
void detach_streams();

} // namespace puffs::kmod
