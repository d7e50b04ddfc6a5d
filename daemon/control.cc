#include "daemon/control.hh"

#include "puffs/base/log.hh"

#include <algorithm>
#include <unistd.h>

namespace puffs::daemon {

bool permissions::allows_everything(uid_t peer) const {
    return peer == 0 || peer == own_uid || std::ranges::find(allow_uids, peer) != allow_uids.end();
}

bool permissions::allows(uid_t peer, operation op) const {
    if (allows_everything(peer)) return true;
    switch (op) {
    case operation::list:
    case operation::status:
        return others_may_list;
    case operation::mount:
    case operation::umount:
        return false;
    }
    return false;
}

control::control(mount_table& table, permissions who)
    : table_(table), who_(std::move(who)), started_(std::chrono::system_clock::now()) {}

awaitable<outcome<json>> control::answer(uid_t peer, request wanted) {
    if (!who_.allows(peer, wanted.op)) {
        co_return fail(failure_code::denied,
                       "user " + std::to_string(peer) + " may not " + std::string(name(wanted.op)));
    }
    switch (wanted.op) {
    case operation::mount: {
        PUFFS_LOG(info, "{}: mount asked for by user {}", one_line(wanted.spec.mountpoint), peer);
        const auto mounted = co_await table_.mount(std::move(wanted.spec));
        if (!mounted) co_return std::unexpected(mounted.error());
        co_return json{{"mount", to_json(*mounted)}};
    }
    case operation::umount: {
        PUFFS_LOG(info, "{}: umount asked for by user {}", one_line(wanted.spec.mountpoint), peer);
        const auto unmounted = co_await table_.umount(std::move(wanted.spec.mountpoint));
        if (!unmounted) co_return std::unexpected(unmounted.error());
        co_return json::object();
    }
    case operation::list:
        co_return list();
    case operation::status:
        co_return status_of(wanted.spec.mountpoint);
    }
    co_return json::object();
}

outcome<json> control::status_of(const std::string& mountpoint) const {
    if (mountpoint.empty()) return own_status();
    const auto status = table_.status(mountpoint);
    if (!status) return fail(failure_code::no_such_mount, "no mount at " + one_line(mountpoint));
    return json{{"mount", to_json(*status)}};
}

json control::list() const {
    json mounts = json::array();
    for (const auto& status : table_.list())
        mounts.push_back(to_json(status));
    return {{"mounts", std::move(mounts)}};
}

json control::own_status() const {
    json counts = json::object();
    for (const auto& status : table_.list()) {
        auto& count = counts[std::string(name(status.state))];
        count = count.is_null() ? 1 : count.get<int>() + 1;
    }
    return {{"daemon",
             {{"version", PUFFS_VERSION},
              {"pid", ::getpid()},
              {"uid", ::geteuid()},
              {"since", utc_text(started_)},
              {"shutting_down", table_.shutting_down()},
              {"mounts", std::move(counts)}}}};
}

} // namespace puffs::daemon
