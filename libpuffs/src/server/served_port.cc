#include "served_port.hh"

#include "puffs/lwkt/core.hh"
#include "puffs/lwkt/sched.hh"

#include <chrono>

namespace puffs {

namespace {

constexpr auto retry_interval = std::chrono::milliseconds(1);
constexpr const char* thread_name = "puffs_served";

} // namespace

served_port::served_port(const char* name, core_id core, function handler, void* context)
    : handler_(handler), context_(context), port_(name, core, arrives, this),
      retry_([](void* self) { static_cast<served_port*>(self)->start_thread(); }, this) {}

void served_port::arrives(msgport::core_port& self, msgport::msg& m) {
    auto& p = *static_cast<served_port*>(self.context());
    p.queue_.push(m);
    p.start_thread();
}

// On the core, in a critical section.
void served_port::start_thread() noexcept {
    if (scheduled_ || queue_.empty()) {
        return;
    }
    scheduled_ = lwkt::create(serve, this, thread_name).has_value();
    if (!scheduled_) {
        auto& c = lwkt::core::current();
        c.timers().arm(retry_, c.now().after(retry_interval));
    }
}

void served_port::serve(void* self) {
    auto& p = *static_cast<served_port*>(self);
    p.scheduled_ = false;
    for (;;) {
        msgport::msg* m = nullptr;
        {
            const ipi::crit_section crit;
            m = p.queue_.pop();
            if (m == nullptr) {
                return;
            }
            p.start_thread();
        }
        p.handler_(p.context_, *m);
    }
}

} // namespace puffs
