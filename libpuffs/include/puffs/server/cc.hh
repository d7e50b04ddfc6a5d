// server/cc.hh - call context: who asks, through what, and what the framework offers while an
// operation runs.
//
// Ownership:  on the stack of the light thread that runs the operation; valid until the operation
//             returns.
// Threading:  the light thread that runs the operation. It may block there (lwkt calls); the core
//             serves others meanwhile.
// Source:     NetBSD libpuffs puffs_cc (idea).
#pragma once

#include "puffs/msg/request.hh"
#include "puffs/server/node.hh"

#include <chrono>
#include <cstdint>
#include <optional>

namespace puffs {

class usermount;

class cc {
  public:
    cc(usermount& um, msg::request& req) noexcept : mount_(um), req_(req) {}
    cc(const cc&) = delete;
    cc& operator=(const cc&) = delete;

    [[nodiscard]] usermount& mount() const noexcept { return mount_; }
    [[nodiscard]] const msg::caller& caller() const noexcept { return req_.head.who; }
    [[nodiscard]] std::uint64_t request_id() const noexcept { return req_.head.id; }
    // The handle that this server's open answered for the open file in question; 0 if it gave none.
    [[nodiscard]] std::uint64_t handle() const noexcept { return handle_; }
    // In getattr: how long the kernel may keep these attributes, instead of the mount's time.
    void attr_timeout(std::chrono::nanoseconds d) noexcept { attr_timeout_ = d; }
    // True in a write after which the file may not keep its set-id bits (set-group-id only if the group may execute
    // it), nor its capabilities. Only servers that clear them are told (mount_options::clears_set_id); a setattr says
    // the same by msg::set_kill_suidgid.
    [[nodiscard]] bool kills_set_id() const noexcept {
        return req_.head.optype == static_cast<std::uint32_t>(msg::vn_op::write) &&
               req_.args.io.kill_set_id != 0;
    }

  private:
    friend struct call;
    usermount& mount_;
    msg::request& req_;
    std::uint64_t handle_ = 0;
    std::optional<std::chrono::nanoseconds> attr_timeout_; // of the last getattr
};

} // namespace puffs
