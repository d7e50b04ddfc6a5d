// daemon/detach.hh - takes a dead server's mount out of the file system tree.
//
// A killed FUSE server leaves its mount behind, and every access to it fails with ENOTCONN. The detach is lazy, so that
// it works while files are open on it, and it is done by a short-lived child: the path to the mount point may
// lead through another server that hangs, and then only the child hangs, until an alarm ends it.
//
// Threading:  the thread that runs the executor.
// Source:     umount2(2) MNT_DETACH; fusermount3(1) -u -z for those who may not call it.
#pragma once

#include "daemon/awaitable.hh"
#include "daemon/failure.hh"

#include <string>

namespace puffs::daemon {

// detach - unmount the FUSE file system that is mounted at `mountpoint`, if there is one.
// Errors:  stop_failed: it is still mounted after limits::detach at most; system.
// Blocks:  the coroutine only.
[[nodiscard]] awaitable<outcome<void>> detach(std::string mountpoint);

} // namespace puffs::daemon
