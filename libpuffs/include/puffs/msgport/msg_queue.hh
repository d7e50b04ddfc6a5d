// msgport/msg_queue.hh - the two lists of a port: priority messages first, each list in order of
// arrival (spec D13).
//
// Starvation of ordinary messages by priority ones is possible: users of the priority flag bound
// their own traffic.
//
// Ownership:  links messages, owns none.
// Threading:  as the port that embeds it.
// Errors:     linking a linked message, or unlinking one that is on another queue, panics.
#pragma once

#include "puffs/msgport/msg.hh"

#include <boost/intrusive/list.hpp>

namespace puffs::msgport {

class msg_queue {
  public:
    void push(msg& m) noexcept; // sets QUEUED
    msg* peek() const noexcept;
    msg* pop() noexcept; // clears QUEUED
    void unlink(msg& m) noexcept;
    [[nodiscard]] bool empty() const noexcept;

  private:
    using list = boost::intrusive::list<
        msg, boost::intrusive::member_hook<msg, boost::intrusive::list_member_hook<>, &msg::node>,
        boost::intrusive::constant_time_size<false>>;
    mutable list priority_;
    mutable list ordinary_;
};

} // namespace puffs::msgport
