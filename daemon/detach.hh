// daemon/detach.hh - takes a dead server's mount out of the file system tree.
//
// A killed FUSE server leaves its mount behind, and every access to it fails with ENOTCONN. The detach is lazy, so that
// it works while files are open on it, and it is done by a short-lived child: the path to the mount point may
// lead through another server that hangs, and then only the child hangs, until an alarm ends it.
//
// What others have mounted at the same place, before or since, is left alone.
//
// Threading:  the thread that runs the executor.
// Source:     umount2(2) MNT_DETACH; fusermount3(1) -u -z for those who may not call it.
#pragma once

#include "daemon/awaitable.hh"
#include "daemon/failure.hh"
#include "daemon/mountpoint.hh"

#include <string>

namespace puffs::daemon {

enum class detach_what {
    own, // the mount, whatever it answers
    own_if_dead, // unless it answers: the numbers of a mount that is gone may have been given to somebody else's
};

// detach - unmount `own`, which a server that has ended left at `mountpoint`, if it is there still.
// Errors:  stop_failed: it is still mounted after limits::detach at most, or something lies on top of it; system.
// Blocks:  the coroutine only.
[[nodiscard]] awaitable<outcome<void>> detach(std::string mountpoint, mount_entry own,
                                              detach_what what);

} // namespace puffs::daemon
