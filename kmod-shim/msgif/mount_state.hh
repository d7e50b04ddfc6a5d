// msgif/mount_state.hh - what a mount consists of: its status, its shards, its view of the server's nodes.
//
// Threading:  each member says.
#pragma once

#include "puffs/kmod/msgif.hh"
#include "puffs/msgport/simple_ports.hh"
#include "shard.hh"
#include "vnode_table.hh"

#include <atomic>
#include <memory>
#include <vector>

namespace puffs::kmod {

struct puffs_mount::implementation {
    implementation(puffs_mount& m, ipi::domain& d, const wire_translation* older_layout);

    [[nodiscard]] bool running() const noexcept {
        return status.load(std::memory_order_acquire) == mount_status::running;
    }
    [[nodiscard]] shard& of(core_id c) noexcept { return *shards[c]; }
    // The shard whose core could have given out this id, or null.
    [[nodiscard]] shard* home_of(std::uint64_t id) noexcept;

    // Tells the server of something that is wrong with what it sent; `text` for people. Any core.
    void respond_to(const msg::request& original, int error, std::string_view text);
    void report(msg::cookie node, std::uint32_t optype, int error, std::string_view text);

    // constant after construction
    puffs_mount& self;
    ipi::domain& domain;
    const wire_translation* const older;
    std::vector<std::unique_ptr<shard>> shards;
    msgport::replyonly_port replies;
    const tick_rate rate;

    // atomic, or with a synchronisation of their own
    // release store with what came before it; acquire in running(). userdead makes every core see it by its multicast.
    std::atomic<mount_status> status{mount_status::before_init};
    std::atomic<transport*> peer{
        nullptr}; // null before attach and after detach; release and acquire
    std::atomic<bool> was_attached{false};
    std::atomic<bool> unmounting{false}; // claimed by the unmounter; acq_rel exchange
    lwkt::wait_queue unmount_over;       // signalled when `unmounting` clears
    lwkt::wait_queue users_left;         // signalled when a core's users reach 0 while dying (U10)
    vnode_table nodes;
};

} // namespace puffs::kmod
