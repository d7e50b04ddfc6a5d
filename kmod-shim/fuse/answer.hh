// fuse/answer.hh - from the end of a puffs request to the bytes of a FUSE reply; one function a shape.
//
// Requires:  the park ended with rv 0: the kernel half has checked the server's values (spec F41), they are not checked
//            again.
// Returns:   0 and the reply in the frame, or the errno that is the reply.
// Source:    fuse-map section 2.1.
#pragma once

#include "fuse/frame.hh"

namespace puffs::fuse::answer {

int lookup(frame& f, kmod::park& p); // enoent: no node, and the kernel may not remember that
int make(frame& f, kmod::park& p);
int link(frame& f, kmod::park& p);
int getattr(frame& f, kmod::park& p);
int setattr(frame& f, kmod::park& p);
int readlink(frame& f, kmod::park& p);
int extattr(frame& f, kmod::park& p);
int open(frame& f, kmod::park& p);
int read(frame& f, kmod::park& p);
int write(frame& f, kmod::park& p);
int readdir(frame& f, kmod::park& p);
int readdirplus(frame& f, kmod::park& p);
int seek(frame& f, kmod::park& p);
int statvfs(frame& f, kmod::park& p);

} // namespace puffs::fuse::answer
