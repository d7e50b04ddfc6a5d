// daemon/limits.hh - every limit of the daemon, each with what happens there.
//
// Units:      in the name or in the type.
// Threading:  constants.
#pragma once

#include <chrono>
#include <cstddef>

namespace puffs::daemon::limits {

inline constexpr std::size_t mounts = 256; // in the table, failed ones too; more: too_many
inline constexpr std::size_t clients = 32; // connected; the next one is told too_many and closed
// The same of those who may only look, together and of one user: they leave room for those who may do everything.
inline constexpr std::size_t other_clients = 16;
inline constexpr std::size_t clients_of_other = 4;
inline constexpr std::size_t request_bytes =
    16 * 1024; // of one request line; longer: too_long, then closed
inline constexpr std::size_t reply_bytes =
    8 * 1024 * 1024;                              // of one reply line, checked by the client
inline constexpr std::size_t id_bytes = 64;       // of a request's id when it is a string
inline constexpr std::size_t path_bytes = 4095;   // of a mount point, server or source
inline constexpr std::size_t option_bytes = 4095; // of an option list
inline constexpr std::size_t output_line_bytes =
    1024; // of a server's output; longer lines are cut into several
inline constexpr std::size_t drain_reads = 64; // of a dead server's output; what is left is dropped
inline constexpr unsigned restarts = 5;        // in a row; then the mount stays failed

inline constexpr std::chrono::seconds idle{60};  // of a client between requests; then closed
inline constexpr std::chrono::seconds detach{5}; // for one detach; then it is killed and reported
inline constexpr std::chrono::seconds kill_wait{
    5}; // for a killed server to be gone; then it is given up
inline constexpr std::chrono::seconds farewell{
    1}; // for clients to take their last reply at shutdown
inline constexpr std::chrono::milliseconds no_answer{
    500}; // from a closed ready descriptor to the server's death
inline constexpr std::chrono::milliseconds accept_pause{
    100}; // after accept(2) failed, before the next
inline constexpr std::chrono::milliseconds restart_pause{
    1000}; // before the first restart; doubles with each
inline constexpr std::chrono::seconds steady{
    60}; // of running, after which restarts count from 0 again

} // namespace puffs::daemon::limits
