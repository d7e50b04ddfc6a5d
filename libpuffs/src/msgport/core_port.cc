#include "puffs/msgport/core_port.hh"

#include "port_access.hh"

namespace puffs::msgport {

int core_port::putport(msg& m) {
    const ipi::crit_section crit;
    port_access::set_target(m, this);
    if (home_ == ipi::cpu::current().id()) {
        fn_(*this, m);
        return easync;
    }
    PUFFS_ASSERT(!port_access::has(m, msg_queued | msg_intransit), "put of a message on its way");
    port_access::change(m, 0, msg_intransit);
    port_access::travel(m, home_, arrives, *this);
    return easync;
}

void core_port::arrives(void* arg, std::intptr_t port_address) {
    msg& m = *static_cast<msg*>(arg);
    auto& self = *reinterpret_cast<core_port*>(port_address);
    PUFFS_ASSERT(port_access::has(m, msg_intransit), "message arrives that was not on its way");
    port_access::change(m, msg_intransit, 0);
    self.fn_(self, m);
}

} // namespace puffs::msgport
