// bench/clients.hh - what the client programs of the bench do alike: give up, pin themselves, share memory.
//
// Errors:  a client that cannot work ends its process with status 1 and says why on stderr.
#pragma once

#include "cores.hh"

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>

namespace puffs::bench {

[[noreturn]] inline void die(const char* what) {
    std::fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, std::strerror(errno));
    std::_Exit(1);
}

inline void pin_or_die(int core) {
    errno = pin(core);
    if (errno != 0) die("pinning to a core");
}

// Zeroed and populated memory that forked processes share; never unmapped.
template <class Shared>
Shared* map_shared(std::size_t count) {
    void* at = mmap(nullptr, sizeof(Shared) * count, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (at == MAP_FAILED) die("shared memory");
    return static_cast<Shared*>(at);
}

} // namespace puffs::bench
