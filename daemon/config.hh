// daemon/config.hh - puffsd.toml.
//
//   socket = "/run/puffsd.sock"          # default: see default_socket()
//   log_level = "info"                   # of puffsd itself
//   server_dirs = ["/usr/bin"]           # where a server's name is looked up; default: see default_server_dirs()
//   start_timeout_ms = 10000             # for a server to become ready; then it is killed
//   stop_timeout_ms = 10000              # for a server to unmount; then it is killed
//   allow_uids = [1000]                  # may do everything, beside root and puffsd's own uid
//   others = "list"                      # what all others may do: "list" (list and status) or "nothing"
//
//   [[mount]]                            # any number; started in this order
//   server = "memfs"                     # a name or an absolute path
//   source = "none"                      # optional, like all that follow the mount point
//   mountpoint = "/mnt/scratch"
//   options = "size=1G,allow_other"
//   cores = "0-1"
//   log_level = "info"
//   restart = "on-failure"               # or "never"
//
// Ownership:  plain values.
// Threading:  none.
// Errors:     bad_config, always as FILE:LINE: text, or FILE: text when the file cannot be read. An unknown key is an
//             error: a misspelt one would otherwise be a setting that silently does nothing.
#pragma once

#include "daemon/failure.hh"
#include "daemon/mount_spec.hh"

#include <chrono>
#include <string>
#include <sys/types.h>
#include <vector>

namespace puffs::daemon {

struct config {
    std::string socket;
    std::string log_level = "info";
    std::vector<std::string> server_dirs;
    std::chrono::milliseconds start_timeout{10'000};
    std::chrono::milliseconds stop_timeout{10'000};
    std::vector<uid_t> allow_uids;
    bool others_may_list = true;
    std::vector<mount_spec> mounts;
};

// Blocks:  on the file itself and on the paths of its mount points (canonical_mountpoint).
[[nodiscard]] outcome<config> read_config(const std::string& path);

// The socket when neither the configuration nor the command line names one: /run/puffsd.sock for root,
// $XDG_RUNTIME_DIR/puffsd.sock for others; empty when that variable is not set.
[[nodiscard]] std::string default_socket();

// The configuration when none is named: /etc/puffs/puffsd.toml for root, $XDG_CONFIG_HOME/puffs/puffsd.toml (or
// ~/.config/puffs/puffsd.toml) for others; empty when there is no such directory to look in.
[[nodiscard]] std::string default_config();

// The directory of this very program, then the one in which servers are installed.
[[nodiscard]] std::vector<std::string> default_server_dirs();

} // namespace puffs::daemon
