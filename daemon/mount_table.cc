#include "daemon/mount_table.hh"

#include "daemon/limits.hh"
#include "daemon/mountpoint.hh"
#include "puffs/base/log.hh"

#include <algorithm>
#include <utility>

namespace puffs::daemon {

namespace asio = boost::asio;

mount_table::mount_table(asio::io_context& context, supervision common)
    : context_(context), common_(std::move(common)), changed_(context) {}

outcome<mount*> mount_table::add(mount_spec spec) {
    if (auto ok = check(spec); !ok) return std::unexpected(ok.error());
    if (shutting_down_) return fail(failure_code::shutting_down, "puffsd is shutting down");
    const auto there = mounts_.find(spec.mountpoint);
    if (there != mounts_.end() && !there->second->replaceable()) {
        return fail(failure_code::exists, spec.mountpoint + " is in the table already (" +
                                              std::string(name(there->second->status().state)) +
                                              ")");
    }
    if (there == mounts_.end() && mounts_.size() >= limits::mounts) {
        return fail(failure_code::too_many,
                    "the table holds " + std::to_string(limits::mounts) + " mounts");
    }
    auto& entry = mounts_[spec.mountpoint];
    entry = std::make_unique<puffs::daemon::mount>(context_, changed_, common_, std::move(spec),
                                                   ++last_id_);
    entry->start();
    return entry.get();
}

mount* mount_table::find(const std::string& mountpoint, std::uint64_t id) const {
    const auto found = mounts_.find(mountpoint);
    return found != mounts_.end() && found->second->id() == id ? found->second.get() : nullptr;
}

void mount_table::forget(const std::string& mountpoint, std::uint64_t id) {
    if (const auto* entry = find(mountpoint, id); entry != nullptr && !entry->active()) {
        mounts_.erase(mountpoint);
    }
}

// The entry may be removed or replaced during any wait, so it is looked up again after each; empty when it is gone.
awaitable<std::optional<mount_status>> mount_table::settled(std::string mountpoint,
                                                            std::uint64_t id) {
    for (;;) {
        const auto* entry = find(mountpoint, id);
        if (entry == nullptr) co_return std::nullopt;
        if (entry->settled()) co_return entry->status();
        co_await changed_.wait();
    }
}

awaitable<outcome<mount_status>> mount_table::mount(mount_spec spec) {
    const auto added = add(std::move(spec));
    if (!added) co_return std::unexpected(added.error());
    const auto mountpoint = (*added)->mountpoint();
    const auto id = (*added)->id();
    const auto status = co_await settled(mountpoint, id);
    if (status && status->state == mount_state::running) co_return *status;
    if (!status || !status->failed) {
        forget(mountpoint, id);
        co_return fail(failure_code::start_failed, "it was unmounted at once");
    }
    if (status->failed->code != failure_code::stop_failed) forget(mountpoint, id);
    co_return std::unexpected(*status->failed);
}

awaitable<outcome<void>> mount_table::umount(std::string mountpoint) {
    const auto found = mounts_.find(mountpoint);
    if (found == mounts_.end()) {
        co_return fail(failure_code::no_such_mount, "no mount at " + one_line(mountpoint));
    }
    const auto id = found->second->id();
    found->second->stop();
    const auto status = co_await settled(mountpoint, id);
    if (status && status->failed) co_return std::unexpected(*status->failed);
    forget(mountpoint, id);
    co_return outcome<void>();
}

awaitable<void> mount_table::start_all(std::vector<mount_spec> specs) {
    for (const auto& spec : specs) {
        for (const auto& earlier : list()) {
            if (!lies_below(spec.mountpoint, earlier.spec.mountpoint)) continue;
            const auto found = mounts_.find(earlier.spec.mountpoint);
            if (found != mounts_.end()) {
                co_await settled(earlier.spec.mountpoint, found->second->id());
            }
        }
        if (shutting_down_) co_return;
        if (const auto added = add(spec); !added) {
            PUFFS_LOG(err, "{}: not started: {}", spec.mountpoint, added.error().message);
        }
    }
}

bool mount_table::carries_another(const puffs::daemon::mount& outer) const {
    return std::ranges::any_of(mounts_, [&](const auto& entry) {
        return entry.second->serving() && lies_below(entry.first, outer.mountpoint());
    });
}

awaitable<void> mount_table::stop_all() {
    shutting_down_ = true;
    for (;;) {
        bool waiting = false;
        for (const auto& [mountpoint, entry] : mounts_) {
            if (!entry->serving()) continue;
            if (!carries_another(*entry)) entry->stop();
            waiting = waiting || entry->serving();
        }
        if (!waiting) co_return;
        co_await changed_.wait();
    }
}

void mount_table::hurry() {
    for (const auto& [mountpoint, entry] : mounts_)
        entry->hurry();
}

std::vector<mount_status> mount_table::list() const {
    std::vector<mount_status> all;
    all.reserve(mounts_.size());
    for (const auto& [mountpoint, entry] : mounts_)
        all.push_back(entry->status());
    return all;
}

std::optional<mount_status> mount_table::status(const std::string& mountpoint) const {
    const auto found = mounts_.find(mountpoint);
    if (found == mounts_.end()) return std::nullopt;
    return found->second->status();
}

} // namespace puffs::daemon
