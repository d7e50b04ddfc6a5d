// msgport/core_port.hh - the port of a core: messages reach the core by IPI, and a function takes them there.
//
// On the port's own core the function runs inside the put; from another core the message travels first (in transit,
// M11), and the function runs in the IPI handler.
//
// Ownership:  the function owns the message it is given.
// Threading:  put from any core, not from ordinary threads. The function runs on the port's core, in a critical
//             section, and must not block.
// Ordering:   FIFO for each sending core.
// Full:       never: a message brings the link by which it travels, so that a core which does not poll for long, in a
//             blocking call of its server, say, holds up nobody but those who wait for its replies.
// Errors:     every other call panics.
// Source:     DragonFly lwkt_msgport.c, netisr ports (idea); a putonly port (D11) with a place.
#pragma once

#include "puffs/msgport/port.hh"

namespace puffs::msgport {

class core_port final : public port {
  public:
    using function = void (*)(core_port& self, msg& m);
    core_port(const char* name, core_id home, function fn, void* context = nullptr) noexcept
        : port(name), home_(home), fn_(fn), context_(context) {}
    [[nodiscard]] core_id home() const noexcept { return home_; }
    [[nodiscard]] void* context() const noexcept { return context_; }
    int putport(msg& m) override; // easync always

  private:
    static void arrives(void* m, std::intptr_t port_address);

    const core_id home_;
    const function fn_;
    void* const context_;
};

} // namespace puffs::msgport
