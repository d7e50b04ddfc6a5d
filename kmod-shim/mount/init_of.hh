// mount/init_of.hh - what a mount asks of the kernel at INIT.
//
// Threading:  none; a pure function.
#pragma once

#include "fuse/init.hh"
#include "puffs/kmod/mount_options.hh"

#include <cstddef>

namespace puffs::kmod {

[[nodiscard]] fuse::init_options init_of(const mount_options& o, std::size_t cores, bool uring);

} // namespace puffs::kmod
