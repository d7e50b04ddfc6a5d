// daemon/failure.hh - what went wrong, as a code for programs and one line for people.
//
// The daemon's errors cross a socket to programs in other languages, so they are named codes (PROTOCOL.md lists them)
// and not errno values.
//
// Ownership:  plain values.
// Threading:  none.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace puffs::daemon {

enum class failure_code {
    bad_json,    // the line is not a JSON object; the connection is closed after the reply
    too_long,    // the line passes limits::request_bytes; the connection is closed after the reply
    too_many,    // clients, or mounts in the table
    bad_request, // a field is missing, unknown, of the wrong type or has a value out of range
    unknown_op,  //
    denied,      // the peer's uid may not do this
    no_such_mount, // no entry has this mount point
    no_such_server,
    exists,        // the mount point is taken, in the table or in the mount namespace
    start_failed,  // the server said why, or died, before it was ready
    start_timeout, // the server said nothing in time, and was killed
    died,          // the server ended while it was serving
    stop_failed,   // the server does not die, or its mount cannot be detached
    shutting_down,
    bad_config, // never on the wire: a configuration file or command line was refused
    no_daemon,  // never on the wire: nobody listens on the socket
    system,     // a system call failed; the message names it
};

// The code as it is written in a reply: the enumerator's own name.
[[nodiscard]] std::string_view name(failure_code code);
[[nodiscard]] std::optional<failure_code> failure_code_from(std::string_view name);

struct failure {
    failure_code code;
    std::string message; // one line, without a full stop

    friend bool operator==(const failure&, const failure&) = default;
};

template <class T>
using outcome = std::expected<T, failure>;

[[nodiscard]] inline std::unexpected<failure> fail(failure_code code, std::string message) {
    return std::unexpected<failure>(failure{code, std::move(message)});
}

// "WHAT: text of NUMBER".
[[nodiscard]] std::unexpected<failure> fail_system(std::string_view what, int number);

// `text` with every control character replaced, so that it stays one line in a log, a table or a reply.
[[nodiscard]] std::string one_line(std::string_view text);

} // namespace puffs::daemon
