// ipi/domain.hh - the cpus that can reach each other, and the handlers registered for all of them.
//
// Units:      handler ids 2..31; 0 means failure, as in the source (spec I2).
// Full:       add_handler() returns 0 when all ids are taken, and logs a warning.
// Ownership:  refers to its cpus, which register themselves; they outlive all traffic.
// Threading:  add_handler, remove_handler: any cpu in a critical section, or any thread before the
//             cores run; serialised by a spin lock that is not held while waiting. Look-ups: any.
// Source:     NetBSD subr_ipi.c ipi_register, ipi_unregister (ideas).
#pragma once

#include "puffs/base/core_set.hh"
#include "puffs/base/spinlock.hh"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>

namespace puffs::ipi {

class cpu;

class domain {
  public:
    static constexpr unsigned bit_mailbox = 0;
    static constexpr unsigned bit_rings = 1;
    static constexpr unsigned first_handler = 2;
    static constexpr unsigned handler_slots = 32;

    // count: how many cpus will register, with ids 0 .. count-1.
    explicit domain(core_id count);
    ~domain();
    domain(const domain&) = delete;
    domain& operator=(const domain&) = delete;

    [[nodiscard]] core_id size() const noexcept { return count_; }
    [[nodiscard]] cpu& at(core_id id) const noexcept; // asserts that it is registered
    [[nodiscard]] core_set all() const { return core_set::first(count_); }

    // add_handler - function(arg) will run on a cpu that is triggered with the returned id (spec
    // I3).
    // Returns:  the id, or 0 when the table is full.
    [[nodiscard]] unsigned add_handler(void (*function)(void* arg), void* arg);

    // remove_handler - on return no handler of that id runs or will run anywhere (spec I4). The
    // caller has stopped triggering it; a later trigger panics. Not from inside the handler itself.
    // Requires:  on a cpu: a critical section; otherwise no cpu runs yet.
    // Blocks:    the core: a synchronous broadcast, serving its own IPIs meanwhile.
    void remove_handler(unsigned id);

    // How long a wait of this layer may take before it warns; before a wait for an answer panics (spec Q6), and a wait
    // for room warns again (Q3).
    struct wait_bounds {
        std::chrono::nanoseconds warn = std::chrono::seconds(2);
        std::chrono::nanoseconds panic = std::chrono::seconds(60);
    };
    [[nodiscard]] const wait_bounds& waits() const noexcept { return waits_; }
    void set_wait_bounds(const wait_bounds& b) noexcept { waits_ = b; } // before the cores run

  private:
    friend class cpu;
    struct flush;
    struct handler {
        // release after arg pairs with the acquire in serve
        std::atomic<void (*)(void*)> function{nullptr};
        void* arg = nullptr;
    };
    void attach(cpu& c);
    void detach(cpu& c) noexcept;

    const core_id count_;
    wait_bounds waits_;
    std::array<std::atomic<cpu*>, limits::cores> cpus_{};
    spinlock table_mu_;
    std::array<handler, handler_slots> handlers_;
    // one bit an id; 0 is reserved for failure
    std::uint32_t taken_ PUFFS_GUARDED_BY(table_mu_) = 1;
    std::uint32_t leaving_ PUFFS_GUARDED_BY(table_mu_) = 0; // being removed
};

} // namespace puffs::ipi
