// mount/asking.hh - asks a mount whether it answers, without waiting for it.
//
// A process of its own asks: a thread of the server's process that sleeps in the server's mount cannot be killed, and
// keeps the process and with it the connection alive for ever. The process ends by itself when it has its answer or the
// connection is gone; nobody has to collect it.
//
// Ownership:  the caller owns the descriptor.
// Threading:  any ordinary thread.
// Errors:     one line that names the thing and the cause.
#pragma once

#include <expected>
#include <string>

namespace puffs::kmod {

// ask_statfs - the read end of a pipe that gets an int when statfs(mount_point) returned: 0 or its errno. An end
// without one: the process was killed. Blocks: never for the mount.
std::expected<int, std::string> ask_statfs(const std::string& mount_point);

} // namespace puffs::kmod
