#include "puffs/msgport/thread_port.hh"

#include "port_access.hh"
#include "puffs/base/race_point.hh"

#include <cstdio>

namespace puffs::msgport {

int thread_port::putport(msg& m) {
    const ipi::crit_section crit;
    port_access::set_target(m, this);
    const core_id home = owner_.on_core();
    if (home == ipi::cpu::current().id()) {
        enqueue(m);
        return easync;
    }
    PUFFS_ASSERT(!port_access::has(m, msg_queued | msg_intransit), "put of a message on its way");
    port_access::change(m, 0, msg_intransit);
    port_access::travel(m, home, put_arrives, *this);
    return easync;
}

int thread_port::putport_oncpu(msg& m) {
    const ipi::crit_section crit;
    PUFFS_ASSERT(owner_.on_core() == ipi::cpu::current().id(), "oncpu put from another core");
    port_access::set_target(m, this);
    enqueue(m);
    return easync;
}

// The owner may have moved since the message was sent: chase it.
void thread_port::put_arrives(void* arg, std::intptr_t port_address) {
    msg& m = *static_cast<msg*>(arg);
    auto& self = *reinterpret_cast<thread_port*>(port_address);
    const core_id home = self.owner_.on_core();
    if (home != ipi::cpu::current().id()) {
        port_access::travel(m, home, put_arrives, self);
        return;
    }
    PUFFS_ASSERT(port_access::has(m, msg_intransit), "message arrives that was not on its way");
    port_access::change(m, msg_intransit, 0);
    self.enqueue(m);
}

void thread_port::enqueue(msg& m) {
    queue_.push(m);
    port_access::give_receipt(m, *this);
    wake();
}

void thread_port::replyport(msg& m) {
    const ipi::crit_section crit;
    const core_id home = owner_.on_core();
    if (home == ipi::cpu::current().id()) {
        finish_reply(m);
        return;
    }
    port_access::change(m, 0, msg_reply | msg_intransit);
    port_access::travel(m, home, reply_arrives, *this);
}

void thread_port::reply_arrives(void* arg, std::intptr_t port_address) {
    msg& m = *static_cast<msg*>(arg);
    auto& self = *reinterpret_cast<thread_port*>(port_address);
    const core_id home = self.owner_.on_core();
    if (home != ipi::cpu::current().id()) {
        port_access::travel(m, home, reply_arrives, self);
        return;
    }
    PUFFS_ASSERT(port_access::has(m, msg_intransit), "reply arrives that was not on its way");
    port_access::change(m, msg_intransit, 0);
    self.finish_reply(m);
}

void thread_port::finish_reply(msg& m) {
    if (!port_access::has(m, msg_sync)) {
        queue_.push(m);
    }
    port_access::change(m, 0, msg_reply | msg_done);
    wake();
}

msg* thread_port::getport() {
    assert_owner("getport");
    return queue_.pop();
}

msg* thread_port::waitport(sleep_flags flags) {
    assert_owner("waitport");
    for (;;) {
        if (msg* const m = queue_.pop()) {
            return m;
        }
        owner_.arm();
        if (flags == sleep_flags::catch_signals && owner_.pending_signal() != 0) {
            owner_.disarm();
            return nullptr;
        }
        sleep(flags);
    }
}

int thread_port::waitmsg(msg& m, sleep_flags flags) {
    assert_owner("waitmsg");
    abort_once abort(flags);
    while (!m.done()) {
        owner_.arm();
        if (abort.due(owner_)) {
            owner_.disarm();
            abortmsg(m);
            continue;
        }
        sleep(abort.flags());
    }
    if (port_access::has(m, msg_queued)) {
        queue_.unlink(m);
    }
    return abort.convert(m);
}

int thread_port::dropmsg(msg& m) {
    assert_owner("dropmsg");
    if (!port_access::has(m, msg_queued) || port_access::has(m, msg_reply) || m.target() != this) {
        return ENOENT;
    }
    queue_.unlink(m);
    port_access::change(m, 0, msg_done);
    return 0;
}

// Between the caller's check and this sleep nothing arrives: arrivals are served by this core, at
// its poll points, of which the first is inside the sleep (D14).
void thread_port::sleep(sleep_flags flags) {
    waiting_ = true;
    owner_.sleep(flags);
    waiting_ = false;
}

void thread_port::wake() {
    if (waiting_) {
        owner_.wake();
    }
}

void thread_port::assert_owner(const char* call) const {
    if (&waiter::current() != &owner_) [[unlikely]] {
        char text[160];
        std::snprintf(text, sizeof(text), "port '%s': %s by a thread that is not its owner", name(),
                      call);
        PUFFS_PANIC(text);
    }
}

} // namespace puffs::msgport
