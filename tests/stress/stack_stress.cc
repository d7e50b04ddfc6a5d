// The whole stack in one process, under clients that do everything at once: on real cores, and on virtual ones under
// random schedules, in turns. Rounds end in peace or by the death of the server.
//
// PUFFS_STRESS_SECONDS says how long it goes on: 10, under a sanitizer 60. Each pair of rounds has a seed of its own;
// PUFFS_SEED begins with that one.
#include "puffs/lwkt/runtime.hh"
#include "stress/stack/world.hh"
#include "support/lwkt/machine_cores.hh"
#include "support/sanitized.hh"
#include "support/seed.hh"

#include <condition_variable>
#include <cstdlib>
#include <gtest/gtest.h>
#include <thread>

namespace puffs::stress {
namespace {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

constexpr auto hang_limit = sim::sanitized ? 60s : 30s;

std::chrono::seconds duration() {
    const char* const asked = std::getenv("PUFFS_STRESS_SECONDS");
    return std::chrono::seconds(asked != nullptr ? std::atoi(asked) : sim::sanitized ? 60 : 10);
}

// Ends the process, and says who waits for what, when nothing has been answered for a long time.
class watchdog {
  public:
    watchdog(const world& w, std::uint64_t seed) : world_(w), seed_(seed) {}
    ~watchdog() {
        {
            const std::lock_guard lock(mu_);
            over_ = true;
        }
        changed_.notify_one();
        thread_.join();
    }
    watchdog(const watchdog&) = delete;
    watchdog& operator=(const watchdog&) = delete;

    [[noreturn]] void bark(const char* what) const {
        std::fprintf(stderr, "%s\nPUFFS_SEED=%llu\n%s%s", what,
                     static_cast<unsigned long long>(seed_), world_.describe().c_str(),
                     world_.found.text().c_str());
        std::fflush(stderr);
        std::abort();
    }

  private:
    void watch() {
        std::uint64_t replies = 0;
        const char* phase = nullptr;
        auto last = steady::now();
        std::unique_lock lock(mu_);
        while (!changed_.wait_for(lock, 100ms, [this] { return over_; })) {
            if (replies != world_.replies() ||
                phase != world_.phase.load(std::memory_order_relaxed)) {
                replies = world_.replies();
                phase = world_.phase.load(std::memory_order_relaxed);
                last = steady::now();
            } else if (steady::now() - last > hang_limit) {
                bark("nothing is answered any more");
            }
        }
    }
    const world& world_;
    const std::uint64_t seed_;
    std::mutex mu_;
    std::condition_variable changed_;
    bool over_ = false; // under mu_
    std::thread thread_{[this] { watch(); }};
};

struct figures {
    std::uint64_t replies = 0, interrupts = 0, interrupted = 0, rounds = 0;
    void add(const world& w) {
        replies += w.replies();
        interrupts += w.interrupts.load(std::memory_order_relaxed);
        interrupted += w.interrupted.load(std::memory_order_relaxed);
        ++rounds;
    }
    void print(const char* where) const {
        std::printf("%s: %llu rounds, %llu requests, %llu interrupts, %llu interrupted\n", where,
                    static_cast<unsigned long long>(rounds),
                    static_cast<unsigned long long>(replies),
                    static_cast<unsigned long long>(interrupts),
                    static_cast<unsigned long long>(interrupted));
    }
};

// With one client a core nobody else's request makes up for one that the mount forgot to send.
unsigned clients_per_core(std::mt19937_64& random) {
    return random() % 3 == 0 ? 1 : 2 + static_cast<unsigned>(random() % 3);
}

policy policy_of(std::uint64_t seed) {
    return seed % 2 == 0 ? policy::per_node : policy::home;
}

void real_round(std::uint64_t seed, figures& sum) {
    constexpr core_id cores = 4;
    std::mt19937_64 random(seed);
    lwkt::runtime_options o;
    o.cpus = std::vector<int>(cores, 0);
    o.pin = false;
    auto made = lwkt::runtime::create(o);
    ASSERT_TRUE(made) << made.error().name();
    lwkt::runtime& runtime = **made;
    world w(runtime.domain(), {.cores = cores,
                               .clients_per_core = clients_per_core(random),
                               .seed = seed,
                               .steps = 0,
                               .how = policy_of(seed)});
    const watchdog dog(w, seed);
    ASSERT_TRUE(runtime.start());
    w.start();
    std::this_thread::sleep_for(std::chrono::milliseconds(200 + random() % 800));
    switch (random() % 4) {
    case 0:
        w.kill(); // from an ordinary thread
        break;
    case 1:
        w.kill_on(static_cast<core_id>(random() % cores));
        break;
    default:
        w.stop.store(true, std::memory_order_relaxed);
    }
    while (!w.over()) {
        std::this_thread::sleep_for(1ms);
    }
    for (core_id c = 0; c < cores; ++c) {
        runtime.run_on(c, [] { lwkt::yield(); }); // behind whoever is about to exit
    }
    runtime.stop();
    EXPECT_FALSE(w.found.any()) << "PUFFS_SEED=" << seed << " " << w.found.text();
    sum.add(w);
}

// Three virtual cores on this thread.
struct virtual_cores {
    static constexpr core_id count = 3;
    virtual_cores() {
        machine.allow_stuck();    // light threads sleep until the clock goes on
        machine.allow_unserved(); // a pin goes home by a passive message
        on.put_on(machine);
    }
    test::machine_cores on{count};
    sim::machine machine{0}; // goes first
};

// Runs the world to its end, every step chosen at random; kills it after `kill_at` choices unless that is 0.
void run_virtual(virtual_cores& v, world& w, const watchdog& dog, std::mt19937_64& random,
                 std::uint64_t kill_at) {
    constexpr unsigned idle_max = 100'000; // advances of the clock in which nothing is answered
    const std::uint64_t stay = 1 + random() % 8;
    std::uint64_t choices = 0;
    const auto choose = [&](std::size_t count, bool first_ran_last) -> std::size_t {
        if (++choices == kill_at) {
            if (random() % 2 == 0) {
                v.machine.run_thread("killer", [&w] { w.kill(); });
            } else {
                w.kill_on(static_cast<core_id>(random() % virtual_cores::count));
            }
        }
        if (random() % 32 == 0) v.machine.advance(std::chrono::microseconds(1 + random() % 4));
        return first_ran_last && random() % stay != 0 ? 0 : random() % count;
    };
    std::uint64_t replies = 0;
    for (unsigned idle = 0; idle < idle_max; ++idle) {
        v.machine.explore_with(choose);
        if (!v.machine.failure().empty()) dog.bark(v.machine.failure().c_str());
        if (w.over()) return;
        if (std::exchange(replies, w.replies()) != w.replies()) idle = 0;
        v.machine.advance(std::chrono::microseconds(1 + random() % 20));
    }
    dog.bark("nothing is answered any more");
}

void virtual_round(std::uint64_t seed, figures& sum) {
    std::mt19937_64 random(seed);
    virtual_cores v;
    const bool killed = random() % 2 == 0;
    world w(v.on.domain, {.cores = virtual_cores::count,
                          .clients_per_core = clients_per_core(random),
                          .seed = seed,
                          .steps = killed ? 0U : 200U,
                          .how = policy_of(seed)});
    const watchdog dog(w, seed);
    w.start();
    run_virtual(v, w, dog, random, killed ? 1 + random() % 100'000 : 0);
    EXPECT_FALSE(w.found.any()) << "PUFFS_SEED=" << seed << " " << w.found.text();
    sum.add(w);
}

// spec: H1 H4 H5 H6 U13 X3 X4 X6 X8 F7 F18 F25
TEST(stack_stress, everything_at_once_on_real_and_virtual_cores) {
    const std::uint64_t first_seed = sim::test_seed();
    const auto end = steady::now() + duration();
    figures on_real, on_virtual;
    for (std::uint64_t seed = first_seed; steady::now() < end && !HasFailure(); ++seed) {
        real_round(seed, on_real);
        for (int i = 0; i < 4 && !HasFailure(); ++i) {
            virtual_round(seed, on_virtual);
        }
    }
    on_real.print("real cores");
    on_virtual.print("virtual cores");
    EXPECT_GT(on_real.interrupts, 0U);
    EXPECT_GT(on_virtual.interrupts, 0U);
    EXPECT_GT(on_virtual.interrupted, 0U);
}

} // namespace
} // namespace puffs::stress
