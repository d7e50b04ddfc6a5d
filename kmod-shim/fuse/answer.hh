// fuse/answer.hh - from the end of a puffs request to the bytes of a FUSE reply; one function a shape. And
// back: what such a reply gives away.
//
// Requires:  the park ended with rv 0: the kernel half has checked the server's values (spec F41), they are not checked
//            again.
// Returns:   0 and the reply in the frame, or the errno that is the reply.
// Source:    fuse-map section 2.1.
#pragma once

#include "fuse/frame.hh"

#include <optional>

namespace puffs::fuse {

// What a reply gives to the kernel, which gives it back later by FORGET and RELEASE.
struct given {
    struct open_file {
        msg::cookie node = msg::cookie::none;
        std::uint64_t handle = 0;
        std::uint32_t flags = 0;
    };
    msg::cookie node = msg::cookie::none; // one lookup
    std::optional<open_file> open;
    bytes entries; // of READDIRPLUS: one lookup for each node; see take_entry
};

// given_by - of the reply without error that stands in the frame.
[[nodiscard]] given given_by(const frame& f);
// take_entry - the node of the first record, perhaps none; `entries` loses the record.
[[nodiscard]] msg::cookie take_entry(bytes& entries);

} // namespace puffs::fuse

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
