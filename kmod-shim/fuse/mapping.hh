// fuse/mapping.hh - the operation map as data: for each FUSE operation the puffs request that it becomes, and the
// answer.
//
// A row fills a park from a decoded request, and turns the park's end into the bytes of the reply. Rows do not send,
// wait or own anything; opmap.cc drives them.
//
//   FUSE                               | puffs                 | answer
//   LOOKUP                             | lookup                | entry
//   GETATTR, SETATTR                   | getattr, setattr      | attributes
//   READLINK                           | readlink              | target
//   SYMLINK MKNOD MKDIR LINK           | the same              | entry
//   UNLINK RMDIR RENAME RENAME2        | remove rmdir rename   | nothing
//   OPEN OPENDIR                       | open                  | handle and bits
//   CREATE                             | create, then open     | entry, handle and bits
//   READ READDIR READDIRPLUS           | read, readdir         | data, entries
//   WRITE                              | write                 | count
//   RELEASE RELEASEDIR                 | close (faf)           | nothing, when it is with the server
//   FSYNC FSYNCDIR                     | fsync                 | nothing
//   ACCESS                             | access                | nothing
//   {SET,GET,LIST,REMOVE}XATTR         | …extattr              | length, value or names
//   FALLOCATE LSEEK                    | fallocate seek        | nothing, offset
//   STATFS SYNCFS DESTROY              | statvfs sync unmount  | file system figures, nothing, nothing
//   FORGET BATCH_FORGET                | reclaim (faf)         | no reply; opmap.cc
//   INIT INTERRUPT                     | none                  | opmap.cc
//   FLUSH and everything else          | none                  | ENOSYS: the kernel stops asking
//
// Units:      bytes.
// Lifetime:   a filled park's runs point into the frame.
// Threading:  the frame's core.
// Errors:     fill: an errno to answer without asking the server. answer: 0, or the errno that is the reply.
// Source:     spec X1, fuse-map section 2.1.
#pragma once

#include "fuse/frame.hh"
#include "puffs/msg/types.hh"

#include <cstdint>

namespace puffs::fuse {

struct mapping {
    msg::opclass opclass = msg::opclass::vn;
    std::uint32_t optype = 0;
    int (*fill)(frame& f, kmod::park& p) = nullptr;   // null: answered ENOSYS, not mapped
    int (*answer)(frame& f, kmod::park& p) = nullptr; // null: an empty reply
    bool faf =
        false; // fire and forget: answered when the transport has it; one of this process runs it first
};

// The row of a decoded operation; its `fill` is null where nothing is mapped.
[[nodiscard]] const mapping& mapping_of(wire::opcode op);

// The second half of CREATE: fills the request that opens what was created; its answer stands behind the entry.
void fill_open_created(frame& f, kmod::park& p, msg::cookie made);
void answer_open_created(frame& f, kmod::park& p);
// And what undoes the first half.
void fill_remove_created(frame& f, kmod::park& p);

} // namespace puffs::fuse
