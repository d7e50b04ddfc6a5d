// stress/stack/world.hh - one mount with its whole stack, clients on every core, and what must hold when it ends.
//
//   clients -> channel -> fuse::opmap -> parks, touser, replywait -> inproc transport -> usermount -> server
//
// A round ends in peace (everything is given back and counted) or by the death of the server in the middle of the work.
//
// Ownership:  refers to the cores, which run until over() and are stopped before it is destroyed.
// Threading:  any thread, but what says otherwise.
#pragma once

#include "puffs/server/make_operations.hh"
#include "puffs/server/usermount.hh"
#include "stress/stack/client.hh"
#include "stress/stack/server.hh"

namespace puffs::stress {

// The kernel's lock of a directory, as far as the mount relies on it: while a mknod or mkdir is on its way nobody else
// learns of the new object. Who does not get it does something else.
class dir_locks {
  public:
    [[nodiscard]] bool try_shared(std::uint64_t dir) {
        int now = of(dir).load(std::memory_order_relaxed);
        while (now >= 0) {
            if (of(dir).compare_exchange_weak(now, now + 1, std::memory_order_acquire,
                                              std::memory_order_relaxed))
                return true;
        }
        return false;
    }
    [[nodiscard]] bool try_exclusive(std::uint64_t dir) {
        int expected = 0;
        return of(dir).compare_exchange_strong(expected, -1, std::memory_order_acquire,
                                               std::memory_order_relaxed);
    }
    void unlock_shared(std::uint64_t dir) { of(dir).fetch_sub(1, std::memory_order_release); }
    void unlock_exclusive(std::uint64_t dir) { of(dir).store(0, std::memory_order_release); }

  private:
    std::atomic<int>& of(std::uint64_t dir) { return states_[dir % states_.size()]; }
    std::array<std::atomic<int>, 61> states_{}; // readers, or -1; two directories may share one
};

struct world {
    struct options {
        core_id cores = 1;
        unsigned clients_per_core = 4;
        std::uint64_t seed = 0;
        std::uint64_t steps = 0; // of each client; 0: until `stop`
        policy how = policy::per_node;
    };
    world(ipi::domain& d, const options& o);
    world(const world&) = delete;
    world& operator=(const world&) = delete;

    void start(); // creates everybody; an ordinary thread
    void kill();  // the server dies
    [[nodiscard]] bool over() const { return ended.load(std::memory_order_acquire); }
    [[nodiscard]] bool goes_on(std::uint64_t steps) const {
        return !stop.load(std::memory_order_relaxed) &&
               (asked_for.steps == 0 || steps < asked_for.steps);
    }
    // Called by the light thread of each client when it is through; the last one ends the round.
    void client_ended(client& c);
    void kill_on(core_id c);                     // as kill, on a light thread of that core
    [[nodiscard]] std::uint64_t replies() const; // to clients; grows while something happens
    // Who waits for what, for people.
    [[nodiscard]] std::string describe() const;

    // constant after construction, or with a synchronisation of their own
    const options asked_for;
    ipi::domain& domain;
    findings found;
    kmod::puffs_mount mount;
    stress::server server;
    const operations ops = make_operations<stress::server>();
    usermount library;
    kmod::inproc_transport transport;
    fuse::opmap map;
    std::vector<std::unique_ptr<kernel_channel>> channels;
    std::vector<std::unique_ptr<client>> clients;
    dir_locks dirs;

    // atomic, relaxed where nothing is said
    std::atomic<bool> stop{false}, dying{false};
    std::atomic<bool> calm{false}; // no INTERRUPT any more; seq_cst with interrupts_out
    std::atomic<std::uint64_t> interrupts_out{0};
    std::atomic<bool> quiet{false}; // clients and what follows them are through; release
    std::atomic<bool> ended{false}; // nothing of it runs any more; release
    std::atomic<unsigned> working{0}, helping{0}; // acq_rel: the last one sees what all did
    std::atomic<std::uint64_t> interrupts{0}, interrupted{0};
    std::atomic<const char*> phase{"start"};

  private:
    struct helper { // interrupts the clients of a core
        world& w;
        core_id core;
        std::mt19937_64 random;
    };
    std::vector<msgport::port*> ports();
    lwkt::core& core_at(core_id c) const { return static_cast<lwkt::core&>(domain.at(c)); }
    void boot();
    void run_helper(helper& h);
    void ring_bell();
    void helper_ended();
    void settle();
    void audit(client& all);
    void end_round(client& last);

    std::vector<std::unique_ptr<helper>> helpers_;
};

} // namespace puffs::stress
