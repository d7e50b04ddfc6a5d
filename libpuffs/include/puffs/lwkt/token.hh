// lwkt/token.hh - a soft lock between light threads: it serialises them while they run, and is given up by who sleeps.
//
// A thread holds all its tokens whenever it runs: what it sees between two calls that block, nobody else changes. A
// call that blocks (a switch, a sleep, a wait for one more token) gives all of them up, and before the thread runs
// again it has all of them back (K11). So tokens may be taken in any order, and code may sleep with them, without a
// deadlock (K12); whoever slept asks changed_since() and looks again. What must stay locked over a sleep needs a mutex.
//
//   state    | who                             | how it ends
//   free     | nobody                          | taken by who comes first, from any core, without a message
//   held     | a running thread                | release(), or the thread is switched out: free, reserved
//   reserved | a thread that is to run next,   | held, when the scheduler picks the thread; free, reserved, when
//            | or waits for a higher token     | somebody deschedules it
//
//   one that waits | the token is given up            | the scheduler picks it
//   asleep         | token free, the oldest is called | takes the token if it is free, else sleeps on
//   called         | token free; reserved for the     | takes the token if it is free, else beaten
//                  | oldest at the limit              |
//   beaten         | reserved for the oldest          | takes the token if it is free, else sleeps on
//   granted        | (it has it)                      | goes on to its next token, or runs
//
// A thread that is to run takes its tokens in the order of their addresses, and keeps what it has while it waits for
// the next one; who runs waits for nothing. Those that wait stand in the order in which they came. The first one is
// overtaken at most limits::token_overtakings times, and not again after it came in vain (K14). Letting others overtake
// at all costs less than making all wait until the first one has a CPU. A reserved token of a thread that gets no CPU
// because others of its core outrank it keeps those that want it waiting.
//
// Units:      a generation grows by one when another thread than the last one gets the token.
// Full:       limits::tokens_held takes of one thread that are not released, recursive ones included; more panic.
// Ownership:  follows access: no core is the home of a token. Destroyed by who knows that nobody wants it: a thread may
//             destroy the token that it took and released last.
// Threading:  light threads of any core of one runtime, and not handlers (T6). From take() to release() the thread is
//             in a critical section: nothing is served on its core but where it blocks or waits explicitly (K5).
// Blocks:     take(): the light thread, while another one has the token.
// Errors:     misuse panics: a release out of the reverse order of taking, an exit with tokens, a token that dies while
//             somebody has or wants it.
// Ordering:   everything written with the token is visible to the next one who has it.
// Source:     DragonFly lwkt_token.c (idea); differs: those that wait sleep in a queue instead of being tried again at
//             every switch; exclusive only.
#pragma once

#include "puffs/base/limits.hh"
#include "puffs/base/spinlock.hh"
#include "puffs/base/thread_safety.hh"
#include "puffs/ipi/send.hh"

#include <array>
#include <atomic>
#include <boost/intrusive/list.hpp>
#include <cstdint>

namespace puffs::lwkt {

class core;
class thread;

class PUFFS_CAPABILITY("lwkt token") token {
  public:
    token() = default;
    ~token();
    token(const token&) = delete;
    token& operator=(const token&) = delete;

    // take - gettoken. A thread may take a token that it has, and releases it as often.
    // Blocks:    while another thread has it; then also the tokens taken before were given up meanwhile.
    void take() noexcept PUFFS_ACQUIRE();
    // try_take - trytoken. False, and nothing has changed, when another thread has it. Never blocks.
    [[nodiscard]] bool try_take() noexcept PUFFS_TRY_ACQUIRE(true);
    // release - reltoken.
    // Requires:  of the takes that are not released this is the last one.
    void release() noexcept PUFFS_RELEASE();
    // held_by_me - havetoken.
    [[nodiscard]] bool held_by_me() const noexcept;

    // generation - what to give to changed_since() after a call that may have blocked.
    // Requires:  the thread has the token; asserted.
    [[nodiscard]] std::uint64_t generation() const noexcept;
    // changed_since - gentoken, regettoken: whether another thread had the token since `generation` was taken or
    // updated; updates it. Requires: as generation().
    [[nodiscard]] bool changed_since(std::uint64_t& generation) const noexcept;

  private:
    friend struct held_tokens;
    friend struct sched;
    friend struct token_test; // tests: looks at those that wait
    enum class turn : std::uint8_t { asleep, called, beaten, granted };
    // A thread's place among those that wait for a token; guarded by the token's lock.
    struct place : boost::intrusive::list_base_hook<> {
        explicit place(thread& td) noexcept : who(&td) {}
        thread* const who;
        turn state = turn::asleep;
        bool must_look = false; // the holder may not know that somebody waits
    };

    [[nodiscard]] bool take_free(thread& td) noexcept;
    [[nodiscard]] bool take_or_wait(core& c, thread& td) noexcept;
    [[nodiscard]] thread* arrive(thread& td, bool& has_it) noexcept;
    void note_holder(thread& td) noexcept;
    void give_up() noexcept;
    void give_to_oldest() noexcept PUFFS_REQUIRES(mu_);
    void stop_waiting(thread& td) noexcept;
    void unlink(place& p) noexcept PUFFS_REQUIRES(mu_);

    // Who has it, null: free. CAS seq_cst in take_free, which sees contended_ set before or is seen by who set it;
    // release store in give_up, so that the common release is no read-modify-write.
    std::atomic<thread*> holder_{nullptr};
    std::atomic<bool> contended_{
        false}; // somebody waits; written under mu_, seq_cst, see take_or_wait

    // guarded by the token itself
    const thread* last_ = nullptr; // who had it last; compared only, it may have exited
    std::uint64_t generation_ = 0;

    spinlock mu_;
    boost::intrusive::list<place> waiting_ PUFFS_GUARDED_BY(mu_);
    unsigned left_free_ PUFFS_GUARDED_BY(mu_) = 0; // times since the oldest became the oldest
};

// The tokens of one thread. Threading: the thread's core; looker_ as it says.
struct held_tokens {
    explicit held_tokens(thread& td) noexcept : place(td) {}

    // Every take that is not released, in their order; bit 0: the token was the thread's already.
    std::array<std::uintptr_t, limits::tokens_held> takes{};
    unsigned count = 0;
    token* awaited = nullptr; // the thread stands among those that wait for it
    token::place place;
    // The core that is being asked to look at what its threads hold; null: none is. Exchange by the thread's core, CAS
    // by the asked one, acq_rel: who finds null posts look_post, which belongs to the asked core's inbox until then.
    std::atomic<core*> asked{nullptr};
    ipi::thread_post look_post;

    void push(token& t, bool recursive) noexcept {
        takes[count++] = reinterpret_cast<std::uintptr_t>(&t) | (recursive ? 1U : 0U);
    }
    // Fills `out` with the tokens, each once, in the order of their addresses; returns how many.
    std::size_t sorted(std::array<token*, limits::tokens_held>& out) const noexcept;
};

// Takes a token for a scope.
class PUFFS_SCOPED_CAPABILITY token_guard {
  public:
    explicit token_guard(token& t) noexcept PUFFS_ACQUIRE(t) : token_(t) { t.take(); }
    ~token_guard() PUFFS_RELEASE() { token_.release(); }
    token_guard(const token_guard&) = delete;
    token_guard& operator=(const token_guard&) = delete;

  private:
    token& token_;
};

} // namespace puffs::lwkt
