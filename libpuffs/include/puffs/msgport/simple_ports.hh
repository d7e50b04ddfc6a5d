// msgport/simple_ports.hh - ports without a queue: reply sinks and inline executors.
//
//   replyonly_null_port   replies set DONE and REPLY, nothing else: for embedded, polled messages (D9)
//   replyonly_port        replies go to a function: message sink (D10)
//   putonly_port          puts go to a function: inline executor or redirector (D11, H6)
//
// Threading:  as their functions; the ports hold no state.
// Errors:     every other call panics.
#pragma once

#include "puffs/msgport/port.hh"

namespace puffs::msgport {

class replyonly_null_port final : public port {
  public:
    using port::port;
    void replyport(msg& m) override;
};

class replyonly_port final : public port {
  public:
    using function = void (*)(port& self, msg& m);
    replyonly_port(const char* name, function fn, void* context = nullptr) noexcept
        : port(name), fn_(fn), context_(context) {}
    [[nodiscard]] void* context() const noexcept { return context_; }
    // sets REPLY and DONE, then calls the function, which owns the message from there
    void replyport(msg& m) override;

  private:
    const function fn_;
    void* const context_;
};

class putonly_port final : public port {
  public:
    // Returns the message's error, or easync having taken it over.
    using function = int (*)(port& self, msg& m);
    putonly_port(const char* name, function fn, void* context = nullptr) noexcept
        : port(name), fn_(fn), context_(context) {}
    [[nodiscard]] void* context() const noexcept { return context_; }
    int putport(msg& m) override;

  private:
    const function fn_;
    void* const context_;
};

} // namespace puffs::msgport
