#include "puffs/ipi/cpu.hh"

#include "puffs/base/bump.hh"
#include "puffs/base/race_point.hh"
#include "puffs/ipi/domain.hh"
#include "puffs/ipi/send.hh"
#include "run_handler.hh"

#include <bit>

namespace puffs::ipi {
namespace {

constexpr std::uint32_t mailbox_bit = 1U << domain::bit_mailbox;
constexpr std::uint32_t rings_bit = 1U << domain::bit_rings;
constexpr std::uint32_t handler_bits = ~(mailbox_bit | rings_bit);

} // namespace

constinit thread_local cpu* cpu::current_ = nullptr;

cpu::cpu(domain& d, core_id id)
    : domain_(d), id_(id), rings_in_(std::make_unique<ipiq[]>(d.size())) {
    domain_.attach(*this);
}

cpu::~cpu() {
    domain_.detach(*this);
}

void cpu::set_current(cpu* c) noexcept {
    current_ = c;
}

void cpu::assert_here() const noexcept {
    PUFFS_DEBUG_ASSERT(is_current(), "state of a core touched from elsewhere");
}

void cpu::crit_exit_noyield() noexcept {
    PUFFS_ASSERT(crit_count_ > 0, "critical section left that was not entered");
    if (crit_count_ == 1 && pending_.load(std::memory_order_relaxed) != 0) {
        serve_ipis();
    }
    --crit_count_;
}

void cpu::serve_requests() noexcept {
    while (pending_.load(std::memory_order_relaxed) != 0) {
        ++crit_count_;
        serve_ipis();
        --crit_count_;
    }
}

void cpu::serve_ipis() noexcept {
    assert_here();
    PUFFS_ASSERT(crit_count_ > 0, "IPIs served outside a critical section");
    // A handler that runs, in an outer frame, keeps its bit until it has returned.
    while (pending_.load(std::memory_order_relaxed) != 0 || (unserved_ & ~running_) != 0) {
        serve_pass();
    }
}

void cpu::serve_pass() noexcept {
    PUFFS_RACE_POINT("serve: before the swap");
    unserved_ |= pending_.exchange(0, std::memory_order_acq_rel);
    PUFFS_RACE_POINT("serve: swapped");
    // What is triggered from here on waits for the next pass, so that a handler that triggers
    // itself does not starve the mailbox.
    std::uint32_t todo = unserved_ & handler_bits & ~running_;
    while ((todo &= unserved_) != 0) { // nested passes may have run some of them
        const auto id = static_cast<unsigned>(std::countr_zero(todo));
        const std::uint32_t bit = 1U << id;
        todo &= ~bit;
        unserved_ &= ~bit;
        const domain::handler& h = domain_.handlers_[id];
        const auto function = h.function.load(std::memory_order_acquire);
        PUFFS_ASSERT(function != nullptr, "trigger of a handler that is not registered");
        running_ |= bit;
        run_handler([&] { function(h.arg); });
        running_ &= ~bit;
        bump(stats_.handled);
        PUFFS_RACE_POINT("serve: handler returned");
    }
    if ((unserved_ & mailbox_bit) != 0) {
        serve_mailbox();
    }
    if ((unserved_ & rings_bit) != 0) {
        serve_rings();
    }
}

// The bit stays set until the mailbox was found empty, so that a pass nested in one of the functions
// goes on with it: its sender may be waited for there.
void cpu::serve_mailbox() noexcept {
    while (sync_message* const m = mailbox_.take()) {
        PUFFS_RACE_POINT("mailbox: taken");
        run_handler([&] { m->function(m->arg); });
        bump(stats_.handled);
        PUFFS_RACE_POINT("mailbox: run, not acknowledged");
        m->pending.fetch_sub(1, std::memory_order_release); // `m` may be gone
    }
    unserved_ &= ~mailbox_bit;
}

void cpu::serve_rings() noexcept {
    aside a{};
    for (;;) {
        // Posts are taken before the rings are looked at, and run after these were found empty: none overtakes what
        // its poster sent before.
        take_thread_posts();
        if (take_ring_entry(a)) {
            run_handler([&] { a.entry.function(a.entry.arg, a.entry.value); });
            rings_in_[a.source].finish();
        } else if (posts_ != nullptr) {
            // The node is its owner's again once the function runs.
            const thread_post copy = *posts_;
            posts_ = copy.next;
            run_handler([&] { copy.function(copy.arg, copy.value); });
        } else {
            break;
        }
        bump(stats_.handled);
    }
    unserved_ &= ~rings_bit;
}

bool cpu::take_ring_entry(aside& out) noexcept {
    if (!aside_.empty()) { // older than anything in its ring
        out = aside_.front();
        aside_.pop_front();
        return true;
    }
    for (std::size_t word = 0; word < std::size(sources_); ++word) {
        if (ring_sources_[word].load(std::memory_order_relaxed) != 0) {
            sources_[word] |= ring_sources_[word].exchange(0, std::memory_order_acq_rel);
            PUFFS_RACE_POINT("serve: sources taken");
        }
        while (sources_[word] != 0) {
            const auto bit = static_cast<unsigned>(std::countr_zero(sources_[word]));
            out.source = static_cast<core_id>(word * 64U + bit);
            if (rings_in_[out.source].take(out.entry)) {
                return true;
            }
            sources_[word] &= ~(std::uint64_t{1} << bit);
        }
    }
    return false;
}

void cpu::take_thread_posts() noexcept {
    PUFFS_RACE_POINT("serve: before the posts");
    if (posts_ != nullptr || inbox_.load(std::memory_order_relaxed) == nullptr) {
        return;
    }
    thread_post* newest = inbox_.exchange(nullptr, std::memory_order_acquire);
    while (newest != nullptr) { // pushed at the head: turn it round
        thread_post* const older = newest->next;
        newest->next = posts_;
        posts_ = newest;
        newest = older;
    }
}

void cpu::take_aside() noexcept {
    aside a{};
    for (std::size_t word = 0; word < std::size(sources_); ++word) {
        sources_[word] |= ring_sources_[word].exchange(0, std::memory_order_acq_rel);
        for (std::uint64_t left = sources_[word]; left != 0; left &= left - 1) {
            a.source =
                static_cast<core_id>(word * 64U + static_cast<unsigned>(std::countr_zero(left)));
            while (rings_in_[a.source].take(a.entry)) {
                PUFFS_ASSERT(aside_.size() < limits::ipi_aside,
                             "too many IPIs arrive while handlers wait for room");
                aside_.push_back(a);
            }
        }
    }
    unserved_ |= rings_bit; // the pass that runs this handler goes on with them
}

void cpu::spin_turn(unsigned turn) noexcept {
    serve_ipis();
    relax_turn(turn);
}

bool cpu::publish_asleep() noexcept {
    assert_here();
    // Both sequentially consistent: the load must not be done before the store is seen, or a sender
    // that found this core awake and this core that found no request would miss each other.
    asleep_.store(true, std::memory_order_seq_cst);
    PUFFS_RACE_POINT("sleep: published");
    if (pending_.load(std::memory_order_seq_cst) != 0 || resched_) {
        asleep_.store(false, std::memory_order_relaxed);
        return false;
    }
    return true;
}

void cpu::publish_awake() noexcept {
    asleep_.store(false, std::memory_order_relaxed);
}

bool cpu::kick() noexcept {
    cpu* const self = current_or_null();
    if (asleep_.load(std::memory_order_seq_cst)) {
        PUFFS_RACE_POINT("kick: seen asleep");
        // One doorbell for one sleep, however many kick.
        if (asleep_.exchange(false, std::memory_order_seq_cst)) {
            PUFFS_RACE_POINT("kick: before the doorbell");
            ring_doorbell();
            if (self != nullptr) {
                bump(self->stats_.kicks);
            }
            return true;
        }
    }
    if (self != nullptr) {
        bump(self->stats_.avoided);
    }
    return false;
}

void cpu::post(unsigned bit) noexcept {
    PUFFS_RACE_POINT("post: before");
    const std::uint32_t mask = 1U << bit;
    const std::uint32_t old = pending_.fetch_or(mask, std::memory_order_seq_cst);
    PUFFS_RACE_POINT("post: published");
    if ((old & mask) == 0) {
        kick();
    }
}

} // namespace puffs::ipi
