// node_table.hh - the live nodes of a mount: found by cookie without a lock, by id through sharded maps.
//
// Slots stand in chunks that never move. A cookie is a slot and its generation; a cookie of an earlier
// generation is stale. The server's id of a node is in one of `shards` maps while the node is live or
// dying, so that there are never two nodes of one id.
//
// Finding and reclaiming: an answer of the server's lookup names an id that may be reclaimed between
// the moment when the server decided on it and the moment when the node is held. The server has then
// thrown its object away and the answer is worthless. So a lookup notes the era before it asks the
// server, and hold_id refuses with estale an id whose reclaim ended since, or ends while hold_id waits
// for it: the caller asks the server again. (Rejected: a lock that keeps reclaim out while the server
// looks up; one slow lookup would delay all others.) Reclaims are noted in `stamps` places a shard; two
// ids in one place make a needless second question, nothing worse.
//
// Units:      slots; nodes_max of the mount's options.
// Full:       enfile: nodes_max nodes live, or holds_max holds on one node. enomem: no memory.
// Ownership:  owns the nodes; calls `reclaim` of its owner for each that dies.
// Threading:  any thread, light or ordinary.
// Blocks:     hold_id, while the node of that id is being reclaimed: the caller, not its core.
// Source:     spec X6.
#pragma once

#include "node_map.hh"
#include "puffs/base/error.hh"
#include "puffs/base/spinlock.hh"
#include "puffs/base/waiter.hh"

#include <array>
#include <atomic>
#include <boost/intrusive/list.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace puffs {

class node_table;

// A hold on a node: while it lives, the node does. Dropping the last use reclaims the node in the
// dropping thread, so a hold is not dropped while the node, or what its reclaim needs, is locked.
class node_hold {
  public:
    node_hold() = default;
    node_hold(node_hold&& other) noexcept
        : table_(other.table_), node_(std::exchange(other.node_, nullptr)) {}
    node_hold& operator=(node_hold&& other) noexcept {
        node_hold moved(std::move(other));
        std::swap(table_, moved.table_);
        std::swap(node_, moved.node_);
        return *this;
    }
    ~node_hold() { drop(); }

    [[nodiscard]] explicit operator bool() const noexcept { return node_ != nullptr; }
    [[nodiscard]] node& operator*() const noexcept { return *node_; }
    [[nodiscard]] node* operator->() const noexcept { return node_; }
    [[nodiscard]] node* get() const noexcept { return node_; }

    void drop() noexcept;
    // Turns the hold into a lookup: an answer that names the node is on its way.
    msg::cookie into_lookup() noexcept;
    // Turns the hold into one that close_file() drops: an open file.
    void into_open() noexcept;
    // The hold stays, for take_over() to find.
    void leave() noexcept { node_ = nullptr; }

  private:
    friend class node_table;
    node_hold(node_table& t, node& n) noexcept : table_(&t), node_(&n) {}
    node_table* table_ = nullptr;
    node* node_ = nullptr;
};

class node_table {
  public:
    static constexpr std::size_t shards = 64, stamps = 64;
    static constexpr std::size_t chunk_slots = 512;
    using reclaim_function = void (*)(void* context, node& n) noexcept;

    // Makes the root, slot 1 of generation 0. Throws bad_alloc.
    node_table(std::uint64_t root_id, std::uint32_t nodes_max, reclaim_function reclaim,
               void* context);
    ~node_table();
    node_table(const node_table&) = delete;
    node_table& operator=(const node_table&) = delete;

    [[nodiscard]] node& root() noexcept { return *slot(msg::slot_of(msg::cookie::root)); }

    // hold - the live node of this cookie. Errors: estale there is none; enfile too many holds.
    // Never blocks.
    [[nodiscard]] result<node_hold> hold(msg::cookie c) noexcept;

    // take_over - the hold of this cookie that leave() left.
    [[nodiscard]] node_hold take_over(msg::cookie c) noexcept {
        return {*this, *slot(msg::slot_of(c))};
    }

    // era - what to give to hold_id; read it before asking the server for an id.
    using era_number = std::uint64_t;
    static constexpr era_number any_era = ~era_number{0}; // for ids that the server has just made
    [[nodiscard]] era_number era() const noexcept {
        return reclaims_.load(std::memory_order_relaxed);
    }
    // hold_id - the node of this id, made if there is none. `type` none: not known yet.
    // Errors:   estale see above; eproto the id is live with another type; enfile; enomem.
    [[nodiscard]] result<node_hold> hold_id(std::uint64_t id, vtype type,
                                            era_number since) noexcept;

    // give_back - the kernel has dropped `count` answers that named the node. More than were given
    // count as all of them. False: there is no such node, or it had fewer.
    bool give_back(msg::cookie c, std::uint64_t count) noexcept;
    // close_file - drops the hold of one open file. Returns how many are left; nullopt: there was none.
    // Requires: the caller holds the node.
    std::optional<std::uint32_t> close_file(node& n) noexcept;

    // reclaim_all - reclaims every live node but the root, whatever its uses. Nothing else runs.
    void reclaim_all() noexcept;
    [[nodiscard]] std::size_t live() const noexcept {
        return live_.load(std::memory_order_relaxed);
    }

  private:
    friend class node_hold;
    struct chunk {
        std::array<node, chunk_slots> nodes;
    };
    struct reclaim_waiter : boost::intrusive::list_base_hook<> {
        waiter* who = nullptr;
        const puffs::node* on = nullptr; // the list's hook has a `node` of its own
        bool over = false;               // guarded by the shard's lock
    };
    struct alignas(limits::cacheline_bytes) shard {
        spinlock mu;
        node_map map PUFFS_GUARDED_BY(mu);
        std::array<era_number, stamps> ended PUFFS_GUARDED_BY(mu){};
        boost::intrusive::list<reclaim_waiter> waiters PUFFS_GUARDED_BY(mu);
    };
    enum class found : std::uint8_t { held, dying, stale, other_type, too_many, absent };

    [[nodiscard]] shard& shard_of(std::uint64_t id) const noexcept {
        return shards_[hash_of(id) >> 58];
    }
    [[nodiscard]] static std::size_t stamp_of(std::uint64_t id) noexcept {
        return (hash_of(id) >> 52) % stamps;
    }
    [[nodiscard]] node* slot(std::uint32_t number) const noexcept;
    [[nodiscard]] result<node*> take_slot() noexcept;
    [[nodiscard]] result<std::uint32_t> fresh_slot() noexcept;
    void put_slot(node& n) noexcept;
    [[nodiscard]] found find(shard& s, std::uint64_t id, vtype type, era_number since,
                             node*& n) noexcept PUFFS_REQUIRES(s.mu);
    [[nodiscard]] static bool add_hold(node& n) noexcept;
    [[nodiscard]] node_map::array insert(shard& s, node& n, std::uint64_t id, vtype type) noexcept
        PUFFS_REQUIRES(s.mu);
    void grow(shard& s, std::size_t wanted) noexcept;
    void wait_for_reclaim(shard& s, std::uint64_t id) noexcept;
    void lessen(node& n, std::uint64_t uses) noexcept;
    void bury(node& n) noexcept;

    // constant after construction
    const std::uint32_t nodes_max_;
    const reclaim_function reclaim_;
    void* const context_;
    const std::unique_ptr<shard[]> shards_;
    const std::size_t chunks_max_;

    // atomic
    // release when a chunk is ready, acquire in slot()
    const std::unique_ptr<std::atomic<chunk*>[]> chunks_;
    std::atomic<era_number> reclaims_{0}; // ended ones; relaxed, see era() in the text above
    std::atomic<std::size_t> live_{0};    // relaxed, a count
    std::atomic<bool> said_full_{false};  // relaxed, one log line

    spinlock free_mu_;
    node* free_ PUFFS_GUARDED_BY(free_mu_) = nullptr;
    std::mutex chunk_mu_; // one thread makes a chunk; ordinary lock, held over one allocation
    std::uint32_t slots_used_ PUFFS_GUARDED_BY(free_mu_) = 1; // slot 0 stays empty: cookie none
};

} // namespace puffs
