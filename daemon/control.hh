// daemon/control.hh - what a peer may ask for, and the answer.
//
// Ownership:  owns nothing; the table outlives it.
// Threading:  the thread that runs the executor.
// Errors:     denied; those of the table.
#pragma once

#include "daemon/awaitable.hh"
#include "daemon/failure.hh"
#include "daemon/mount_table.hh"
#include "daemon/protocol.hh"

#include <chrono>
#include <sys/types.h>
#include <vector>

namespace puffs::daemon {

// Who may do what. Everything: root, puffsd's own uid and `allow_uids`. Note that everything includes running any
// program with puffsd's rights. The others: list and status, or nothing.
struct permissions {
    uid_t own_uid = 0;
    std::vector<uid_t> allow_uids;
    bool others_may_list = true;

    [[nodiscard]] bool allows_everything(uid_t peer) const;
    [[nodiscard]] bool allows_something(uid_t peer) const {
        return others_may_list || allows_everything(peer);
    }
    [[nodiscard]] bool allows(uid_t peer, operation op) const;
};

class control {
  public:
    control(mount_table& table, permissions who);

    // answer - does what `wanted` says for a peer with this uid.
    // Returns:  the members of the reply.
    [[nodiscard]] awaitable<outcome<json>> answer(uid_t peer, request wanted);

    [[nodiscard]] const permissions& who() const { return who_; }

  private:
    outcome<json> status_of(const std::string& mountpoint) const;
    json list() const;
    json own_status() const;

    // Constant after construction.
    mount_table& table_;
    const permissions who_;
    const std::chrono::system_clock::time_point started_;
};

} // namespace puffs::daemon
