// readdir, plain and plus.
#include "call.hh"
#include "plus_entries.hh"
#include "puffs/base/log.hh"

#include <vector>

namespace puffs::handlers {

namespace {

using found_entries = std::vector<std::optional<call::entry>>; // one a packed record

// Looks up every name into `all`, which outlives the lock: a hold that is dropped early, by an exception too, may
// reclaim its node. A name that cannot be found, or whose lookup throws, gets no node; the others are as good as in a
// plain readdir. Requires: c.n is locked.
void find_all(call& c, std::span<std::byte> packed, found_entries& all) {
    for (plus_entries at(packed); at.next();) {
        at.set_info({});
        auto& e = all.emplace_back();
        if (at.name() == "." || at.name() == "..") {
            continue;
        }
        try {
            if (auto found = c.find(*c.n, at.name())) {
                e = std::move(*found);
            }
        } catch (...) {
            PUFFS_LOG(err, "lookup of '{}' in node {} threw: {}", printable(at.name()), c.n->id(),
                      what_was_thrown());
        }
    }
}

// Names the nodes in the reply, each with its attributes. An entry that fails goes without a node:
// those before it are counted, and must be told. Requires: nothing is locked.
void name_all(call& c, std::span<std::byte> packed, found_entries all) {
    auto next = all.begin();
    for (plus_entries at(packed); at.next(); ++next) {
        auto& e = *next;
        if (!e) {
            continue;
        }
        msg::newinfo made;
        call::entry found = std::move(*e);
        e.reset();
        const std::uint64_t id = found.held->id();
        try {
            if (c.name_node(made, std::move(found), false)) {
                at.set_info(made);
            }
        } catch (...) {
            PUFFS_LOG(err, "getattr on node {} threw: {}", id, what_was_thrown());
        }
    }
}

} // namespace

result<void> readdir(call& c) {
    auto& a = c.args().io;
    a.done = 0;
    if (c.ops().readdir == nullptr) {
        return fail(ENOSYS);
    }
    c.set_handle(a.handle);
    const bool plus = a.plus != 0;
    dirents out(c.room(a.size), plus);
    found_entries found;
    {
        lock_set locks(c.how(), *c.n);
        if (const auto done = c.ops().readdir(c.server(), c.ctx, *c.n, out, a.offset); !done) {
            return done;
        }
        if (out.used_bytes() == 0 && out.refused()) {
            return fail(EINVAL); // no room for one entry; an empty answer would mean the end
        }
        if (plus) {
            find_all(c, c.data.out.first(out.used_bytes()), found);
        }
    }
    if (plus) {
        name_all(c, c.data.out.first(out.used_bytes()), std::move(found));
    }
    a.done = static_cast<std::uint32_t>(out.used_bytes());
    c.out_bytes = out.used_bytes();
    return {};
}

} // namespace puffs::handlers
