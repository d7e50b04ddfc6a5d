#include "puffs/msgport/port.hh"

#include "port_access.hh"

#include <cstdio>

namespace puffs::msgport {
namespace {

static_assert(easync > 4095, "easync is no errno (P7)");

// One set of checks for both ways to send (P3, P6).
void begin_send(msg& m, std::uint32_t set) {
    PUFFS_ASSERT(m.reply_port() != nullptr, "send of a message without a reply port");
    PUFFS_ASSERT(port_access::has(m, msg_done), "send of a message that is sent already");
    PUFFS_ASSERT(!port_access::has(m, msg_queued | msg_intransit),
                 "send of a message that is linked");
    port_access::set_target(m, nullptr);
    port_access::change(m, msg_reply | msg_sync | msg_done, set);
}

// What the receiver may still do with it: reply, forward.
void assert_served(const msg& m) {
    PUFFS_ASSERT(!port_access::has(m, msg_done | msg_reply), "message is not being served");
    PUFFS_ASSERT(!port_access::has(m, msg_queued | msg_intransit), "message is still on its way");
}

} // namespace

void port::unsupported(const char* call) const {
    char text[160];
    std::snprintf(text, sizeof(text), "port '%s' has no %s", name_, call);
    PUFFS_PANIC(text);
}

int port::putport(msg&) {
    unsupported("putport");
}

int port::putport_oncpu(msg&) {
    unsupported("putport_oncpu");
}

msg* port::getport() {
    unsupported("getport");
}

msg* port::waitport(sleep_flags) {
    unsupported("waitport");
}

int port::waitmsg(msg&, sleep_flags) {
    unsupported("waitmsg");
}

void port::replyport(msg&) {
    unsupported("replyport");
}

int port::dropmsg(msg&) {
    unsupported("dropmsg");
}

void sendmsg(port& target, msg& m) {
    sendmsg_prepare(m);
    sendmsg_start(target, m);
}

void sendmsg_oncpu(port& target, msg& m) {
    sendmsg_prepare(m);
    const int e = target.putport_oncpu(m);
    if (e != easync) {
        replymsg(m, e);
    }
}

void sendmsg_prepare(msg& m) {
    begin_send(m, 0);
}

void sendmsg_start(port& target, msg& m) {
    const int e = target.putport(m);
    if (e != easync) {
        replymsg(m, e);
    }
}

int domsg(port& target, msg& m, sleep_flags flags) {
    begin_send(m, msg_sync);
    const int e = target.putport(m);
    if (e == easync) {
        return waitmsg(m, flags);
    }
    m.error = e;
    port_access::change(m, msg_receipt, msg_reply | msg_done);
    return e;
}

void replymsg(msg& m, int error) {
    PUFFS_ASSERT(error >= 0 && error < easync, "reply with something that is no errno");
    assert_served(m);
    m.error = error;
    if (port_access::has(m, msg_receipt)) { // completed without having been queued (M16)
        port_access::change(m, msg_receipt, 0);
    }
    m.reply_port()->replyport(m);
}

int waitmsg(msg& m, sleep_flags flags) {
    PUFFS_ASSERT(!port_access::has(m, msg_dropable), "waitmsg on a message that can be dropped");
    PUFFS_ASSERT(m.reply_port() != nullptr, "waitmsg on a message without a reply port");
    return m.reply_port()->waitmsg(m, flags);
}

int dropmsg(msg& m) {
    PUFFS_ASSERT(port_access::has(m, msg_dropable), "dropmsg on a message that cannot be dropped");
    port* const target = m.target();
    return target == nullptr ? ENOENT : target->dropmsg(m);
}

void forwardmsg(port& target, msg& m) {
    assert_served(m);
    const int e = target.putport(m);
    if (e != easync) {
        replymsg(m, e);
    }
}

void abortmsg(msg& m) {
    const ipi::maybe_crit_section crit;
    if (port_access::has(m, msg_abortable) && !port_access::has(m, msg_done | msg_reply)) {
        port_access::abort(m);
    }
}

} // namespace puffs::msgport
