#include "puffs/lwkt/token.hh"

#include "puffs/base/assert.hh"
#include "puffs/base/race_point.hh"
#include "sched_private.hh"

#include <algorithm>
#include <functional>

namespace puffs::lwkt {
namespace {

constexpr std::uintptr_t recursive_bit = 1;

token* token_of(std::uintptr_t take) noexcept {
    return reinterpret_cast<token*>(take & ~recursive_bit);
}

} // namespace

std::size_t held_tokens::sorted(std::array<token*, limits::tokens_held>& out) const noexcept {
    std::size_t n = 0;
    for (unsigned i = 0; i < count; ++i) {
        if ((takes[i] & recursive_bit) == 0) {
            out[n++] = token_of(takes[i]);
        }
    }
    std::sort(out.begin(), out.begin() + n, std::less<>());
    return n;
}

token::~token() {
    PUFFS_ASSERT(holder_.load(std::memory_order_acquire) == nullptr,
                 "a token dies while somebody has it");
    PUFFS_ASSERT(!contended_.load(std::memory_order_relaxed) && !mu_.is_locked(),
                 "a token dies while somebody wants it");
}

bool token::held_by_me() const noexcept {
    return holder_.load(std::memory_order_relaxed) == &thread::current();
}

std::uint64_t token::generation() const noexcept {
    PUFFS_ASSERT(held_by_me(), "only who has a token knows its generation");
    return generation_;
}

bool token::changed_since(std::uint64_t& generation) const noexcept {
    const std::uint64_t current = this->generation();
    const bool changed = current != generation;
    generation = current;
    return changed;
}

void token::note_holder(thread& td) noexcept {
    if (last_ != &td) {
        last_ = &td;
        ++generation_;
    }
}

bool token::take_free(thread& td) noexcept {
    thread* free = nullptr;
    return holder_.compare_exchange_strong(free, &td, std::memory_order_seq_cst,
                                           std::memory_order_relaxed);
}

bool token::try_take() noexcept PUFFS_NO_TSA {
    core& c = core::current();
    thread& td = sched::running(c);
    PUFFS_ASSERT(c.intr_nest() == 0 || td.preempted_ != nullptr,
                 "an interrupt handler must not take a token");
    held_tokens& mine = td.tokens_;
    PUFFS_ASSERT(mine.count < limits::tokens_held, "a thread takes too many tokens");
    const bool recursive = holder_.load(std::memory_order_relaxed) == &td;
    PUFFS_RACE_POINT("lwkt.token.before the take");
    if (!recursive && !take_free(td)) {
        return false;
    }
    c.crit_enter();
    td.flags_ |= td_tokens;
    mine.push(*this, recursive);
    note_holder(td);
    return true;
}

void token::take() noexcept PUFFS_NO_TSA {
    if (try_take()) [[likely]] {
        return;
    }
    sched::wait_for_token(*this);
}

void token::release() noexcept PUFFS_NO_TSA {
    core& c = core::current();
    thread& td = sched::running(c);
    held_tokens& mine = td.tokens_;
    PUFFS_ASSERT(mine.count > 0 && token_of(mine.takes[mine.count - 1]) == this,
                 "tokens are released in the reverse order of their taking");
    if ((mine.takes[--mine.count] & recursive_bit) == 0) {
        give_up();
    }
    if (mine.count == 0) {
        td.flags_ &= ~std::uint32_t{td_tokens};
    }
    c.crit_exit();
}

// Makes a token of this core's free, or the oldest waiter's. Nothing is touched after the store that another core may
// see: who takes the token then may destroy it. So contended_ is read before, and one who begins to wait in between is
// not seen; that one sees the holder, and asks the holder's core to look (take_or_wait).
void token::give_up() noexcept {
    if (!contended_.load(std::memory_order_seq_cst)) [[likely]] {
        PUFFS_RACE_POINT("lwkt.token.about to be free");
        holder_.store(nullptr, std::memory_order_release);
        return;
    }
    PUFFS_RACE_POINT("lwkt.token.contended");
    spin_guard guard(mu_);
    if (waiting_.empty()) {
        holder_.store(nullptr, std::memory_order_release);
    } else {
        give_to_oldest();
    }
}

void token::give_to_oldest() noexcept {
    place& oldest = waiting_.front();
    if (oldest.state == turn::beaten || left_free_ == limits::token_overtakings) {
        unlink(oldest);
        oldest.state = turn::granted;
        holder_.store(oldest.who, std::memory_order_release);
        sched::call_for_tokens(*oldest.who); // it passes mu_ before it runs
        return;
    }
    ++left_free_;
    holder_.store(nullptr, std::memory_order_release);
    if (oldest.state == turn::asleep) {
        oldest.state = turn::called;
        sched::call_for_tokens(*oldest.who);
    }
}

void token::unlink(place& p) noexcept {
    if (&p == &waiting_.front()) {
        left_free_ = 0;
    }
    waiting_.erase(waiting_.iterator_to(p));
    contended_.store(!waiting_.empty(), std::memory_order_seq_cst);
}

// One step of a thread that is to run: the token is the thread's, or the thread waits for it and is called.
//
// Either contended_ is set before the holder reads it in give_up(), or the holder's core is asked to look. Whoever
// takes the token after the holder that is seen here reads contended_ after its own CAS, and so sees it set.
bool token::take_or_wait(core& c, thread& td) noexcept {
    if (td.tokens_.awaited != this) {
        if (holder_.load(std::memory_order_acquire) == &td || take_free(td)) {
            return true;
        }
        PUFFS_RACE_POINT("lwkt.token.not free");
    }
    bool has_it = false;
    thread* const unaware = arrive(td, has_it);
    if (unaware != nullptr && &unaware->owner() != &c) {
        PUFFS_RACE_POINT("lwkt.token.before the look");
        sched::ask_to_look(unaware->owner(), td);
    }
    return has_it;
}

// Returns the holder, if it may not know that td waits.
thread* token::arrive(thread& td, bool& has_it) noexcept {
    place& mine = td.tokens_.place;
    spin_guard guard(mu_);
    if (td.tokens_.awaited != this) {
        mine.state = turn::asleep;
        mine.must_look = waiting_.empty();
        waiting_.push_back(mine);
        contended_.store(true, std::memory_order_seq_cst);
        td.tokens_.awaited = this;
    } else if (mine.state == turn::granted) {
        // The CAS below fails with td itself; the one who granted is done with the token, now that mu_ is free.
        td.tokens_.awaited = nullptr;
        has_it = true;
        return nullptr;
    }
    thread* holder = nullptr;
    has_it = holder_.compare_exchange_strong(holder, &td, std::memory_order_seq_cst,
                                             std::memory_order_seq_cst);
    if (has_it) {
        unlink(mine);
        td.tokens_.awaited = nullptr;
        return nullptr;
    }
    if (mine.state == turn::called) {
        mine.state = turn::beaten;
    }
    return std::exchange(mine.must_look, false) ? holder : nullptr;
}

// td is descheduled while it waits. If a look was under way for all that wait, the next one starts another.
void token::stop_waiting(thread& td) noexcept {
    place& mine = td.tokens_.place;
    spin_guard guard(mu_);
    td.tokens_.awaited = nullptr;
    if (mine.state == turn::granted) {
        return;
    }
    unlink(mine);
    if (!waiting_.empty()) {
        place& oldest = waiting_.front();
        oldest.must_look = true;
        sched::call_for_tokens(*oldest.who);
    }
}

// The scheduler's part.

void sched::wait_for_token(token& t) noexcept {
    core& c = core::current();
    thread& td = running(c);
    c.crit_enter(); // left by the release
    td.flags_ |= td_tokens;
    td.tokens_.push(t, false);
    const bool scheduled = (td.flags_ & td_runq) != 0;
    enqueue(c, td); // to be picked is to have all tokens
    core& here = switch_from(c, td);
    if (!scheduled) {
        dequeue(here, td);
    }
}

void sched::give_up_tokens(thread& td) noexcept {
    std::array<token*, limits::tokens_held> mine;
    for (std::size_t n = td.tokens_.sorted(mine); n > 0; --n) {
        if (mine[n - 1]->holder_.load(std::memory_order_relaxed) == &td) {
            mine[n - 1]->give_up();
        }
    }
}

bool sched::take_tokens(core& c, thread& td) noexcept {
    std::array<token*, limits::tokens_held> mine;
    const std::size_t count = td.tokens_.sorted(mine);
    for (std::size_t i = 0; i < count; ++i) {
        if (!mine[i]->take_or_wait(c, td)) {
            dequeue(c, td);
            return false;
        }
    }
    for (std::size_t i = 0; i < count; ++i) {
        mine[i]->note_holder(td);
    }
    return true;
}

void sched::abandon_tokens(thread& td) noexcept {
    if (td.tokens_.awaited != nullptr) {
        td.tokens_.awaited->stop_waiting(td);
    }
    give_up_tokens(td);
}

void sched::tokens_call_here(core& c, thread& td) noexcept {
    if (td.tokens_.awaited != nullptr) {
        enqueue(c, td);
    }
}

void sched::call_for_tokens(thread& td) noexcept {
    core& here = this_core();
    if (&td.owner() == &here) {
        tokens_call_here(here, td);
    } else {
        request(td, ask_tokens);
    }
}

// Asks a core to pass a point that is in no thread's give_up(), and to call td then. The token is left alone: only
// while td waits is it certain that it exists.
void sched::ask_to_look(core& holders, thread& td) noexcept {
    if (td.tokens_.asked.exchange(&holders, std::memory_order_acq_rel) == nullptr) {
        td.tokens_.look_post.function = look_arrives;
        td.tokens_.look_post.arg = &td;
        ipi::post_from_thread(holders, td.tokens_.look_post);
    }
}

void sched::look_arrives(void* arg, std::intptr_t /*unused*/) {
    thread& td = *static_cast<thread*>(arg);
    core* asked = &core::current();
    if (!td.tokens_.asked.compare_exchange_strong(asked, nullptr, std::memory_order_acq_rel,
                                                  std::memory_order_acquire)) {
        ipi::post_from_thread(*asked, td.tokens_.look_post); // it has another core in mind by now
        return;
    }
    request(td, ask_tokens);
}

} // namespace puffs::lwkt
