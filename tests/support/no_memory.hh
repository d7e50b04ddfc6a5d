// support/no_memory.hh - no mapping of memory succeeds while one lives; the allocator still gives what it has got.
//
// Not under sanitizers, which map memory of their own.
#pragma once

#include <sys/resource.h>

namespace puffs::sim {

class no_memory {
  public:
    no_memory() {
        ::getrlimit(RLIMIT_AS, &before_);
        const rlimit none{0, before_.rlim_max};
        ::setrlimit(RLIMIT_AS, &none);
    }
    ~no_memory() { ::setrlimit(RLIMIT_AS, &before_); }
    no_memory(const no_memory&) = delete;
    no_memory& operator=(const no_memory&) = delete;

  private:
    rlimit before_{};
};

} // namespace puffs::sim
