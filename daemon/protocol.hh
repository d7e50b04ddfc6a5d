// daemon/protocol.hh - requests and replies as lines of JSON; PROTOCOL.md is the description for users.
//
// Units:      a line without its newline, at most limits::request_bytes.
// Ownership:  plain values.
// Threading:  none.
// Errors:     bad_json, bad_request, unknown_op.
#pragma once

#include "daemon/failure.hh"
#include "daemon/mount.hh"
#include "daemon/mount_spec.hh"

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace puffs::daemon {

using json = nlohmann::json;

enum class operation { mount, umount, list, status };

struct request {
    json id; // number or string, given back in the reply
    operation op = operation::list;
    mount_spec spec; // mount; of the others, umount and status use the mount point only
};

// What a line is: a request, or an error with as much of an id as could be read.
struct refused_request {
    json id; // null when there is none
    failure why;

    // Whether the peer speaks JSON at all; if not, the rest of what it sends means nothing.
    [[nodiscard]] bool hopeless() const { return why.code == failure_code::bad_json; }
};

// parse_request - reads one line. Every field that the operation does not know is refused.
[[nodiscard]] std::expected<request, refused_request> parse_request(std::string_view line);

[[nodiscard]] std::string_view name(operation op);

// A request's line, for the client; empty fields are left out.
[[nodiscard]] std::string request_line(int id, operation op, const mount_spec& spec);

// Replies, with the newline. `result` is an object whose members stand beside "id" and "ok".
[[nodiscard]] std::string reply_line(const json& id, json result);
[[nodiscard]] std::string reply_line(const json& id, const failure& why);

// One mount as it is shown in replies.
[[nodiscard]] json to_json(const mount_status& status);

// "2026-11-21T03:25:06Z".
[[nodiscard]] std::string utc_text(std::chrono::system_clock::time_point when);

} // namespace puffs::daemon
