#include "puffs/msgport/spin_port.hh"

#include "port_access.hh"
#include "puffs/base/race_point.hh"

#include <algorithm>

namespace puffs::msgport {
namespace {

// The port's lock, on a core inside a critical section: no IPI handler of this core may find it
// held by this core.
class PUFFS_SCOPED_CAPABILITY port_guard {
  public:
    explicit port_guard(spinlock& l) noexcept PUFFS_ACQUIRE(l) : lock_(l) {
        PUFFS_RACE_POINT("spin port: before the lock");
        lock_.lock();
    }
    ~port_guard() PUFFS_RELEASE() { lock_.unlock(); }
    port_guard(const port_guard&) = delete;
    port_guard& operator=(const port_guard&) = delete;

  private:
    const ipi::maybe_crit_section crit_; // left after the lock
    spinlock& lock_;
};

} // namespace

int spin_port::putport(msg& m) {
    port_access::set_target(m, this);
    const port_guard g(mu_);
    enqueue(m);
    wake_one(false);
    return easync;
}

int spin_port::putport_oncpu(msg& m) {
    PUFFS_ASSERT(fixed_core_ != no_core, "oncpu put to a port without a core");
    PUFFS_ASSERT(ipi::cpu::current().id() == fixed_core_, "oncpu put from another core");
    port_access::set_target(m, this);
    const port_guard g(mu_);
    enqueue(m);
    wake_one(true);
    return easync;
}

void spin_port::enqueue(msg& m) {
    queue_.push(m);
    port_access::give_receipt(m, *this);
}

void spin_port::replyport(msg& m) {
    const port_guard g(mu_);
    const bool sync = port_access::has(m, msg_sync);
    if (!sync) {
        queue_.push(m);
    }
    port_access::change(m, 0, msg_reply | msg_done);
    if (!wake_sleeper_on(m) && !sync) {
        wake_one(false);
    }
}

void spin_port::wake_one(bool local_only) {
    const auto it = std::ranges::find_if(sleepers_, [&](const sleeper& s) {
        return s.on == nullptr && (!local_only || s.who->on_core() == fixed_core_);
    });
    if (it != sleepers_.end()) {
        waiter& who = *it->who;
        sleepers_.erase(it);
        who.wake();
    }
}

bool spin_port::wake_sleeper_on(const msg& m) {
    const auto it = std::ranges::find_if(sleepers_, [&](const sleeper& s) { return s.on == &m; });
    if (it == sleepers_.end()) {
        return false;
    }
    waiter& who = *it->who;
    sleepers_.erase(it);
    who.wake();
    return true;
}

msg* spin_port::getport() {
    const port_guard g(mu_);
    return queue_.pop();
}

msg* spin_port::waitport(sleep_flags flags) {
    waiter& me = waiter::current();
    sleeper here;
    here.who = &me;
    for (;;) {
        {
            const port_guard g(mu_);
            msg* const m = queue_.pop();
            const bool interrupted =
                m == nullptr && flags == sleep_flags::catch_signals && me.pending_signal() != 0;
            if (m != nullptr || interrupted) {
                if (here.is_linked()) {
                    sleepers_.erase(sleepers_.iterator_to(here));
                }
                return m;
            }
            me.arm();
            if (!here.is_linked()) {
                sleepers_.push_back(here);
            }
        }
        PUFFS_RACE_POINT("spin port: armed");
        me.sleep(flags);
    }
}

int spin_port::waitmsg(msg& m, sleep_flags flags) {
    waiter& me = waiter::current();
    sleeper here;
    here.who = &me;
    here.on = &m;
    abort_once abort(flags);
    for (;;) {
        bool abort_due = false;
        {
            const port_guard g(mu_);
            if (port_access::has(m, msg_done)) {
                if (here.is_linked()) {
                    sleepers_.erase(sleepers_.iterator_to(here));
                }
                if (port_access::has(m, msg_queued)) {
                    queue_.unlink(m);
                }
                return abort.convert(m);
            }
            me.arm();
            abort_due = abort.due(me);
            if (!here.is_linked()) {
                sleepers_.push_back(here);
            }
        }
        if (abort_due) {
            me.disarm();
            abortmsg(m);
            continue;
        }
        PUFFS_RACE_POINT("spin port: armed for a message");
        me.sleep(abort.flags());
    }
}

int spin_port::dropmsg(msg& m) {
    PUFFS_ASSERT(owner_ != nullptr, "dropmsg on a port without an owner");
    PUFFS_ASSERT(&waiter::current() == owner_, "dropmsg by a thread that is not the owner");
    const port_guard g(mu_);
    // Flags first: who forwards it stores the target before it queues it elsewhere.
    const bool queued = (m.flags() & (msg_queued | msg_reply)) == msg_queued;
    if (!queued || m.target() != this) {
        return ENOENT;
    }
    queue_.unlink(m);
    port_access::change(m, 0, msg_done);
    return 0;
}

} // namespace puffs::msgport
