#include "puffs/msgport/simple_ports.hh"

#include "port_access.hh"

namespace puffs::msgport {

void replyonly_null_port::replyport(msg& m) {
    port_access::change(m, 0, msg_reply | msg_done);
}

void replyonly_port::replyport(msg& m) {
    port_access::change(m, 0, msg_reply | msg_done);
    fn_(*this, m);
}

int putonly_port::putport(msg& m) {
    return fn_(*this, m);
}

} // namespace puffs::msgport
