#include "puffs/lwkt/runtime.hh"

#include "puffs/base/assert.hh"
#include "puffs/base/clock.hh"
#include "puffs/ipi/domain.hh"
#include "puffs/lwkt/offload.hh"
#include "puffs/lwkt/run_on.hh"

#include <algorithm>
#include <latch>
#include <pthread.h>
#include <sched.h>
#include <system_error>
#include <thread>

namespace puffs::lwkt {
namespace {

std::vector<int> allowed_cpus() {
    cpu_set_t set;
    CPU_ZERO(&set);
    std::vector<int> cpus;
    if (::sched_getaffinity(0, sizeof set, &set) == 0) {
        for (int c = 0; c < CPU_SETSIZE; ++c) {
            if (CPU_ISSET(static_cast<unsigned>(c), &set)) {
                cpus.push_back(c);
            }
        }
    }
    return cpus;
}

int pin_self(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<unsigned>(cpu), &set);
    return ::pthread_setaffinity_np(::pthread_self(), sizeof set, &set);
}

} // namespace

struct runtime::implementation {
    implementation(core_id count, unsigned offload_threads)
        : domain(count), offload(offload_threads) {}

    // constant after create
    std::vector<int> cpus;
    bool pin = true;
    monotonic_clock clock;
    ipi::domain domain;
    offload_pool offload;
    std::vector<std::unique_ptr<ring>> rings;
    std::vector<std::unique_ptr<core>> cores;

    // owned by the thread that starts and stops
    std::vector<std::thread> threads;
    bool started = false;
};

runtime::runtime() = default;

runtime::~runtime() {
    stop();
}

result<std::unique_ptr<runtime>> runtime::create(const runtime_options& o) {
    const std::vector<int> allowed = allowed_cpus();
    const std::vector<int>& cpus = o.cpus.empty() ? allowed : o.cpus;
    const bool known = std::all_of(cpus.begin(), cpus.end(), [&](int c) {
        return std::find(allowed.begin(), allowed.end(), c) != allowed.end();
    });
    if (cpus.empty() || cpus.size() > limits::cores || !known) {
        return fail(EINVAL);
    }
    std::unique_ptr<runtime> made(new runtime);
    made->impl_ =
        std::make_unique<implementation>(static_cast<core_id>(cpus.size()), o.offload_threads);
    implementation& impl = *made->impl_;
    impl.cpus = cpus;
    impl.pin = o.pin;
    for (std::size_t i = 0; i < cpus.size(); ++i) {
        auto r = ring::create(o.ring);
        if (!r) {
            return std::unexpected(r.error());
        }
        impl.rings.push_back(std::move(*r));
        impl.cores.push_back(std::make_unique<core>(impl.domain, static_cast<core_id>(i),
                                                    impl.clock, *impl.rings.back(), o.core));
        impl.cores.back()->set_offload(impl.offload);
    }
    return made;
}

result<void> runtime::start() {
    implementation& impl = *impl_;
    PUFFS_ASSERT(!impl.started, "a runtime starts once: its rings belong to their first threads");
    impl.started = true;
    const auto count = static_cast<std::ptrdiff_t>(impl.cores.size());
    std::latch running(count);
    std::atomic<int> refused{0}; // relaxed; the latch orders it
    impl.threads.reserve(impl.cores.size());
    for (std::ptrdiff_t i = 0; i < count; ++i) {
        try {
            impl.threads.emplace_back([&impl, &running, &refused, i] {
                const auto at = static_cast<std::size_t>(i);
                if (const int e = impl.pin ? pin_self(impl.cpus[at]) : 0; e != 0) {
                    refused.store(e, std::memory_order_relaxed);
                }
                running.count_down();
                impl.cores[at]->run();
            });
        } catch (const std::system_error& limit) {
            refused.store(limit.code().value(), std::memory_order_relaxed);
            running.count_down(count - i); // for the threads that will not be
            break;
        }
    }
    running.wait(); // those that were started refer to this frame
    if (const int e = refused.load(std::memory_order_relaxed); e != 0) {
        stop();
        return fail(e);
    }
    return {};
}

void runtime::stop() {
    if (!impl_) {
        return;
    }
    for (auto& c : impl_->cores) {
        c->request_stop();
    }
    for (std::thread& t : impl_->threads) {
        t.join();
    }
    impl_->threads.clear();
}

core_id runtime::size() const noexcept {
    return static_cast<core_id>(impl_->cores.size());
}

core& runtime::at(core_id id) const noexcept {
    PUFFS_ASSERT(id < impl_->cores.size(), "core number out of range");
    return *impl_->cores[id];
}

ring& runtime::ring_of(core_id id) const noexcept {
    PUFFS_ASSERT(id < impl_->rings.size(), "core number out of range");
    return *impl_->rings[id];
}

int runtime::cpu_of(core_id id) const noexcept {
    PUFFS_ASSERT(id < impl_->cpus.size(), "core number out of range");
    return impl_->cpus[id];
}

ipi::domain& runtime::domain() const noexcept {
    return impl_->domain;
}

const offload_pool& runtime::offload_threads() const noexcept {
    return impl_->offload;
}

void runtime::run_on(core_id id, std::function<void()> f) {
    PUFFS_ASSERT(ipi::cpu::current_or_null() == nullptr, "run_on is for ordinary threads");
    PUFFS_ASSERT(!impl_->threads.empty(), "run_on needs running cores");
    lwkt::run_on(at(id), f, "run_on");
}

} // namespace puffs::lwkt
