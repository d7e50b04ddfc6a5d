// Callers of every kind on real cores, a server that answers from anywhere, signals from outside, and the death of the
// server in the middle. PUFFS_STRESS_SECONDS says how long it goes on (2).
#include "puffs/kmod/msgif.hh"

#include "puffs/lwkt/runtime.hh"
#include "puffs/lwkt/sched.hh"
#include "puffs/msgport/simple_ports.hh"
#include "support/seed.hh"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <gtest/gtest.h>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

namespace puffs {
namespace {

using namespace std::chrono_literals;
using kmod::park;

constexpr core_id cores = 4;
constexpr unsigned callers_per_core = 6;

struct world;

// Owned by its core, but `td`, which killers read.
struct caller {
    world* w = nullptr;
    std::mt19937_64 random;
    std::atomic<lwkt::thread*> td{nullptr}; // release; threads are type-stable
    std::atomic<bool> over{false};
};

struct call {
    world* w;
    park* p;
};

struct world {
    explicit world(ipi::domain& d) : mount(d) {}

    lwkt::runtime* runtime = nullptr;
    kmod::puffs_mount mount;
    std::mutex mu;
    std::vector<msg::delivery*> held; // by the server; under mu
    std::atomic<bool> server_stops{false};
    std::atomic<std::uint64_t> replied{0}, interrupted{0}, died{0}, calls_sent{0}, calls_ended{0},
        faf{0};
    std::atomic<std::uint64_t> wrong{0};
    std::vector<std::unique_ptr<caller>> callers;
};

// The server's port: a third is answered at once, the rest is held for others to answer.
int serve(msgport::port& self, msgport::msg& m) {
    auto& w = *static_cast<world*>(static_cast<msgport::putonly_port&>(self).context());
    auto& d = static_cast<msg::delivery&>(m);
    d.result.u64 = 0;
    if (d.req->head.who.pid % 3 == 0) return d.req->head.who.gid == 0 ? 0 : ENOTDIR;
    const std::lock_guard lock(w.mu);
    w.held.push_back(&d);
    return msgport::easync;
}

void reply_on_a_core(void* delivery) {
    auto& d = *static_cast<msg::delivery*>(delivery);
    msgport::replymsg(d, d.req->head.who.gid == 0 ? 0 : ENOTDIR);
}

// An ordinary thread that answers what is held, itself or through some core.
void answer(world& w, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    for (;;) {
        msg::delivery* d = nullptr;
        {
            const std::lock_guard lock(w.mu);
            if (!w.held.empty()) {
                const std::size_t i = random() % w.held.size();
                d = std::exchange(w.held[i], w.held.back());
                w.held.pop_back();
            }
        }
        if (d == nullptr) {
            if (w.server_stops.load(std::memory_order_acquire)) return;
            std::this_thread::yield();
            continue;
        }
        if (random() % 2 == 0) {
            reply_on_a_core(d);
        } else {
            lwkt::create_on(w.runtime->at(static_cast<core_id>(random() % cores)), reply_on_a_core,
                            d, "reply");
        }
    }
}

void told(park& p, int rv, void* arg) {
    auto& w = *static_cast<world*>(arg);
    const int expected = p.req().head.who.gid == 0 ? 0 : ENOTDIR;
    if (rv != expected && rv != ENXIO) w.wrong.fetch_add(1, std::memory_order_relaxed);
    w.calls_ended.fetch_add(1, std::memory_order_relaxed);
    w.mount.msgmem_release(&p);
}

// Blocked by the callers, besides what a wait blocks: a signal that no wait minds.
constexpr std::uint64_t callers_mask = std::uint64_t{1} << (SIGWINCH - 1);

void ask(void* self) {
    caller& c = *static_cast<caller*>(self);
    world& w = *c.w;
    lwkt::thread& td = lwkt::thread::current();
    c.td.store(&td, std::memory_order_release);
    td.set_signal_mask(callers_mask);
    for (bool dead = false; !dead;) {
        td.clear_signals();
        park* const p = w.mount.msgmem_alloc(true);
        const auto kind = c.random() % 4;
        const msg::caller who{.pid = static_cast<std::uint32_t>(c.random() % 1000),
                              .uid = 0,
                              .gid = static_cast<std::uint32_t>(c.random() % 2)};
        p->setinfo(msg::opclass::vn, static_cast<std::uint32_t>(msg::vn_op::fsync),
                   msg::cookie::root);
        if (kind == 0) p->setfaf();
        if (kind == 1) {
            p->setcall(told, &w);
            w.calls_sent.fetch_add(1, std::memory_order_relaxed);
            w.mount.enqueue(*p, who);
            dead = w.mount.status() == kmod::mount_status::dying;
            lwkt::yield();
            continue;
        }
        w.mount.enqueue(*p, who);
        const int rv = w.mount.wait(*p);
        dead = rv == ENXIO;
        (rv == EINTR ? w.interrupted
         : dead      ? w.died
         : kind == 0 ? w.faf
                     : w.replied)
            .fetch_add(1, std::memory_order_relaxed);
        const int expected = kind == 0 || who.gid == 0 ? 0 : ENOTDIR;
        const bool masked_as_before = td.set_signal_mask(callers_mask) == callers_mask;
        if ((rv != expected && rv != EINTR && rv != ENXIO) || !masked_as_before)
            w.wrong.fetch_add(1, std::memory_order_relaxed);
        w.mount.msgmem_release(p);
        if (kind == 0) lwkt::yield();
    }
    c.td.store(nullptr, std::memory_order_release);
    c.over.store(true, std::memory_order_release);
}

// spec: V12 V14 V15 V17 F25 F26 U13 H7 H8 V30
TEST(msgif_stress, callers_signals_replies_from_anywhere_and_a_death) {
    const std::uint64_t seed = sim::test_seed();
    const char* const asked = std::getenv("PUFFS_STRESS_SECONDS");
    const auto duration =
        std::chrono::milliseconds(asked != nullptr ? std::atoi(asked) * 1000 : 2000);

    lwkt::runtime_options options;
    options.cpus = std::vector<int>(cores, 0);
    options.pin = false;
    auto made = lwkt::runtime::create(options);
    ASSERT_TRUE(made) << made.error().name();
    lwkt::runtime& runtime = **made;
    {
        world w(runtime.domain());
        w.runtime = &runtime;
        msgport::putonly_port port("stress server", serve, &w);
        kmod::inproc_transport transport(w.mount, std::vector<msgport::port*>(cores, &port));
        w.mount.set_mounting();
        w.mount.set_running();
        ASSERT_TRUE(runtime.start());

        for (unsigned i = 0; i < cores * callers_per_core; ++i) {
            auto& c = *w.callers.emplace_back(std::make_unique<caller>());
            c.w = &w;
            c.random.seed(seed + i);
            lwkt::create_on(runtime.at(static_cast<core_id>(i % cores)), ask, &c, "caller");
        }
        std::vector<std::thread> servers;
        for (unsigned i = 0; i < 2; ++i)
            servers.emplace_back(answer, std::ref(w), seed + 1000 + i);

        std::mt19937_64 random(seed + 2000);
        const auto end = std::chrono::steady_clock::now() + duration;
        while (std::chrono::steady_clock::now() < end) {
            constexpr int signals[] = {SIGINT, SIGTERM, SIGUSR1, SIGHUP};
            caller& c = *w.callers[random() % w.callers.size()];
            if (lwkt::thread* const td = c.td.load(std::memory_order_acquire); td != nullptr) {
                td->post_signal(signals[random() % std::size(signals)]);
            }
            std::this_thread::sleep_for(50us);
        }
        w.mount.userdead(); // from an ordinary thread
        const auto limit = std::chrono::steady_clock::now() + 60s;
        for (auto& c : w.callers) {
            while (!c->over.load(std::memory_order_acquire)) {
                ASSERT_LT(std::chrono::steady_clock::now(), limit) << "a caller sleeps for ever";
                std::this_thread::sleep_for(1ms);
            }
        }
        w.server_stops.store(true, std::memory_order_release);
        for (std::thread& t : servers)
            t.join();
        while (w.mount.totalpark() != 0) { // replies on their way home
            ASSERT_LT(std::chrono::steady_clock::now(), limit)
                << w.mount.totalpark() << " parks leaked";
            std::this_thread::sleep_for(1ms);
        }
        EXPECT_EQ(w.calls_sent.load(std::memory_order_relaxed),
                  w.calls_ended.load(std::memory_order_relaxed));
        EXPECT_EQ(w.wrong.load(std::memory_order_relaxed), 0U);
        EXPECT_GT(w.replied.load(std::memory_order_relaxed), 0U);
        EXPECT_GT(w.interrupted.load(std::memory_order_relaxed), 0U);
        EXPECT_GT(w.died.load(std::memory_order_relaxed), 0U);
        std::printf("replied %llu interrupted %llu died %llu called %llu fire-and-forget %llu\n",
                    static_cast<unsigned long long>(w.replied.load(std::memory_order_relaxed)),
                    static_cast<unsigned long long>(w.interrupted.load(std::memory_order_relaxed)),
                    static_cast<unsigned long long>(w.died.load(std::memory_order_relaxed)),
                    static_cast<unsigned long long>(w.calls_ended.load(std::memory_order_relaxed)),
                    static_cast<unsigned long long>(w.faf.load(std::memory_order_relaxed)));
        runtime.stop();
    }
}

} // namespace
} // namespace puffs
