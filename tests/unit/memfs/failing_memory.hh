// failing_memory.hh - operator new that fails when a test says so.
//
// Threading:  each thread has its own count.
// Errors:     bad_alloc, also where nobody asked for it, if the machine has no memory.
#pragma once

namespace memfs {

// The allocation of this thread after `before` more fails; those behind it succeed.
void fail_allocation(int before);
// True if it was not reached; none fails from here on.
bool stop_failing();

} // namespace memfs
