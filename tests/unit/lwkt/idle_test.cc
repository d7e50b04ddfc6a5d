// The way of a core to sleep: whatever comes, at any step of it, is taken before the core sleeps, or ends its sleep.
#include "puffs/base/race_point.hh"
#include "support/explore.hh"
#include "support/lwkt/rig.hh"
#include "unit/lwkt/thread_test.hh"

#include <array>
#include <utility>

namespace puffs {
namespace {

using lwkt::thread;
using namespace std::chrono_literals;

// The steps, in order. After the last look at what it owns the core asks only whether others have posted something.
enum class moment { polls, last_look, published, sleeps };

// Core 0 of two, in its own loop, with one thing that comes to it.
class idle_core final : public lwkt::event_source, public lwkt::ingress {
  public:
    using arrival = void (*)(idle_core&);

    // `what` comes at the nth time of `when`.
    idle_core(arrival what, moment when, int nth)
        : handler(domain.add_handler(finish, this)), what_(what), when_(when), left_(nth) {
        here.attach(*this);
        as(&here, [this] {
            sleeper = *lwkt::create(finish_late, this, "sleeper", {.stopped = true});
            here.timers().arm(alarm, here.now().after(5ms));
        });
#ifdef PUFFS_RACE_POINTS
        watched_ = this;
        current_race_hook() = [](const char* point) {
            if (std::string_view(point) == "sleep: published") {
                watched_->at(moment::published);
            }
        };
#endif
    }
    ~idle_core() override {
#ifdef PUFFS_RACE_POINTS
        current_race_hook() = nullptr;
#endif
        here.detach(*this);
        here.timers().cancel(alarm);
        lwkt::schedule(*sleeper); // no effect if it has run
        while (here.step()) {
        }
    }
    idle_core(const idle_core&) = delete;
    idle_core& operator=(const idle_core&) = delete;

    // Runs f as if that core, or with null an ordinary thread, did.
    template <class F>
    static void as(lwkt::core* c, F&& f) {
        ipi::cpu* before = ipi::cpu::current_or_null();
        ipi::cpu::set_current(c);
        if (c != nullptr) {
            c->set_crit_count(c->crit_count() + 1);
        }
        f();
        if (c != nullptr) {
            c->set_crit_count(c->crit_count() - 1);
        }
        ipi::cpu::set_current(before);
    }

    static void schedule_it(idle_core& i) {
        lwkt::schedule(*i.sleeper);
    }
    static void finish(void* self) {
        static_cast<idle_core*>(self)->finished = true;
        static_cast<idle_core*>(self)->here.request_stop();
    }

    // After more turns than the budget of the core.
    static void finish_late(void* self) {
        for (int i = 0; i < 100; ++i) {
            lwkt::yield();
        }
        finish(self);
    }

    // lwkt::event_source
    bool poll() noexcept override {
        at(moment::polls);
        return false;
    }
    void sleep(const instant* deadline) noexcept override {
        ++sleeps;
        EXPECT_FALSE(ready_ || sleeper_is_queued()) << "asleep with work of its own";
        at(moment::sleeps);
        const bool ends = doorbells > 0 || ready_ || sleeper_is_queued() ||
                          (deadline != nullptr && !clock.now().before(*deadline));
        if (left_ <= 0 && !finished && !ends) {
            ADD_FAILURE() << "asleep, and nothing will wake it";
            here.request_stop();
        }
        doorbells = 0; // otherwise it returns without a reason, as a sleep may
    }
    void wake() noexcept override {
        ++doorbells;
    }

    // lwkt::ingress
    bool ready() noexcept override {
        at(moment::last_look);
        return ready_;
    }
    void run_one() noexcept override {
        ready_ = false;
        finish(this);
    }
    void become_ready() {
        ready_ = true;
    }

    virtual_clock clock{instant{1'000'000'000}};
    ipi::domain domain{2};
    test::counting_events other_events;
    lwkt::core here{domain, 0, clock, *this};
    lwkt::core other{domain, 1, clock, other_events};
    thread* sleeper = nullptr;
    lwkt::timer alarm{finish, this};
    const unsigned handler;
    int doorbells = 0;
    int sleeps = 0;
    bool finished = false;

  private:
    void at(moment m) {
        if (m == when_ && --left_ == 0) {
            what_(*this);
        }
    }
    // By this core itself, which is then not asleep.
    bool sleeper_is_queued() const {
        return (lwkt::thread_test::flags(*sleeper) & lwkt::td_runq) != 0;
    }

    const arrival what_;
    const moment when_;
    int left_;
    bool ready_ = false;
#ifdef PUFFS_RACE_POINTS
    static inline idle_core* watched_ = nullptr;
#endif
};

void finish_by_ipi(void* self, std::intptr_t /*unused*/) {
    idle_core::finish(self);
}

// From elsewhere: at any moment.
constexpr std::array<std::pair<const char*, idle_core::arrival>, 6> from_elsewhere{{
    {"an ordinary thread's schedule",
     [](idle_core& i) { i.as(nullptr, [&] { idle_core::schedule_it(i); }); }},
    {"another core's schedule",
     [](idle_core& i) { i.as(&i.other, [&] { idle_core::schedule_it(i); }); }},
    {"a trigger", [](idle_core& i) { i.as(&i.other, [&] { ipi::trigger(i.handler, 0); }); }},
    {"a send", [](idle_core& i) { i.as(&i.other, [&] { ipi::send(0, finish_by_ipi, &i); }); }},
    {"the time of a timer", [](idle_core& i) { i.clock.advance(5ms); }},
    {"a request to stop", [](idle_core& i) { i.as(nullptr, [&] { idle_core::finish(&i); }); }},
}};

void run_all(const char* name, idle_core::arrival what, moment when) {
    for (int nth = 1; nth <= 4; ++nth) {
        SCOPED_TRACE(std::string(name) + " at step " + std::to_string(static_cast<int>(when)) +
                     ", time " + std::to_string(nth));
        idle_core i(what, when, nth);
        i.here.run();
        EXPECT_TRUE(i.finished);
    }
}

// spec: L32 T5 V27
TEST(idle, whatever_comes_from_elsewhere_is_never_slept_on) {
    for (const moment when : {moment::polls, moment::last_look, moment::sleeps}) {
        for (const auto& [name, what] : from_elsewhere) {
            run_all(name, what, when);
        }
    }
}

// spec: L32 T5 V27
TEST(idle, whatever_comes_once_the_core_has_said_that_it_sleeps_is_never_slept_on) {
    if (!sim::race_points) {
        GTEST_SKIP() << "built without race points: nobody can look into that step";
    }
    for (const auto& [name, what] : from_elsewhere) {
        run_all(name, what, moment::published);
    }
}

// spec: L32
TEST(idle, what_the_core_brings_to_itself_is_never_slept_on) {
    for (const moment when : {moment::polls, moment::sleeps}) {
        run_all("a completion that schedules", idle_core::schedule_it, when);
        run_all(
            "ingress", [](idle_core& i) { i.become_ready(); }, when);
    }
    run_all(
        "ingress", [](idle_core& i) { i.become_ready(); }, moment::last_look);
}

// spec: L32 T5
TEST(idle, a_core_with_nothing_to_do_sleeps_and_an_awake_one_gets_no_doorbell) {
    static int doorbells;
    for (int nth = 1; nth <= 4; ++nth) {
        doorbells = -1;
        idle_core i(
            [](idle_core& self) {
                self.as(&self.other, [&] { ipi::send(0, finish_by_ipi, &self); });
                doorbells = self.doorbells;
            },
            moment::polls, nth);
        i.here.run();
        EXPECT_EQ(i.sleeps, nth - 1); // one a turn
        EXPECT_EQ(doorbells, 0);
    }
}

} // namespace
} // namespace puffs
