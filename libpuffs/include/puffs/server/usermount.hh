// server/usermount.hh - the library's side of one mount: requests in, operations called, replies
// out.
//
// Each core has a port; a request that arrives there runs at once on the light thread that brought
// it (putonly port, H6), under the mount's concurrency policy; or on another core, where its own has too much to do.
// The message comes back as its port's put returns: its error is the request's rv, its result.u64 the bytes of `out`
// that the reply uses.
//
//   policy   | what the author of a server may assume
//   per_node | two operations never run at once on one node; an operation has all its nodes
//   serial   | one operation at a time in the mount
//   parallel | nothing
//   home     | as per_node, and every operation of a node, its reclaim too, runs on the node's home
//            | core, so that what belongs to a node stays with that core. An operation on several
//            | nodes, with the lookups that it needs, runs on the home of one of them and has the
//            | others to itself meanwhile (H4, H5). At the end of the mount the thread that calls
//            | finish reclaims all nodes, when no core runs anything else
// Whatever the policy, reclaim runs alone on its node, once, and start and unmount run alone.
//
// What has a node keeps it while it sleeps. Under home a request reaches the home of its node as a
// message, embedded in the request; one whose node is at home on the core that issued it runs at once
// as under the others. home_of says where a node lives: a hash of its cookie, the root on core 0.
// Operations on no node (statvfs, sync) run where they were asked.
//
// Units:      timeouts std::chrono; absent timeouts in replies are the mount's.
// Full:       nodes_max live nodes: operations that would name one more answer enfile.
// Ownership:  refers to the file server and its operations; owns the node table.
// Threading:  constructed and destroyed by an ordinary thread while no core serves it; port(c) is
//             used on core c.
// Blocks:     a request blocks its light thread where the policy or the operation waits.
// Errors:     an exception out of an operation becomes eio and one log line naming operation and
//             node.
// Source:     NetBSD libpuffs struct puffs_usermount (idea).
#pragma once

#include "puffs/msg/putter.hh"
#include "puffs/server/ops.hh"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string_view>

namespace puffs {

enum class policy : std::uint8_t { per_node, serial, parallel, home };
inline constexpr std::array all_policies{policy::per_node, policy::serial, policy::parallel,
                                         policy::home};
[[nodiscard]] std::string_view name_of(policy p) noexcept;

// The policies that a server bears: under another one it would break.
class policy_set {
  public:
    constexpr policy_set(std::initializer_list<policy> list) noexcept {
        for (const policy p : list) {
            bits_ |= bit(p);
        }
    }
    [[nodiscard]] constexpr bool has(policy p) const noexcept { return (bits_ & bit(p)) != 0; }

  private:
    [[nodiscard]] static constexpr unsigned bit(policy p) noexcept {
        return 1U << static_cast<unsigned>(p);
    }
    unsigned bits_ = 0;
};

struct usermount_options {
    policy concurrency = policy::per_node;
    std::chrono::nanoseconds entry_timeout = std::chrono::seconds(1);
    std::chrono::nanoseconds attr_timeout = std::chrono::seconds(1);
    std::chrono::nanoseconds negative_timeout = std::chrono::nanoseconds(0);
    std::uint64_t root_id = 1; // the server's id of the root directory
    bool read_only = false;    // what would change something answers erofs
    bool trace = false;        // -d: one log line a request and reply
    // A class's default, not an option: nobody but this mount changes what the server has. So the kernel keeps pages
    // and directories from one open to the next (see ops.hh), the targets of symbolic links, and, where no set-id
    // program depends on it, pages whose file has another time than before.
    bool sole_owner = false;
    bool writeback_cache = false; // the kernel collects writes: see open in ops.hh
    std::uint32_t nodes_max = 1U << 24;
    // Work that waits on a core, by how long it will take, beyond which the core hands requests to cores that sleep; 0:
    // never. Policies per_node and parallel.
    std::chrono::nanoseconds backlog = std::chrono::microseconds(200);
};

class node_table;
class homes;
class crossing;
struct call;

class usermount {
  public:
    // Lifetime:  `server` and `ops` outlive the usermount.
    usermount(void* server, const operations& ops, const usermount_options& o, core_id cores);
    ~usermount();
    usermount(const usermount&) = delete;
    usermount& operator=(const usermount&) = delete;

    [[nodiscard]] msgport::port& port(core_id c) noexcept;
    [[nodiscard]] const usermount_options& options() const noexcept { return options_; }
    [[nodiscard]] node& root() noexcept;
    [[nodiscard]] std::size_t live_nodes() const noexcept;
    // How many requests this core has handed to others (see usermount_options::backlog). Any thread.
    [[nodiscard]] std::uint64_t handed_on(core_id from) const noexcept;
    // The core where the operations of the node run. Requires: policy home. Any thread.
    [[nodiscard]] core_id home_of(const node& n) const noexcept;

    // Calls the server's start. Any thread, before requests flow.
    // Errors:    enosys the server has no getattr; what the server's start answers; eio it threw.
    result<void> start();
    // Reclaims all live nodes but the root (the kernel gives back nothing at unmount; see ops.hh), also those with open
    // files, then calls the server's unmount. On a light thread or an ordinary one, after the last request; later
    // requests answer enxio. Idempotent.
    void finish(bool force) noexcept;

    // execute - runs the operation of one request and fills in its reply: values, rv; returns how many
    // bytes of `out` it used. The body of the port; public for tests and for transports to other
    // processes. noexcept: this is the wall.
    // Requires:  a light thread or an ordinary one, holding none of the mount's locks. Under home: a
    //            light thread of the node's home.
    // Errors:    in rv: what the operation answers; estale the cookie names no live node; enotdir,
    //            eisdir, einval, enametoolong for requests that make no sense; erofs; eio the server
    //            threw; eproto the server answered nonsense, which is logged; eopnotsupp a class or
    //            operation that this side does not know.
    std::size_t execute(msg::request& req, msg::payload data) noexcept {
        return execute(req, data, nullptr);
    }

  private:
    friend struct call;
    friend class homes;
    friend class lock_set;
    // `pinned`: a node that the request has already.
    std::size_t execute(msg::request& req, msg::payload data, node* pinned) noexcept;
    template <class F>
    void at_home(const node& n, F&& f); // calls f where the node lives; homes.hh
    void run(call& c) noexcept PUFFS_NO_TSA;
    void reclaim(node& n) noexcept;
    void reclaim_here(node& n) noexcept;

    // constant after construction
    void* const server_;
    const operations& ops_;
    const usermount_options options_;
    const std::unique_ptr<node_table> nodes_;
    const std::unique_ptr<homes> homes_;       // policy home
    const std::unique_ptr<crossing> crossing_; // where work may cross
    struct ports;
    const std::unique_ptr<ports> ports_;

    lwkt::mutex serial_;                // policy serial: held over each request
    std::atomic<bool> finished_{false}; // relaxed: set after the last request
};

} // namespace puffs
