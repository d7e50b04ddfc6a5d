// msgport/port_access.hh - how the port kinds of this layer change a message.
//
// Threading:  the message's owner, or the core or lock that stands for it while it is queued.
// Ordering:   flags are stored with release, so that DONE publishes error and result (spec M5, M7).
#pragma once

#include "puffs/ipi/cpu.hh"
#include "puffs/ipi/send.hh"
#include "puffs/msgport/port.hh"

namespace puffs::msgport {

struct port_access {
    // A load and a store: nobody else writes flags (M1).
    static void change(msg& m, std::uint32_t clear, std::uint32_t set) noexcept {
        const std::uint32_t old = m.flags_.load(std::memory_order_relaxed);
        m.flags_.store((old & ~clear) | set, std::memory_order_release);
    }
    [[nodiscard]] static bool has(const msg& m, std::uint32_t flags) noexcept {
        return (m.flags_.load(std::memory_order_relaxed) & flags) != 0;
    }
    static void set_target(msg& m, port* p) noexcept {
        m.target_.store(p, std::memory_order_release);
    }
    static void abort(msg& m) { m.abort_(m); }

    // The message goes to another core, where arrives(&m, &p) runs. It brings the link that holds it, so that no sender
    // ever waits for room, however long that core does not poll.
    static void travel(msg& m, core_id to, ipi::ipi_function arrives, port& p) noexcept {
        m.travel_.function = arrives;
        m.travel_.arg = &m;
        m.travel_.value = reinterpret_cast<std::intptr_t>(&p);
        ipi::post_from_thread(ipi::cpu::current().owner_domain().at(to), m.travel_);
    }

    // The message is on the queue of `p`: tells who asked for it, once a send (M16). As an IPI
    // function, so that a receipt that blocks panics.
    static void give_receipt(msg& m, port& p) {
        if (!has(m, msg_receipt)) [[likely]] {
            return;
        }
        change(m, msg_receipt, 0);
        if (const ipi::cpu* const here = ipi::cpu::current_or_null()) {
            ipi::send(
                here->id(),
                [](void* message, std::intptr_t address) {
                    msg& received = *static_cast<msg*>(message);
                    received.receipt_(received, *reinterpret_cast<port*>(address));
                },
                &m, reinterpret_cast<std::intptr_t>(&p));
        } else {
            m.receipt_(m, p);
        }
    }
};

// PCATCH: the first signal that arrives during a wait for a reply sends one abort; from then on the
// wait cannot be interrupted, because completion is always awaited (P11).
class abort_once {
  public:
    explicit abort_once(sleep_flags flags) noexcept
        : catching_(flags == sleep_flags::catch_signals) {}

    // True when the caller must abort the message, without its locks, and then go on waiting.
    [[nodiscard]] bool due(const waiter& me) noexcept {
        if (!catching_) {
            return false;
        }
        code_ = me.pending_signal();
        catching_ = code_ == 0;
        return !catching_;
    }
    [[nodiscard]] sleep_flags flags() const noexcept {
        return catching_ ? sleep_flags::catch_signals : sleep_flags::none;
    }
    // EINTR becomes the signal's own code (ERESTART, perhaps) when this wait asked for the abort.
    int convert(msg& m) const noexcept {
        if (code_ != 0 && m.error == EINTR) {
            m.error = code_;
        }
        return m.error;
    }

  private:
    bool catching_;
    int code_ = 0;
};

} // namespace puffs::msgport
