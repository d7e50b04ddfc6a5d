// noted_work.hh - a light thread notes the operation that it runs, for a watchdog to read.
//
// Threading:  destroyed where it was made: on a light thread, or on an ordinary one, where it does nothing.
#pragma once

#include "puffs/lwkt/core.hh"
#include "puffs/lwkt/thread.hh"
#include "puffs/msg/work_note.hh"

namespace puffs {

// The operation of `h` is on the running light thread's note for a scope. Scopes do not nest.
class noted_work {
  public:
    explicit noted_work(const msg::header& h) noexcept : thread_(lwkt::thread::current_or_null()) {
        if (thread_ != nullptr) {
            lwkt::work_note& note = thread_->note();
            note.on.store(static_cast<std::uint64_t>(h.node), std::memory_order_relaxed);
            note.what.store(msg::note_of(h), std::memory_order_relaxed);
        }
    }
    ~noted_work() {
        if (thread_ != nullptr) {
            thread_->note().what.store(0, std::memory_order_relaxed);
        }
    }
    noted_work(const noted_work&) = delete;
    noted_work& operator=(const noted_work&) = delete;

  private:
    lwkt::thread* const thread_;
};

} // namespace puffs
