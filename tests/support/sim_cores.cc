#include "support/sim_cores.hh"

#include "puffs/base/race_point.hh"

#include <utility>

namespace puffs::sim {
namespace {

thread_local machine* current_machine = nullptr;

// The only way to the scheduler's switch of current waiters.
class waiter_switch : public waiter {
  public:
    static void to(waiter* w) noexcept { set_current(w); }

  protected:
    ~waiter_switch() = default;
};

} // namespace

// ---- actor

actor::actor(machine& m, std::string name, ipi::cpu* as, std::function<void()> body)
    : machine_(m), name_(std::move(name)), cpu_(as), fiber_(std::move(body)) {}

void actor::block() {
    ++machine_.progress_;
    if (std::exchange(unblocked_early_, false)) {
        return;
    }
    blocked_ = true;
    machine_.leave();
}

void actor::unblock() {
    ++machine_.progress_;
    if (blocked_) {
        blocked_ = false;
    } else {
        unblocked_early_ = true;
    }
}

// ---- sim_waiter

void sim_waiter::sleep(sleep_flags flags) noexcept {
    ++sleeps;
    const auto due = [&] {
        return woken_ || (flags == sleep_flags::catch_signals && signal_ != 0);
    };
    if (core_ == nullptr) {
        while (!due()) {
            actor_->block();
        }
        return;
    }
    // The core idles meanwhile, whatever critical sections its thread sleeps in (spec T3).
    const int crit = core_->crit_count();
    core_->set_crit_count(1);
    for (;;) {
        core_->serve_ipis();
        if (due()) {
            break;
        }
        if (core_->publish_asleep()) {
            actor_->block();
            core_->publish_awake();
        }
    }
    core_->set_crit_count(crit);
}

void sim_waiter::wake() noexcept {
    ++wakes;
    if (core_ == nullptr) {
        woken_ = true;
        actor_->unblock();
    } else if (core_->is_current()) {
        woken_ = true;
    } else if (!std::exchange(wake_posted_, true)) {
        wake_post_.function = [](void* self, std::intptr_t) {
            auto& w = *static_cast<sim_waiter*>(self);
            w.wake_posted_ = false;
            w.woken_ = true;
        };
        ipi::post_from_thread(*core_, wake_post_);
    }
}

void sim_waiter::post_signal(int code) {
    signal_ = code;
    if (code != 0) {
        wake();
    }
}

// ---- sim_core

sim_core::sim_core(machine& m, ipi::domain& d, core_id id)
    : cpu(d, id), machine_(m), waiter_(this) {}

void sim_core::ring_doorbell() noexcept {
    ++doorbells_;
    actor_->unblock();
}

void sim_core::loop() {
    while (!machine_.stopping_) {
        set_crit_count(1);
        serve_ipis();
        set_crit_count(0);
        if (!bodies_.empty()) {
            const std::function<void()> body = std::move(bodies_.front());
            bodies_.pop_front();
            running_ = true;
            body();
            running_ = false;
            PUFFS_ASSERT(crit_count() == 0, "a body ends in a critical section");
            machine_.end_of_turn();
            continue;
        }
        set_crit_count(1);
        if (publish_asleep()) {
            actor_->block();
            publish_awake();
        }
        set_crit_count(0);
    }
}

// ---- machine

machine::machine(core_id cores) : outer_(current_machine) {
    current_machine = this;
    if (cores == 0) {
        return;
    }
    domain_ = std::make_unique<ipi::domain>(cores);
    for (core_id id = 0; id < cores; ++id) {
        cores_.push_back(std::make_unique<sim_core>(*this, *domain_, id));
        sim_core& c = *cores_.back();
        actors_.push_back(
            std::make_unique<actor>(*this, "core " + std::to_string(id), &c, [&c] { c.loop(); }));
        c.actor_ = actors_.back().get();
        c.waiter_.bind(*c.actor_);
        c.actor_->waiter_ = &c.waiter_;
        actor_of_core_.push_back(c.actor_);
        rings_.push_back(0);
    }
}

machine::~machine() {
    stopping_ = true;
    exploring_ = false;
    for (const std::unique_ptr<sim_core>& c : cores_) { // so that nothing is left on their stacks
        if (!c->running_ && !c->actor_->finished() && failure_.empty()) {
            c->bodies_.clear();
            c->actor_->blocked_ = false;
            resume(*c->actor_);
        }
    }
    actors_.clear();
    cores_.clear();
    domain_.reset();
    current_machine = outer_;
}

machine& machine::current() {
    PUFFS_ASSERT(current_machine != nullptr, "no machine");
    return *current_machine;
}

void machine::run_on(core_id id, std::function<void()> body) {
    sim_core& c = core(id);
    c.bodies_.push_back(std::move(body));
    if (c.actor_->blocked_ && !c.running_) {
        c.actor_->unblock();
    }
}

sim_waiter& machine::run_thread(std::string name, std::function<void()> body) {
    thread_waiters_.push_back(std::make_unique<sim_waiter>(nullptr));
    sim_waiter& w = *thread_waiters_.back();
    actors_.push_back(std::make_unique<actor>(*this, std::move(name), nullptr, std::move(body)));
    actors_.back()->waiter_ = &w;
    w.bind(*actors_.back());
    return w;
}

void machine::add_core(ipi::cpu& c, std::function<bool()> turn) {
    const auto loop = [this, &c, turn = std::move(turn)] {
        while (!stopping_) {
            if (turn()) {
                end_of_turn();
                continue;
            }
            ipi::cpu::set_current(&c);
            c.set_crit_count(c.crit_count() + 1);
            if (c.publish_asleep()) {
                running_->block();
                c.publish_awake();
            }
            c.set_crit_count(c.crit_count() - 1);
        }
    };
    actors_.push_back(std::make_unique<actor>(*this, "core " + std::to_string(c.id()), &c, loop));
    const std::size_t id = c.id();
    if (actor_of_core_.size() <= id) {
        actor_of_core_.resize(id + 1);
        rings_.resize(id + 1);
    }
    actor_of_core_[id] = actors_.back().get();
}

void machine::ring(core_id id) {
    ++rings_.at(id);
    actor_of_core_.at(id)->unblock();
}

void machine::resume(actor& a) {
    PUFFS_ASSERT(running_ == nullptr, "an actor resumes another");
    ipi::cpu* const cpu_before = ipi::cpu::current_or_null();
    waiter* const waiter_before = &waiter::current();
    running_ = &a;
    ipi::cpu::set_current(a.cpu_);
    waiter_switch::to(a.waiter_);
#ifdef PUFFS_RACE_POINTS
    const race_hook race_before = std::exchange(current_race_hook(), race_hook_of_machine);
#endif
    const relax_hook relax_before = std::exchange(current_relax_hook(), relax_hook_of_machine);

    a.fiber_.resume();

    current_relax_hook() = relax_before;
#ifdef PUFFS_RACE_POINTS
    current_race_hook() = race_before;
#endif
    a.cpu_ = ipi::cpu::current_or_null();
    a.waiter_ = &waiter::current();
    running_ = nullptr;
    ipi::cpu::set_current(cpu_before);
    waiter_switch::to(waiter_before);
}

void machine::leave() {
    running_->fiber_.suspend();
}

void machine::end_of_turn() {
    ++progress_;
    leave();
}

void machine::race_hook_of_machine(const char* point) {
    current().yield(point);
}

void machine::relax_hook_of_machine(unsigned) {
    current().spin();
}

void machine::yield(const char*) {
    ++progress_;
    if (exploring_) {
        leave();
    }
}

void machine::spin() {
    running_->spinning_ = true;
    running_->progress_at_spin_ = progress_;
    leave();
    running_->spinning_ = false;
}

void machine::check(bool ok, const std::string& what) {
    if (!ok) {
        fail(what);
    }
}

void machine::fail(const std::string& what) {
    if (failure_.empty()) {
        failure_ = what;
    }
}

// ---- by hand

bool machine::step(core_id id) {
    actor& a = *actor_of_core_.at(id);
    if (a.finished() || a.blocked_) {
        return false;
    }
    resume(a);
    return !a.finished() && !a.blocked_;
}

bool machine::run_until_idle() {
    unsigned idle_rounds = 0;
    for (;;) {
        bool any = false;
        const std::uint64_t before = progress_;
        for (std::size_t i = 0; i < actors_.size(); ++i) { // actors may add actors
            actor& a = *actors_[i];
            if (!a.finished() && !a.blocked_) {
                any = true;
                resume(a);
            }
        }
        if (!any) {
            judge_end();
            return failure_.empty();
        }
        idle_rounds = progress_ == before ? idle_rounds + 1 : 0;
        if (idle_rounds > idle_rounds_max) {
            std::string who;
            for (const actor* a : spinners()) {
                who += " " + a->name();
            }
            fail("live lock, these spin for ever:" + who);
            return false;
        }
    }
}

void machine::advance(std::chrono::nanoseconds by) {
    clock_.advance(by);
    for (actor* a : actor_of_core_) {
        if (cores_.empty() && a != nullptr) {
            a->unblock();
        }
    }
}

// ---- exploring

bool machine::can_run(const actor& a) const {
    return !a.finished() && !a.blocked_ && !(a.spinning_ && a.progress_at_spin_ == progress_);
}

std::vector<actor*> machine::enabled(const actor* last) const {
    std::vector<actor*> list;
    for (const std::unique_ptr<actor>& a : actors_) {
        if (can_run(*a)) {
            // Who ran last comes first, unless it spins: then it is the others' turn.
            if (a.get() == last && !a->spinning_) {
                list.insert(list.begin(), a.get());
            } else {
                list.push_back(a.get());
            }
        }
    }
    return list;
}

std::vector<actor*> machine::spinners() const {
    std::vector<actor*> list;
    for (const std::unique_ptr<actor>& a : actors_) {
        if (!a->finished() && !a->blocked_) {
            list.push_back(a.get());
        }
    }
    return list;
}

void machine::explore_with(const chooser& choose) {
    exploring_ = true;
    const actor* last = nullptr;
    unsigned idle_rounds = 0;
    while (failure_.empty()) {
        const std::vector<actor*> list = enabled(last);
        if (!list.empty()) {
            idle_rounds = 0;
            const bool first_ran_last = list.front() == last && !last->spinning_;
            actor* const next =
                list.size() == 1 ? list.front() : list.at(choose(list.size(), first_ran_last));
            last = next;
            resume(*next);
            continue;
        }
        // Nothing happened since each of these spun. Once more round, in case one of them does
        // something between two turns that passes no race point.
        const std::vector<actor*> round = spinners();
        if (round.empty()) {
            judge_end();
            break;
        }
        if (++idle_rounds > idle_rounds_max) {
            std::string who;
            for (const actor* a : round) {
                who += " " + a->name();
            }
            fail("live lock, these spin for ever:" + who);
            break;
        }
        for (actor* a : round) {
            if (!a->finished() && !a->blocked_) {
                resume(*a);
            }
        }
    }
    exploring_ = false;
}

void machine::judge_end() {
    for (const std::unique_ptr<sim_core>& c : cores_) {
        if (c->busy() && !allow_stuck_) {
            fail(c->actor_->name() + " sleeps in the middle of its work, for ever");
        }
    }
    for (const std::unique_ptr<actor>& a : actors_) {
        if (a->cpu_ == nullptr) {
            if (!a->finished() && !allow_stuck_) {
                fail(a->name() + " sleeps for ever");
            }
        } else if (a->cpu_->has_requests() && !allow_unserved_) {
            fail(a->name() + " sleeps though something is pending");
        }
    }
}

} // namespace puffs::sim
