// support/sim_cores.hh - many virtual cores on one operating-system thread, stepped or explored.
//
// A machine runs actors: cores and ordinary threads, each on a stack of its own. An actor runs until
// it spins (any wait loop of the runtime), sleeps, ends a turn of its loop, or, while exploring,
// passes a PUFFS_RACE_POINT; then the machine picks the next. Tests either step by hand
// (step, run_until_idle), or hand a scenario to explore() or random_runs() of support/explore.hh.
//
// Threading:  one operating-system thread. On each resume cpu::current and waiter::current are the
//             actor's own (spec T1, T2, H1).
// Errors:     check() and the machine's own findings (livelock, a core that sleeps though something
//             is pending, somebody who never ends) are collected in failure(), first one kept.
#pragma once

#include "puffs/base/clock.hh"
#include "puffs/base/waiter.hh"
#include "puffs/ipi/cpu.hh"
#include "puffs/ipi/domain.hh"
#include "puffs/ipi/send.hh"
#include "support/fiber.hh"

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace puffs::sim {

class machine;

// Somebody who runs. Made by the machine.
class actor {
  public:
    actor(machine& m, std::string name, ipi::cpu* as, std::function<void()> body);

    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] bool finished() const { return fiber_.finished(); }
    [[nodiscard]] bool blocked() const { return blocked_; }

    // Sleeps until unblock(); one that came before counts. On the actor's stack.
    void block();
    void unblock();

  private:
    friend class machine;
    machine& machine_;
    const std::string name_;
    ipi::cpu* cpu_;            // current while it runs; saved, because schedulers change it
    waiter* waiter_ = nullptr; // the same
    bool blocked_ = false;
    bool unblocked_early_ = false;
    bool spinning_ = false; // since progress_at_spin_ nobody else has done anything
    std::uint64_t progress_at_spin_ = 0;
    fiber fiber_;
};

// The waiter of an actor that is not a light thread: a bare core's only thread, or an ordinary one.
class sim_waiter final : public waiter {
  public:
    explicit sim_waiter(ipi::cpu* core) : core_(core) { wake_post_.arg = this; }
    void bind(actor& a) { actor_ = &a; }

    void arm() noexcept override { woken_ = false; }
    void disarm() noexcept override {}
    void sleep(sleep_flags flags) noexcept override;
    void wake() noexcept override;
    [[nodiscard]] int pending_signal() const noexcept override { return signal_; }
    [[nodiscard]] core_id on_core() const noexcept override {
        return core_ != nullptr ? core_->id() : no_core;
    }

    // code: what pending_signal() answers from here on (EINTR, ERESTART); 0 takes it back.
    void post_signal(int code);

    unsigned sleeps = 0;
    unsigned wakes = 0;

  private:
    friend class machine;
    ipi::cpu* const core_;
    actor* actor_ = nullptr;
    bool woken_ = false;
    bool wake_posted_ = false;
    int signal_ = 0;
    ipi::thread_post wake_post_;
};

// A core without a scheduler: serves IPIs, runs one body after another, sleeps when idle.
class sim_core final : public ipi::cpu {
  public:
    sim_core(machine& m, ipi::domain& d, core_id id);

    [[nodiscard]] unsigned doorbells() const { return doorbells_; }
    [[nodiscard]] sim_waiter& thread() { return waiter_; }
    [[nodiscard]] bool busy() const { return running_ || !bodies_.empty(); }

  private:
    friend class machine;
    void ring_doorbell() noexcept override;
    void loop();

    machine& machine_;
    std::deque<std::function<void()>> bodies_;
    bool running_ = false;
    unsigned doorbells_ = 0;
    sim_waiter waiter_;
    actor* actor_ = nullptr;
};

class machine {
  public:
    // cores: bare ones, made here. 0: cores come from outside by add_core (lwkt::core).
    explicit machine(core_id cores);
    ~machine();
    machine(const machine&) = delete;
    machine& operator=(const machine&) = delete;

    [[nodiscard]] ipi::domain& domain() { return *domain_; }
    [[nodiscard]] virtual_clock& clock() { return clock_; }
    [[nodiscard]] sim_core& core(core_id id) { return *cores_.at(id); }

    // Runs on the core, outside critical sections, when it is idle; bodies queue.
    void run_on(core_id id, std::function<void()> body);
    // An ordinary thread. Its waiter is made current for it.
    sim_waiter& run_thread(std::string name, std::function<void()> body);
    // A core that the test owns; `turn` runs one turn of its loop and says whether it did anything.
    // The core's doorbell must call ring(id).
    void add_core(ipi::cpu& c, std::function<bool()> turn);
    void ring(core_id id);
    [[nodiscard]] unsigned rings(core_id id) const { return rings_.at(id); } // of added cores

    // By hand. step: one turn of the core; false if it sleeps or has finished.
    bool step(core_id id);
    // Steps all in order until none can go on. False, and failure(), when they never end.
    bool run_until_idle();
    // Moves the clock and lets added cores look at their timers.
    void advance(std::chrono::nanoseconds by);

    // Inside actors.
    static machine& current();
    void check(bool ok, const std::string& what);
    void yield(const char* point); // as a race point
    void spin();                   // as a turn of a wait loop
    [[nodiscard]] actor& running() { return *running_; }

    // A scenario may end with cores asleep on passive messages, or with somebody stuck on purpose.
    void allow_unserved() { allow_unserved_ = true; }
    void allow_stuck() { allow_stuck_ = true; }

    [[nodiscard]] const std::string& failure() const { return failure_; }
    void fail(const std::string& what);

    // Which of `count` enabled actors goes on; the first is the one that ran last if it still can
    // (then any other is a preemption).
    using chooser = std::function<std::size_t(std::size_t count, bool first_ran_last)>;
    // Runs everything to its end, asking at each race point.
    void explore_with(const chooser& choose);

  private:
    friend class actor;
    friend class sim_core;
    static void race_hook_of_machine(const char* point);
    static void relax_hook_of_machine(unsigned turn);

    void resume(actor& a);
    void leave(); // from the running actor to the harness
    void end_of_turn();
    [[nodiscard]] bool can_run(const actor& a) const;
    std::vector<actor*> enabled(const actor* last) const;
    std::vector<actor*> spinners() const;
    void judge_end();

    static constexpr unsigned idle_rounds_max = 300; // of spinning in which nothing happens

    std::unique_ptr<ipi::domain> domain_;
    virtual_clock clock_{instant{1'000'000'000}};
    std::vector<std::unique_ptr<sim_core>> cores_;
    std::vector<std::unique_ptr<sim_waiter>> thread_waiters_;
    std::vector<std::unique_ptr<actor>> actors_;
    std::vector<actor*> actor_of_core_;
    std::vector<unsigned> rings_;
    actor* running_ = nullptr;
    machine* outer_ = nullptr;
    bool exploring_ = false;
    bool stopping_ = false;
    bool allow_unserved_ = false;
    bool allow_stuck_ = false;
    std::uint64_t progress_ = 1; // counts everything that actors do except spin
    std::string failure_;
};

} // namespace puffs::sim
