// Real threads as bare cores: everything the layer sends, at random, and cores that sleep whenever
// they can. A lost kick hangs; the wait bounds or the test's time limit end it.
#include "support/os_cpu.hh"
#include "support/seed.hh"

#include <array>
#include <gtest/gtest.h>
#include <memory>
#include <random>
#include <thread>
#include <vector>

namespace {

using namespace puffs;
using sim::os_cpu;

constexpr core_id cores = 4;
constexpr unsigned actions = 20'000; // a core

struct world;

// What one core keeps about the others; touched on that core only, except `written`.
struct seat {
    world* w = nullptr;
    std::array<std::intptr_t, cores> sent{};
    std::array<std::intptr_t, cores> arrived{};
    // Data of a trigger: stored relaxed before it, so that only the trigger publishes it (I5).
    std::array<std::atomic<unsigned>, cores> written{};
    std::array<unsigned, cores> seen{};
    std::array<unsigned, cores> unicasts{};
    unsigned unicasts_run = 0;
    bool in_order = true;
    ipi::thread_post end;
    bool ended = false;
};

struct world {
    ipi::domain d{cores};
    std::array<std::unique_ptr<os_cpu>, cores> cpu;
    std::array<seat, cores> seats;
    unsigned trigger_id = 0;
    std::atomic<unsigned> done{0};
};

seat& my_seat(world& w) {
    return w.seats.at(ipi::cpu::current().id());
}

void arrive(void* p, std::intptr_t value) { // value: sequence * cores + source
    seat& s = my_seat(*static_cast<world*>(p));
    const auto source = static_cast<std::size_t>(value % cores);
    s.in_order = s.in_order && value / cores == s.arrived.at(source);
    ++s.arrived.at(source);
}

void triggered(void* p) {
    world& w = *static_cast<world*>(p);
    const core_id here = ipi::cpu::current().id();
    for (core_id source = 0; source < cores; ++source) {
        w.seats.at(here).seen.at(source) =
            w.seats.at(source).written.at(here).load(std::memory_order_relaxed);
    }
}

void run_unicast(void* p) {
    ++my_seat(*static_cast<world*>(p)).unicasts_run;
}

void act(world& w, core_id here, std::mt19937_64& random) {
    seat& s = w.seats.at(here);
    const auto there = static_cast<core_id>((here + 1U + random() % (cores - 1U)) % cores);
    const ipi::crit_section crit;
    switch (random() % 8) {
    case 0:
    case 1: {
        const std::intptr_t value = s.sent.at(there)++ * cores + here;
        ipi::send(there, arrive, &w, value);
        break;
    }
    case 2: {
        const std::intptr_t value = s.sent.at(there) * cores + here;
        if (ipi::send_nowait(there, arrive, &w, value)) {
            ++s.sent.at(there);
        }
        break;
    }
    case 3: {
        const std::intptr_t value = s.sent.at(there)++ * cores + here;
        ipi::send_passive(there, arrive, &w, value);
        break;
    }
    case 4:
    case 5:
        s.written.at(there).fetch_add(1, std::memory_order_relaxed);
        ipi::trigger(w.trigger_id, there);
        break;
    case 6: {
        ipi::sync_message m; // on this stack: gone after the wait
        m.function = run_unicast;
        m.arg = &w;
        ipi::unicast(m, there);
        ++s.unicasts.at(there);
        ipi::wait(m);
        break;
    }
    default:
        if (random() % 64 == 0) {
            ipi::synchronize();
        }
        break;
    }
}

void run_core(world& w, core_id here, std::uint64_t seed) {
    os_cpu& self = *w.cpu.at(here);
    ipi::cpu::set_current(&self);
    std::mt19937_64 random(seed);
    for (unsigned i = 0; i < actions; ++i) {
        act(w, here, random);
    }
    {
        const ipi::crit_section crit;
        ipi::synchronize(); // passive ones too
    }
    w.done.fetch_add(1, std::memory_order_release);
    while (!w.seats.at(here).ended) {
        self.idle_turn();
    }
    ipi::cpu::set_current(nullptr);
}

// spec: I5 I9 I15 Q1 Q3 Q10 T5 V20 V22 V24
TEST(ipi_stress, nothing_is_lost_doubled_or_out_of_order_between_real_cores) {
    const std::uint64_t seed = sim::test_seed();
    auto w = std::make_unique<world>();
    w->trigger_id = w->d.add_handler(triggered, w.get());
    for (core_id c = 0; c < cores; ++c) {
        w->seats.at(c).w = w.get();
        w->cpu.at(c) = std::make_unique<os_cpu>(w->d, c);
    }
    std::vector<std::thread> threads;
    for (core_id c = 0; c < cores; ++c) {
        threads.emplace_back([&, c] { run_core(*w, c, seed + c); });
    }
    while (w->done.load(std::memory_order_acquire) != cores) {
        std::this_thread::yield();
    }
    for (core_id c = 0; c < cores; ++c) {
        ipi::thread_post& end = w->seats.at(c).end;
        end.function = [](void* p, std::intptr_t) { static_cast<seat*>(p)->ended = true; };
        end.arg = &w->seats.at(c);
        ipi::post_from_thread(*w->cpu.at(c), end);
    }
    for (std::thread& t : threads) {
        t.join();
    }
    for (core_id c = 0; c < cores; ++c) {
        const seat& s = w->seats.at(c);
        EXPECT_TRUE(s.in_order);
        unsigned expected_unicasts = 0;
        for (core_id source = 0; source < cores; ++source) {
            EXPECT_EQ(s.arrived.at(source), w->seats.at(source).sent.at(c));
            EXPECT_EQ(s.seen.at(source),
                      w->seats.at(source).written.at(c).load(std::memory_order_relaxed));
            expected_unicasts += w->seats.at(source).unicasts.at(c);
        }
        EXPECT_EQ(s.unicasts_run, expected_unicasts);
        w->cpu.at(c).reset(); // before the domain
    }
}

struct table_tennis {
    ipi::domain d{2};
    os_cpu a{d, 0};
    os_cpu b{d, 1};
    std::array<unsigned, 2> hits{}; // each touched on its core only
};

void hit(void* p, std::intptr_t) {
    ++static_cast<table_tennis*>(p)->hits.at(ipi::cpu::current().id());
}

// Both sleep between any two strokes, so that each stroke races with a core going to sleep.
// spec: T5 V27
TEST(ipi_stress, no_kick_is_lost_to_a_core_that_goes_to_sleep) {
    constexpr unsigned strokes = 20'000;
    table_tennis t;
    const auto play = [&](os_cpu& self, bool serves) {
        ipi::cpu::set_current(&self);
        const auto other = static_cast<core_id>(1 - self.id());
        for (unsigned i = 0; i < strokes; ++i) {
            if (serves) {
                const ipi::crit_section crit;
                ipi::send(other, hit, &t);
            }
            while (t.hits.at(self.id()) <= i) {
                self.idle_turn();
            }
            if (!serves) {
                const ipi::crit_section crit;
                ipi::send(other, hit, &t);
            }
        }
        ipi::cpu::set_current(nullptr);
    };
    std::thread other([&] { play(t.b, false); });
    play(t.a, true);
    other.join();
    EXPECT_EQ(t.hits[0], strokes);
    EXPECT_EQ(t.hits[1], strokes);
    const std::uint64_t doorbells = t.a.stats().kicks.load(std::memory_order_relaxed) +
                                    t.b.stats().kicks.load(std::memory_order_relaxed);
    std::printf("%llu doorbells for %u strokes\n", static_cast<unsigned long long>(doorbells),
                2 * strokes);
}

} // namespace
