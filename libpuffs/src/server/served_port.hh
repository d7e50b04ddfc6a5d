// served_port.hh - a port of a core whose messages are handled on light threads of that core.
//
// A thread handles message after message; before each it sees to it that another one is there for those behind, because
// the handler may block.
//
// Full:       no memory for a light thread: what came waits retry_interval.
// Ownership:  the handler owns the message that it is given.
// Threading:  put from any core. The handler runs on the port's core. Destruction when nothing is on its way.
// Ordering:   handlers begin in the order in which their messages came.
#pragma once

#include "puffs/lwkt/timer.hh"
#include "puffs/msgport/core_port.hh"
#include "puffs/msgport/msg_queue.hh"

namespace puffs {

class served_port {
  public:
    using function = void (*)(void* context, msgport::msg& m);
    served_port(const char* name, core_id core, function handler, void* context);

    [[nodiscard]] msgport::port& port() noexcept { return port_; }

  private:
    static void arrives(msgport::core_port& self, msgport::msg& m);
    static void serve(void* self);
    void start_thread() noexcept;

    const function handler_;
    void* const context_;
    msgport::core_port port_;
    // owned by the core
    msgport::msg_queue queue_;
    bool scheduled_ = false; // a light thread is on its way to handle what is queued
    lwkt::timer retry_;
};

} // namespace puffs
