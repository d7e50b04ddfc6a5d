// kmod/msgif.hh - the message interface of one mount: parks, a touser queue and a replywait table
// on each core, replies, the life of the mount.
//
// A front end (fuse, vfs, tests) allocates parks, fills requests and enqueues them; a transport
// gets them out through the putter half and dispatches the server's replies. There is no lock: each
// core's queues, table and pool belong to it; a reply for another core's park travels there by IPI,
// found through its id (core, slot, generation). Commands for the whole mount (userdead) are
// multicast to all cores and waited for (H7).
//
// Units:      ids: core in the top 8 bits, generation in the next 32, slot in the low 24; never 0 (F14).
// Full:       msgmem_alloc returns null when a core has limits::parks_per_core parks in flight.
// Ownership:  the mount owns its parks' memory. It is destroyed when no park, waiter or transport
//             refers to it (asserted, V18).
// Threading:  all calls on a core of the mount; getout, dispatch, wait on a light thread. close and
//             userdead also from an ordinary thread, through any core.
// Errors:     positive errnos: enxio the mount is not running or died; eintr; eproto the server's
//             reply was refused.
// Source:     NetBSD puffs_msgif.c (idea); spec section 4.
#pragma once

#include "puffs/ipi/domain.hh"
#include "puffs/kmod/park.hh"
#include "puffs/kmod/wire_translation.hh"
#include "puffs/lwkt/core.hh"
#include "puffs/lwkt/wait_queue.hh"
#include "puffs/msg/putter.hh"

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace puffs::kmod {

enum class mount_status : std::uint8_t { before_init, mounting, running, dying }; // U9

// What hears of new requests: the in-process transport, or one that writes to another process.
// Called on the enqueuing core, outside all locks, after each enqueue (F20, F35).
class transport {
  public:
    virtual ~transport() = default;
    virtual void notify(core_id core) = 0; // not from within a park's callback: then once after it
    // An answer of the kernel half to something the server sent, or an ERROR message about it (F29, F41). Must not
    // block.
    virtual void respond(const msg::request& r, std::string_view text) = 0;
};

struct mount_counters { // one a core; owner writes relaxed, any thread reads
    std::atomic<std::uint64_t> enqueued{0}, replied{0}, faf{0}, interrupted{0}, refused_replies{0},
        unknown_ids{0}, goners{0}, died{0};
};

class puffs_mount final : public msg::putter {
  public:
    // older: the server's layout of the messages, if it is not the current one (F28); not with an inproc_transport.
    // Lifetime:  `domain`'s cores and `older` outlive the mount.
    explicit puffs_mount(ipi::domain& domain, const wire_translation* older = nullptr);
    ~puffs_mount() override;

    // Life (U9): before_init -> mounting -> running -> dying; never back.
    [[nodiscard]] mount_status status() const noexcept;
    void set_mounting();
    void set_running();
    // userdead - status becomes dying; every park on Q1 and Q2 of every core ends with enxio by its kind; getters and
    // waiters wake (U13). Idempotent. Not from an IPI handler. Blocks: the core, or the ordinary thread.
    void userdead();
    // unmount - asks the server (vfs unmount), then userdead and waits until nobody waits in the mount any more (U10,
    // U11). A server that is dead is not asked.
    // Requires:  a light thread.
    // Errors:    what the server answered, if not `force`: the mount runs on; ebusy: an unmounter is at work already.
    result<void> unmount(bool force);
    // attach - before requests flow, once; until then, and after detach, the putter half answers enoent (F36).
    // detach - requires: no frame is out (asserted).
    void attach(transport& t);
    void detach() noexcept;

    // Parks of the current core.
    // msgmem_alloc - a park with zeroed request, refs 1, WANTREPLY (F5, F8). cansleep waits for a free one, on a light
    // thread (panics in an IPI handler and in a core's loop); otherwise null when there is none.
    [[nodiscard]] park* msgmem_alloc(bool cansleep);
    void msgmem_release(park* p); // drops the caller's reference; null is fine (F9)
    // enqueue - to the server; section 4.3. Errors are found in the park (HASERROR) and by wait; a
    // CALL park gets its callback. `who`: credentials for the header.
    void enqueue(park& p, const msg::caller& who);
    // wait - until it ends; see F21-F26. Returns rv. Blocks: the light thread.
    int wait(park& p);
    // wait2 - as wait, then reports the setbacks of a real reply (F27).
    int wait2(park& p, std::uint32_t& setbacks);
    // interrupt - the caller of a CALL park was interrupted: on Q1 it is taken back and ends with
    // eintr (F25); otherwise false and nothing changes. Home core.
    bool interrupt(park& p);

    // putter
    result<msg::frame> getout(std::size_t maxsize, bool nonblock) override;
    void releaseout(msg::delivery& handle, int status) override;
    [[nodiscard]] std::size_t waitcount() const override;
    void dispatch(const msg::request& req, std::span<const std::byte> out_bytes,
                  std::size_t length) override;
    void close() override;

    // Reply port for deliveries: a server that got one by message replies it here; ends in dispatch
    // (F40).
    [[nodiscard]] msgport::port& reply_port() noexcept;

    // The nodes that the kernel knows, as the believed answers of the server named them.
    // reclaimed - the kernel gave `nlookup` of its references back; the front end tells before it sends the reclaim.
    void reclaimed(msg::cookie node, std::uint64_t nlookup) noexcept;
    [[nodiscard]] bool is_live(msg::cookie node) const noexcept; // the root always is
    [[nodiscard]] std::uint32_t references_of(msg::cookie node) const noexcept;
    [[nodiscard]] std::size_t live_nodes() const noexcept; // without the root; a leak oracle

    [[nodiscard]] const mount_counters& counters_of(core_id c) const;
    // keep_times - from here on the statistics tell how long operations take. Before requests flow.
    void keep_times();
    [[nodiscard]] const operation_statistics& statistics_of(core_id c) const;
    [[nodiscard]] double ns_per_tick() const;    // of all times of this mount
    [[nodiscard]] std::size_t totalpark() const; // live parks of all cores; exact when idle (F7)
    // Appends one line a park of the current core: state, id, operation, node, age (F7).
    void dump(std::string& out) const;

  private:
    friend class shard;
    friend class inproc_transport;
    struct implementation;
    [[nodiscard]] shard& here() const noexcept;
    std::unique_ptr<implementation> impl_;
};

// The transport to a server in this process: takes each request as soon as it is enqueued, on the enqueuing core, and
// sends it to the server's port of that core, inline when the port is (H6). Where the enqueuer must not block (an IPI
// handler, a core's loop), and for what is queued behind a request in which the server may block, a light thread of its
// own does it.
class inproc_transport final : public transport {
  public:
    // ports[c]: where requests of core c go. Lifetime: mount and ports outlive the transport.
    inproc_transport(puffs_mount& m, std::vector<msgport::port*> ports);
    ~inproc_transport() override;
    void notify(core_id core) override;
    // Logged: the server is a library of ours.
    void respond(const msg::request& r, std::string_view text) override;

  private:
    struct lane { // of one core, owned by it
        inproc_transport* transport = nullptr;
        bool scheduled = false; // a light thread is on its way to drain the core's touser
    };
    friend class shard;
    static void drain_thread(void* lane_address);
    bool start_drain(core_id core); // one at a time; false: no memory for a thread
    void drain_later(core_id core);

    puffs_mount& mount_;
    const std::vector<msgport::port*> ports_;
    std::vector<lane> lanes_;
};

} // namespace puffs::kmod
