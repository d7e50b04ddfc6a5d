#include "puffs/lwkt/offload.hh"

#include "puffs/base/assert.hh"
#include "puffs/base/log.hh"
#include "puffs/base/os_mutex.hh"
#include "puffs/lwkt/thread.hh"
#include "puffs/msgport/port.hh"
#include "puffs/msgport/spin_port.hh"

#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

namespace puffs::lwkt {
namespace {

struct job : msgport::msg {
    void (*work)(void*) = nullptr; // null: the thread that takes it ends
    void* arg = nullptr;
};

} // namespace

struct offload_pool::implementation {
    // constant after construction
    const unsigned threads_max;

    msgport::spin_port jobs{"offload"};

    // atomic
    // Threads less work that was given and is not done: at work's submission above 0 if some thread will not be needed
    // by what was given before. Relaxed: it counts, and publishes nothing.
    std::atomic<int> spare{0};

    // guarded by mu
    mutable os_mutex
        mu; // also held while a thread is started, so that nobody counts on one that never runs
    std::vector<std::thread> threads PUFFS_GUARDED_BY(mu);

    void serve();
    bool start_thread();
};

void offload_pool::implementation::serve() {
    for (;;) {
        auto& next = static_cast<job&>(*jobs.waitport(sleep_flags::none));
        if (next.work == nullptr) {
            msgport::replymsg(next, 0);
            return;
        }
        next.work(next.arg);
        // Before the reply: whoever has it and comes again finds this thread spare.
        spare.fetch_add(1, std::memory_order_relaxed);
        msgport::replymsg(next, 0); // its sender may be gone from here
    }
}

// True if there is a thread that will take the next job, sooner or later.
bool offload_pool::implementation::start_thread() {
    const os_guard guard(mu);
    if (threads.size() < threads_max) {
        try {
            threads.emplace_back([this] { serve(); });
            spare.fetch_add(1, std::memory_order_relaxed);
        } catch (const std::system_error& refused) {
            PUFFS_LOG(warn, "a thread for blocking work cannot be started: {}", refused.what());
        }
    }
    return !threads.empty();
}

offload_pool::offload_pool(unsigned threads_max)
    : impl_(std::make_unique<implementation>(threads_max)) {
    PUFFS_ASSERT(threads_max > 0, "a pool needs a thread");
}

offload_pool::~offload_pool() {
    std::vector<std::thread> threads;
    {
        const os_guard guard(impl_->mu);
        threads.swap(impl_->threads);
    }
    msgport::spin_port replies("offload end");
    for (std::size_t i = 0; i < threads.size(); ++i) {
        job end;
        end.init(replies);
        msgport::domsg(impl_->jobs, end);
    }
    for (std::thread& t : threads) {
        t.join();
    }
}

void offload_pool::run(void (*work)(void* arg), void* arg) noexcept {
    PUFFS_ASSERT(thread::current_or_null() != nullptr, "only light threads offload their work");
    if (impl_->spare.fetch_sub(1, std::memory_order_relaxed) <= 0 && !impl_->start_thread()) {
        work(arg);
        impl_->spare.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    msgport::spin_port reply("offload reply"); // ordinary threads may reply to no other kind
    job j;
    j.init(reply);
    j.work = work;
    j.arg = arg;
    msgport::domsg(impl_->jobs, j);
}

unsigned offload_pool::threads() const noexcept {
    const os_guard guard(impl_->mu);
    return static_cast<unsigned>(impl_->threads.size());
}

} // namespace puffs::lwkt
