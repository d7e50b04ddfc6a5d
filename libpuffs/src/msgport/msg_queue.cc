#include "puffs/msgport/msg_queue.hh"

#include "port_access.hh"

#include <algorithm>

namespace puffs::msgport {
namespace {

template <class List>
[[maybe_unused]] bool contains(const List& l, const msg& m) {
    return std::ranges::any_of(l, [&](const msg& other) { return &other == &m; });
}

} // namespace

void msg_queue::push(msg& m) noexcept {
    PUFFS_ASSERT(!m.node.is_linked(), "message queued twice");
    (port_access::has(m, msg_priority) ? priority_ : ordinary_).push_back(m);
    port_access::change(m, 0, msg_queued);
}

msg* msg_queue::peek() const noexcept {
    if (!priority_.empty()) {
        return &priority_.front();
    }
    return ordinary_.empty() ? nullptr : &ordinary_.front();
}

msg* msg_queue::pop() noexcept {
    msg* const m = peek();
    if (m != nullptr) {
        (priority_.empty() ? ordinary_ : priority_).pop_front();
        port_access::change(*m, msg_queued, 0);
    }
    return m;
}

void msg_queue::unlink(msg& m) noexcept {
    PUFFS_ASSERT(m.node.is_linked(), "message is on no queue");
    list& l = port_access::has(m, msg_priority) ? priority_ : ordinary_;
    PUFFS_DEBUG_ASSERT(contains(l, m), "message is on another queue");
    l.erase(l.iterator_to(m));
    port_access::change(m, msg_queued, 0);
}

bool msg_queue::empty() const noexcept {
    return priority_.empty() && ordinary_.empty();
}

} // namespace puffs::msgport
