// bench/null_operation.hh - one operation that does nothing, on the whole in-process path.
//
// The server has getattr only, and its getattr answers a constant. Two ways to ask it:
//   through_parks()  park, touser, transport, port, call, dispatch, end of the park
//   through_fuse()   a GETATTR frame decoded by the operation map, the same, and the reply put together for a channel
//                    that throws it away: everything but the system calls
//
// Ownership:  owns server, library, mount, transport and operation map of one core.
// Threading:  constructed and destroyed on an ordinary thread; the operations on a light thread of the core.
// Errors:     an operation that does not end with success panics.
#pragma once

#include "one_core.hh"

#include <memory>

namespace puffs::bench {

class null_operation {
  public:
    explicit null_operation(bool timed = false); // timed: the mount keeps times, as --stats has it
    ~null_operation();

    // Runs `body` on a light thread of the core.
    template <class Body>
    void run(Body&& body) {
        core_.run(body);
    }
    void through_parks();
    void through_fuse();

  private:
    struct stack_of_layers;
    one_core core_;
    std::unique_ptr<stack_of_layers> layers_;
};

} // namespace puffs::bench
