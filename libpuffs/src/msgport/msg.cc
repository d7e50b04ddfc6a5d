#include "puffs/msgport/msg.hh"

namespace puffs::msgport {

void msg::init(port& reply_port, std::uint32_t static_flags) noexcept {
    const std::uint32_t old = flags_.load(std::memory_order_relaxed);
    PUFFS_ASSERT((old & msg_done) != 0 && (old & (msg_queued | msg_intransit)) == 0,
                 "init of a message that is linked or sent");
    PUFFS_ASSERT((static_flags & ~static_cast<std::uint32_t>(msg_static)) == 0,
                 "flag that is not static");
    PUFFS_ASSERT((static_flags & msg_abortable) == 0 || abort_ != nullptr,
                 "abortable message without an abort function");
    reply_port_ = &reply_port;
    receipt_ = nullptr;
    flags_.store((old & msg_user_mask) | msg_done | static_flags, std::memory_order_release);
}

void msg::init_abortable(port& reply_port, abort_function fn, std::uint32_t static_flags) noexcept {
    abort_ = fn;
    init(reply_port, static_flags | msg_abortable);
}

void msg::reinit() noexcept {
    const std::uint32_t old = flags_.load(std::memory_order_relaxed);
    PUFFS_ASSERT((old & msg_done) != 0 && (old & (msg_queued | msg_intransit)) == 0,
                 "reinit of a message that is linked or sent");
    flags_.store((old & (msg_user_mask | msg_static)) | msg_done, std::memory_order_release);
}

void msg::set_receipt(receipt_function fn) noexcept {
    const std::uint32_t old = flags_.load(std::memory_order_relaxed);
    receipt_ = fn;
    flags_.store(fn != nullptr ? old | msg_receipt : old & ~static_cast<std::uint32_t>(msg_receipt),
                 std::memory_order_release);
}

void msg::set_user_flags(std::uint32_t bits) noexcept {
    PUFFS_ASSERT((bits & ~static_cast<std::uint32_t>(msg_user_mask)) == 0, "not a user flag");
    flags_.store(flags_.load(std::memory_order_relaxed) | bits, std::memory_order_release);
}

void msg::clear_user_flags(std::uint32_t bits) noexcept {
    PUFFS_ASSERT((bits & ~static_cast<std::uint32_t>(msg_user_mask)) == 0, "not a user flag");
    flags_.store(flags_.load(std::memory_order_relaxed) & ~bits, std::memory_order_release);
}

} // namespace puffs::msgport
