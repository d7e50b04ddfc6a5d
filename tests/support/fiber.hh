// support/fiber.hh - a stack of its own for each actor of the stepped harness.
//
// One operating-system thread, its own stack (the harness) and any number of fibers: resume() goes
// from the harness to a fiber, suspend() back. What a fiber has switched to meanwhile (a light
// thread's stack, say) is where it goes on.
#pragma once

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>
#include <functional>

namespace puffs::sim {

class fiber {
  public:
    explicit fiber(std::function<void()> body);
    ~fiber(); // also of an unfinished body, whose objects are then never destroyed
    fiber(const fiber&) = delete;
    fiber& operator=(const fiber&) = delete;

    // Runs the body until it suspends or returns. On the harness's stack.
    void resume();
    // Back to the harness. On the fiber's stack, or one that it switched to.
    void suspend();
    [[nodiscard]] bool finished() const { return finished_; }

  private:
    // Where one side goes on.
    struct place {
        boost::context::detail::fcontext_t registers = nullptr;
        void* caught_exceptions = nullptr; // of __cxa_eh_globals, as every switch must keep it
        unsigned uncaught_exceptions = 0;
        void* tsan_fiber = nullptr;
        void* asan_fake_stack = nullptr;
        const void* stack_bottom = nullptr;
        std::size_t stack_bytes = 0;
    };
    // A stack that runs one body after another: an exploration starts some hundred thousand.
    struct runner {
        std::byte* stack = nullptr;
        void* tsan_own = nullptr;
        place at;
        fiber* now = nullptr;
    };
    struct runner_pool;
    static runner* take_runner();
    static void first_frame(boost::context::detail::transfer_t t);
    static void depart(place& from, place& to);
    static void arrive(place& here, place& from);
    void go(place& from, place& to);

    const std::function<void()> body_;
    runner* const runner_;
    place harness_;
    bool finished_ = false;
};

} // namespace puffs::sim
