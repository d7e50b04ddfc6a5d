// daemon/mount_spec.hh - what is to be mounted: one [[mount]] of the configuration, or one mount request.
//
// Both are read through the table of fields below, so that they have the same names, rules and messages.
//
// Ownership:  plain values.
// Threading:  none.
// Errors:     bad_request with the name of the field, no_such_server.
#pragma once

#include "daemon/failure.hh"

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace puffs::daemon {

enum class restart_policy { never, on_failure };

struct mount_spec {
    std::string server = {};     // an absolute path, or a name for the server directories
    std::string source = {};     // empty: none; given to the server as it is
    std::string mountpoint = {}; // canonical (mountpoint.hh)
    std::string options = {};    // "size=1G,allow_other", given to the server as -o
    std::string cores = {};      // "0-3,8", given to the server as --cores
    std::string log_level = {};  // given to the server as --log-level
    std::string restart = {};    // "never" (or empty) or "on-failure"

    [[nodiscard]] restart_policy restart_when() const {
        return restart == "on-failure" ? restart_policy::on_failure : restart_policy::never;
    }

    friend bool operator==(const mount_spec&, const mount_spec&) = default;
};

struct mount_field {
    std::string_view name; // in the configuration and in a request
    std::string mount_spec::*value;
};

inline constexpr std::array mount_fields{
    mount_field{"server", &mount_spec::server},
    mount_field{"source", &mount_spec::source},
    mount_field{"mountpoint", &mount_spec::mountpoint},
    mount_field{"options", &mount_spec::options},
    mount_field{"cores", &mount_spec::cores},
    mount_field{"log_level", &mount_spec::log_level},
    mount_field{"restart", &mount_spec::restart},
};

// What file servers and puffsd call their log levels.
inline constexpr std::array<std::string_view, 6> log_levels{"trace",   "debug", "info",
                                                            "warning", "error", "off"};

// check - whether every field has a value that a server's command line can carry. Touches no file system.
// Errors:  bad_request; the message begins with the field's name.
[[nodiscard]] outcome<void> check(const mount_spec& spec);

// find_server - the program of a server: `server` itself when it is an absolute path, else the first executable file of
// that name in `directories`.
// Errors:  no_such_server.
[[nodiscard]] outcome<std::string> find_server(const std::string& server,
                                               std::span<const std::string> directories);

// server_command - the command line of a file server in the foreground that answers on descriptor `ready_fd`:
//   PROGRAM -f [-o LIST] [--cores=LIST] [--log-level=L] --ready-fd=N [SOURCE] MOUNTPOINT
[[nodiscard]] std::vector<std::string> server_command(const std::string& program,
                                                      const mount_spec& spec, int ready_fd);

} // namespace puffs::daemon
