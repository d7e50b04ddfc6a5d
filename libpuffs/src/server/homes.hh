// homes.hh - policy home: on which core a node lives, who has it there, and how work gets to it.
//
// The home of a node is a hash of its slot (the root's is core 0), so that it is known from the cookie alone and stays
// while the node lives. A request goes to the home of its node as its own message; if it is there already it runs
// inside the put. One that names two nodes of two homes goes to the lower core first, pins the node there, and is
// forwarded to the higher one, where it runs (H5).
//
//   pin   | on its home                        | from another core
//   free  | taken by a plain store             | a message asks for it, and is answered at once
//   taken | the asker waits, in order of asking; a released pin goes to the one who waits longest
// A pin is given back from another core by a passive message: it rings no doorbell unless somebody waits for a pin of
// that core.
//
// Waiting in one direction only: pins are waited for in the order of (home, address); what turns out to be needed later
// is only tried. Who visits another core to call the server there has no pins.
//
// Full:       as of served_port.
// Ownership:  refers to the usermount and its nodes; the messages belong to those who send them.
// Threading:  light threads of the cores, but of(). A node's pin belongs to its home core.
// Blocks:     take, pin, visit: the light thread.
// Source:     spec H4, H5.
#pragma once

#include "node_table.hh"
#include "puffs/ipi/cpu.hh"
#include "puffs/msg/putter.hh"
#include "puffs/msgport/core_port.hh"
#include "puffs/server/usermount.hh"
#include "served_port.hh"

#include <atomic>
#include <exception>
#include <memory>
#include <vector>

namespace puffs {

class homes {
  public:
    homes(usermount& um, node_table& nodes, core_id cores);
    ~homes();

    [[nodiscard]] core_id of(msg::cookie c) const noexcept;
    [[nodiscard]] core_id of(const node& n) const noexcept { return of(n.cookie()); }

    // take - runs a request that is being served by this core, or hands it on. Returns its rv, or easync: then it is
    // somebody else's already.
    int take(msg::delivery& d);

    void pin(node& n) noexcept;
    [[nodiscard]] bool try_pin(node& n) noexcept; // blocks for an answer, not for who has it
    void unpin(node& n) noexcept;

    // visit - calls f() on a light thread of that core, and waits for it. What f throws, visit throws.
    // Requires: the caller has no pins.
    template <class F>
    void visit(core_id there, F&& f) {
        if (there == ipi::cpu::current().id()) {
            f();
            return;
        }
        std::exception_ptr thrown;
        auto call = [&]() noexcept {
            try {
                f();
            } catch (...) {
                thrown = std::current_exception();
            }
        };
        run_there(
            there, [](void* arg) { (*static_cast<decltype(call)*>(arg))(); }, &call);
        if (thrown) {
            std::rethrow_exception(thrown);
        }
    }

  private:
    struct errand : msgport::msg {
        void (*function)(void*) = nullptr;
        void* arg = nullptr;
    };
    // What of the mount is on one core; owned by it.
    struct alignas(limits::cacheline_bytes) lane {
        lane(homes& h, core_id c);

        served_port requests, errands;
        msgport::core_port pins_port;
        // atomic: its core writes. seq_cst: who gives a pin back sends a passive message, then reads this; this core
        // writes it, then looks for messages before it sleeps. One of them sees the other.
        std::atomic<unsigned> pins_waited_for{0};
    };

    static void handle_request(void* all, msgport::msg& m);
    static void handle_errand(void* all, msgport::msg& m);
    static void pin_arrives(msgport::core_port& self, msgport::msg& m);
    static void unpin_arrives(void* n, std::intptr_t self);
    void run_there(core_id there, void (*function)(void*), void* arg);
    [[nodiscard]] int ask_for(node& n, bool only_if_free) noexcept;
    static void give_on(lane& l, node& n) noexcept;

    // constant after construction
    usermount& um_;
    node_table& nodes_;
    std::vector<std::unique_ptr<lane>> lanes_; // one a core
};

template <class F>
void usermount::at_home(const node& n, F&& f) {
    if (homes_ != nullptr) {
        homes_->visit(homes_->of(n), f);
    } else {
        f();
    }
}

} // namespace puffs
