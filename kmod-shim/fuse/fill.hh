// fuse/fill.hh - from a decoded FUSE request to the arguments and runs of a puffs request; one function a shape.
//
// Requires:  the park is fresh (arguments zeroed), class, type and node set by the caller.
// Returns:   0, or the errno to answer without asking the server.
// Lifetime:  the park's runs point into the frame.
// Source:    fuse-map section 2.1.
#pragma once

#include "fuse/frame.hh"

namespace puffs::fuse::fill {

int nothing(frame& f, kmod::park& p);
int unmount(frame& f, kmod::park& p);

int lookup(frame& f, kmod::park& p);
int symlink(frame& f, kmod::park& p);
int mknod(frame& f, kmod::park& p);
int mkdir(frame& f, kmod::park& p);
int create(frame& f, kmod::park& p);
int remove(frame& f, kmod::park& p);
int rename(frame& f, kmod::park& p); // einval: flags besides RENAME_NOREPLACE and RENAME_EXCHANGE
int link(frame& f, kmod::park& p);

int getattr(frame& f, kmod::park& p);
int setattr(frame& f, kmod::park& p);
int access(frame& f, kmod::park& p);
int readlink(frame& f, kmod::park& p);
int setextattr(frame& f, kmod::park& p);
int getextattr(frame& f, kmod::park& p);
int listextattr(frame& f, kmod::park& p);
int deleteextattr(frame& f, kmod::park& p);

int open(frame& f, kmod::park& p);
int close(frame& f, kmod::park& p);
int read(frame& f, kmod::park& p); // eio: the channel has less room than INIT promised
int write(frame& f, kmod::park& p);
int readdir(frame& f, kmod::park& p);
int fsync(frame& f, kmod::park& p);
int fallocate(frame& f, kmod::park& p);
int seek(frame& f, kmod::park& p);

} // namespace puffs::fuse::fill
