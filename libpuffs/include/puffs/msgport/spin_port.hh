// msgport/spin_port.hh - the port for any number of threads, also ordinary ones, guarded by a spin
// lock.
//
// Threading:  every call from any thread; on a core inside a critical section of its own. Any
//             number may get and wait. Drop only with an owner, and by it. With a fixed core,
//             putport_oncpu is allowed on that core and wakes local sleepers only (D6).
// Ordering:   the lock orders everything; wakes happen inside it, because the port may be gone
//             after (D5, B10). Who only polls msg::done() calls waitmsg before it destroys the
//             port.
//             A receipt function runs inside it too, because outside the message may be gone (M16).
// Fairness:   a put wakes one sleeper, the one that has slept longest; who finds nothing sleeps on.
// Blocks:     getport never; waits block the waiter.
// Source:     DragonFly lwkt_msgport.c, lwkt_spin_*port (idea); differs: wake inside the lock.
#pragma once

#include "puffs/base/core_set.hh"
#include "puffs/base/spinlock.hh"
#include "puffs/msgport/msg_queue.hh"
#include "puffs/msgport/port.hh"

#include <boost/intrusive/list.hpp>

namespace puffs::msgport {

class spin_port final : public port {
  public:
    explicit spin_port(const char* name, waiter* owner = nullptr,
                       core_id fixed_core = no_core) noexcept
        : port(name), owner_(owner), fixed_core_(fixed_core) {}

    int putport(msg& m) override;
    int putport_oncpu(msg& m) override;
    msg* getport() override;
    msg* waitport(sleep_flags flags) override;
    int waitmsg(msg& m, sleep_flags flags) override;
    void replyport(msg& m) override;
    int dropmsg(msg& m) override;

  private:
    struct sleeper : boost::intrusive::list_base_hook<> {
        waiter* who = nullptr;
        msg* on = nullptr; // null: waits for the port (D5)
    };
    void enqueue(msg& m) PUFFS_REQUIRES(mu_);
    void wake_one(bool local_only) PUFFS_REQUIRES(mu_);
    bool wake_sleeper_on(const msg& m) PUFFS_REQUIRES(mu_);

    waiter* const owner_;
    const core_id fixed_core_;
    spinlock mu_;
    msg_queue queue_ PUFFS_GUARDED_BY(mu_);
    boost::intrusive::list<sleeper> sleepers_ PUFFS_GUARDED_BY(mu_);
};

} // namespace puffs::msgport
