#include "puffs/ipi/mailbox.hh"

namespace puffs::ipi {

bool mailbox::try_put(sync_message& m) noexcept {
    for (std::atomic<sync_message*>& slot : slots_) {
        if (slot.load(std::memory_order_relaxed) != nullptr) {
            continue;
        }
        sync_message* expected = nullptr;
        if (slot.compare_exchange_strong(expected, &m, std::memory_order_release,
                                         std::memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

sync_message* mailbox::take() noexcept {
    for (std::atomic<sync_message*>& slot : slots_) {
        if (slot.load(std::memory_order_relaxed) != nullptr) {
            return slot.exchange(nullptr, std::memory_order_acquire);
        }
    }
    return nullptr;
}

bool mailbox::empty() const noexcept {
    for (const std::atomic<sync_message*>& slot : slots_) {
        if (slot.load(std::memory_order_relaxed) != nullptr) {
            return false;
        }
    }
    return true;
}

} // namespace puffs::ipi
