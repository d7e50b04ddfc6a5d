// msgif/shard.hh - one core's part of a mount: pool of parks, touser queue, replywait table, and the steps of a park.
//
// The replywait table is the pool itself: a park's slot is fixed, its generation grows, and an id names both, so that
// finding the park of a reply is one index and one comparison however many are in flight.
//
// Full:       take_free gives null when limits::parks_per_core parks are out.
// Ownership:  owns its parks; they are type-stable, constructed once, in chunks (T7).
// Threading:  owner: the core, in a critical section: between two calls other threads of the core, and IPI handlers,
//             may run; within one they do not. returned(): any core, any thread. live(), users(), counters(): any
//             thread reads.
// Source:     NetBSD puffs_msgif.c (idea); differs: no lock, the seed's mount lock and park locks are the core.
#pragma once

#include "puffs/base/bump.hh"
#include "puffs/base/limits.hh"
#include "puffs/kmod/msgif.hh"

#include <array>
#include <atomic>
#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace puffs::kmod {

class alignas(limits::cacheline_bytes) shard {
  public:
    static constexpr std::size_t chunk_parks = 64;
    static_assert(limits::parks_per_core % chunk_parks == 0);
    static_assert(limits::parks_per_core <= (1U << 24), "a slot has 24 bits of the id");

    shard(puffs_mount& m, core_id home, const wire_translation* older);
    ~shard(); // asserts that no park is out

    [[nodiscard]] static park& park_of(msg::delivery& d) noexcept;
    [[nodiscard]] core_id home() const noexcept { return home_; }

    // Caller's side.
    [[nodiscard]] park* take_free() noexcept;
    void drop(park& p, unsigned references = 1) noexcept { // frees the park with the last one (F6)
        assert_mine(p);
        PUFFS_ASSERT(p.refs_ >= references, "a park has fewer references than are dropped");
        p.refs_ -= references;
        if (p.refs_ == 0) {
            put_back(p);
        }
    }
    // enqueue - true if a transport should be told. A park that fails is in E; a CALL one has been called back.
    [[nodiscard]] bool enqueue(park& p, const msg::caller& who);
    // The waiter of `p` was signalled and leaves it. Requires: the park is not done (F24).
    void leave(park& p);
    [[nodiscard]] bool interrupt(park& p);

    // Transport's side.
    [[nodiscard]] result<msg::frame> getout(std::size_t maxsize);
    void releaseout(park& p, int status);
    // Sends what is on touser to a port of this process, until there is nothing. On a light thread, outside critical
    // sections: the port may block it, and then a thread of the transport's sends what is left.
    void drain(inproc_transport& transport, msgport::port& to);
    [[nodiscard]] park* take_for_server() noexcept;
    // Sink of the reply port: the message of `p` came back.
    static void returned(msgport::port& self, msgport::msg& m);
    // dispatch of a reply by id (F38): `r`, `out` belong to the caller.
    void reply_by_id(const msg::request& r, std::span<const std::byte> out, std::size_t length);

    // userdead's part on this core (U13).
    void die();

    // settle - after whatever may have called back, outside critical sections: tells the transport what the callbacks
    // enqueued, which they themselves put off.
    void settle();

    // Those who sleep in the mount on this core (U10).
    void enter_user() noexcept;
    void leave_user() noexcept;
    [[nodiscard]] unsigned users() const noexcept { return users_.load(std::memory_order_acquire); }

    [[nodiscard]] std::size_t waitcount() const noexcept { return touser_count_; }
    [[nodiscard]] std::size_t live() const noexcept {
        return live_.load(std::memory_order_acquire);
    }
    [[nodiscard]] unsigned taken() const noexcept { return taken_.load(std::memory_order_relaxed); }
    [[nodiscard]] mount_counters& counters() noexcept { return counters_; }
    [[nodiscard]] operation_statistics& statistics() noexcept { return statistics_; }
    void dump(std::string& out) const;

    lwkt::wait_queue free_waiters; // in msgmem_alloc
    lwkt::wait_queue getters;      // in getout
    unsigned free_waiters_count = 0,
             getters_count = 0; // owner: so that nobody to wake costs no lock

  private:
    using list = boost::intrusive::list<
        park,
        boost::intrusive::member_hook<park, boost::intrusive::list_member_hook<>, &park::hook_>,
        boost::intrusive::constant_time_size<false>>;

    static const char* state_of(const park& p) noexcept;
    [[nodiscard]] bool grow() noexcept;
    [[nodiscard]] park& at(std::size_t slot) const noexcept {
        return chunks_[slot / chunk_parks][slot % chunk_parks];
    }
    [[nodiscard]] park* find(std::uint64_t id) const noexcept; // on Q2
    void unlink_touser(park& p) noexcept;
    void fill_header(park& p, const msg::caller& who, bool wants_reply) noexcept;
    void fail_early(park& p, int rv);
    void finish(park& p, int rv); // off its queue already; drops the flight reference
    void call_back(park& p, int rv);
    void reply(park& p, const msg::request& r, std::span<const std::byte> out, std::size_t length,
               int rv);
    // With a translation (F28), in wire_translation.cc. make_twin: of what is about to be queued; false: that cannot be
    // said, and the park is in E.
    [[nodiscard]] bool make_twin(park& p);
    [[nodiscard]] std::size_t twin_stride() const noexcept;
    [[nodiscard]] std::span<std::byte> twin_of(const park& p) const noexcept; // which has one
    [[nodiscard]] msg::frame frame_of(park& p) const noexcept;
    // `r` and `rest`: the frame's bytes, cut as dispatch gets them.
    void reply_in_older(park& p, const msg::request& r, std::span<const std::byte> rest,
                        std::size_t length);
    void refuse(park& p, int rv, int reported, const char* text);
    void give_back(const question& q, const msg::request& r, std::span<const std::byte> out,
                   std::size_t length, int rv);
    // Fire and forget, after a reply that nobody took.
    void send_undo(msg::vn_op op, msg::cookie node, const msg::arguments& a);
    void arrive(park& p); // its message came back, on this core
    // What a request has measured, taken from its park while that is not yet used for another.
    struct times {
        std::uint64_t enqueued, began, ended;
        operation_kind kind;
    };
    [[nodiscard]] times times_of(const park& p) const noexcept;
    void keep(const times& t, bool replied) noexcept;
    void put_back(park& p) noexcept;
    void assert_mine(const park& p) const noexcept {
        PUFFS_DEBUG_ASSERT(p.home_ == home_ && ipi::cpu::current().id() == home_,
                           "a park is touched on a core that is not its home");
        PUFFS_DEBUG_ASSERT(p.refs_ > 0, "a park is used after it was freed");
        static_cast<void>(p);
    }

    // constant after construction
    puffs_mount& mount_;
    const core_id home_;
    const wire_translation* const older_; // null: the server speaks the current layout

    // owned by the core
    list touser_;
    std::size_t touser_count_ = 0;
    list free_;
    std::size_t slots_ = 0; // constructed parks
    std::array<std::unique_ptr<park[]>, limits::parks_per_core / chunk_parks> chunks_;
    std::array<std::unique_ptr<std::byte[]>, limits::parks_per_core / chunk_parks>
        twins_; // of the chunks' parks
    bool in_callback_ = false;
    bool put_off_ = false;

    // atomic: the core writes, relaxed or release, any thread reads
    std::atomic<std::size_t> live_{0}; // release in drop(): whoever sees 0 sees what the parks did
    std::atomic<unsigned> taken_{0};
    std::atomic<unsigned> users_{0}; // release in leave_user pairs with acquire in users()
    mount_counters counters_;
    operation_statistics statistics_;
};

} // namespace puffs::kmod
