// Microbenchmarks of the runtime: switch, token, messages, IPIs. Limits of design.md section 9 are for these figures.
//
// The cross-core ones keep both cores awake with a light thread that yields: what is measured is the
// way of a message, not the waking of a core.
#include "one_core.hh"
#include "puffs/ipi/send.hh"
#include "puffs/lwkt/runtime.hh"
#include "puffs/lwkt/token.hh"
#include "puffs/msgport/port.hh"
#include "puffs/msgport/simple_ports.hh"

#include <atomic>
#include <benchmark/benchmark.h>
#include <sched.h>
#include <vector>

namespace puffs::bench {
namespace {

// A light thread that answers messages until it gets one with msg_stop.
constexpr std::uint32_t msg_stop = msgport::msg_user0;

void answer_messages(void* port_out) {
    auto& port = lwkt::thread::current().port();
    static_cast<std::atomic<msgport::port*>*>(port_out)->store(&port, std::memory_order_release);
    for (bool stop = false; !stop;) {
        msgport::msg* m = port.waitport(sleep_flags::none);
        stop = (m->flags() & msg_stop) != 0;
        msgport::replymsg(*m, 0);
    }
}

// Sends one message there and back for each iteration, then ends the server. On a light thread.
void send_and_wait(benchmark::State& state, msgport::port& server) {
    msgport::msg m;
    m.init(lwkt::thread::current().port());
    for (auto _ : state)
        benchmark::DoNotOptimize(msgport::domsg(server, m));
    m.set_user_flags(msg_stop);
    msgport::domsg(server, m);
}

void lwkt_switch(benchmark::State& state) {
    one_core core;
    core.run([&] {
        bool stop = false;
        auto other = lwkt::create(
            [](void* flag) {
                while (!*static_cast<volatile bool*>(flag))
                    lwkt::yield();
            },
            &stop, "other");
        // Each yield comes back after the other one's: two switches.
        while (state.KeepRunningBatch(2))
            lwkt::yield();
        stop = true;
        lwkt::yield();
        benchmark::DoNotOptimize(other);
    });
    state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}
BENCHMARK(lwkt_switch);

// Free, and last held by this core.
void token_take_release(benchmark::State& state) {
    one_core core;
    core.run([&] {
        lwkt::token t;
        for (auto _ : state) {
            t.take();
            t.release();
        }
    });
}
BENCHMARK(token_take_release);

void message_same_core(benchmark::State& state) {
    one_core core;
    core.run([&] {
        std::atomic<msgport::port*> server{nullptr};
        benchmark::DoNotOptimize(lwkt::create(answer_messages, &server, "server"));
        while (server.load(std::memory_order_acquire) == nullptr)
            lwkt::yield();
        send_and_wait(state, *server.load(std::memory_order_acquire));
    });
}
BENCHMARK(message_same_core);

void message_inline_port(benchmark::State& state) {
    one_core core;
    core.run([&] {
        msgport::putonly_port server("inline", [](msgport::port&, msgport::msg&) { return 0; });
        msgport::msg m;
        m.init(lwkt::thread::current().port());
        for (auto _ : state)
            benchmark::DoNotOptimize(msgport::domsg(server, m));
    });
}
BENCHMARK(message_inline_port);

// Two real cores, each with a thread that keeps it awake.
class two_cores {
  public:
    // Null when the machine has one core only.
    static std::unique_ptr<two_cores> create() {
        std::unique_ptr<two_cores> made(new two_cores);
        cpu_set_t set;
        CPU_ZERO(&set);
        if (sched_getaffinity(0, sizeof set, &set) != 0) return nullptr;
        lwkt::runtime_options options;
        for (int cpu = 0; cpu < CPU_SETSIZE && options.cpus.size() < 2; ++cpu)
            if (CPU_ISSET(static_cast<unsigned>(cpu), &set)) options.cpus.push_back(cpu);
        if (options.cpus.size() < 2) return nullptr;
        auto runtime = lwkt::runtime::create(options);
        if (!runtime || !(*runtime)->start()) return nullptr;
        made->runtime_ = std::move(*runtime);
        for (const core_id id : {core_id{0}, core_id{1}})
            lwkt::create_on(made->runtime_->at(id), stay_awake, made.get(), "awake",
                            {.priority = lwkt::priority::idle_work});
        return made;
    }

    ~two_cores() {
        if (!runtime_) return;
        stop_.store(true, std::memory_order_relaxed);
        while (ended_.load(std::memory_order_acquire) < 2)
            sched_yield();
        runtime_->stop();
    }

    lwkt::runtime& runtime() { return *runtime_; }

  private:
    two_cores() = default;

    static void stay_awake(void* arg) {
        auto& self = *static_cast<two_cores*>(arg);
        while (!self.stop_.load(std::memory_order_relaxed))
            lwkt::yield();
        self.ended_.fetch_add(1, std::memory_order_release);
    }

    std::unique_ptr<lwkt::runtime> runtime_;
    std::atomic<bool> stop_{false};  // relaxed: only ends the loops
    std::atomic<unsigned> ended_{0}; // release by the threads pairs with the destructor's acquire
};

// What the machine itself takes to hand a word to another core and back: no message there can be faster.
void word_cross_core(benchmark::State& state) {
    alignas(limits::cacheline_bytes) std::atomic<std::uint64_t> there{0};
    alignas(limits::cacheline_bytes) std::atomic<std::uint64_t> back{0};
    auto cores = two_cores::create();
    if (!cores) return state.SkipWithError("needs two cores and io_uring");
    struct words {
        std::atomic<std::uint64_t>&there, &back;
    } both{there, back};
    lwkt::create_on(
        cores->runtime().at(1),
        [](void* arg) {
            const auto& w = *static_cast<words*>(arg);
            for (std::uint64_t seen = 0; seen != UINT64_MAX;) {
                const std::uint64_t now = w.there.load(std::memory_order_acquire);
                if (now != seen) w.back.store(seen = now, std::memory_order_release);
            }
        },
        &both, "echo");
    cores->runtime().run_on(0, [&] {
        const auto hand_over = [&](std::uint64_t word) {
            there.store(word, std::memory_order_release);
            while (back.load(std::memory_order_acquire) != word) {
            }
        };
        std::uint64_t word = 0;
        for (auto _ : state)
            hand_over(++word);
        hand_over(UINT64_MAX);
    });
}
BENCHMARK(word_cross_core)->UseRealTime();

void message_cross_core(benchmark::State& state) {
    auto cores = two_cores::create();
    if (!cores) return state.SkipWithError("needs two cores and io_uring");
    std::atomic<msgport::port*> server{nullptr};
    lwkt::create_on(cores->runtime().at(1), answer_messages, &server, "server");
    while (server.load(std::memory_order_acquire) == nullptr)
        sched_yield();
    cores->runtime().run_on(0,
                            [&] { send_and_wait(state, *server.load(std::memory_order_acquire)); });
}
BENCHMARK(message_cross_core)->UseRealTime();

void ipi_and_wait(benchmark::State& state) {
    auto cores = two_cores::create();
    if (!cores) return state.SkipWithError("needs two cores and io_uring");
    cores->runtime().run_on(0, [&] {
        const ipi::crit_section here;
        for (auto _ : state)
            ipi::wait_sent(1, ipi::send(
                                  1, [](void*, std::intptr_t) {}, nullptr));
    });
}
BENCHMARK(ipi_and_wait)->UseRealTime();

void ipi_unicast_and_wait(benchmark::State& state) {
    auto cores = two_cores::create();
    if (!cores) return state.SkipWithError("needs two cores and io_uring");
    cores->runtime().run_on(0, [&] {
        const ipi::crit_section here;
        for (auto _ : state) {
            ipi::sync_message m;
            m.function = [](void*) {};
            ipi::unicast(m, 1);
            ipi::wait(m);
        }
    });
}
BENCHMARK(ipi_unicast_and_wait)->UseRealTime();

} // namespace
} // namespace puffs::bench

BENCHMARK_MAIN();
