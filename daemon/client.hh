// daemon/client.hh - asks a daemon one thing over its socket; the client side of protocol.hh.
//
// Threading:  any; blocks.
// Errors:     no_daemon nobody listens there; denied the socket is not ours to open; system; and whatever code the
//             daemon replies.
#pragma once

#include "daemon/failure.hh"

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

namespace puffs::daemon {

// ask - sends `line`, a request with its newline, and returns the daemon's reply, if that is ok.
// Blocks:  for `patience` at most, from the connection to the end of the reply.
[[nodiscard]] outcome<nlohmann::json> ask(const std::string& socket_path, const std::string& line,
                                          std::chrono::milliseconds patience);

} // namespace puffs::daemon
