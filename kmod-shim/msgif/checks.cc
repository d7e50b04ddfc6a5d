#include "checks.hh"

#include "puffs/base/assert.hh"
#include "puffs/base/limits.hh"
#include "puffs/msg/dirent.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>

namespace puffs::kmod {

namespace {

using msg::vn_op;
using msg::vtype;
using verdict = const refusal*;
using bytes = std::span<const std::byte>;

constexpr std::uint64_t offset_max = std::numeric_limits<std::int64_t>::max();
constexpr std::uint32_t second_ns = 1'000'000'000;

template <std::size_t N>
struct sentence {
    char text[N]{};
    // NOLINTNEXTLINE(google-explicit-constructor): so that a literal can be the argument of a template
    consteval sentence(const char (&literal)[N]) { std::copy_n(literal, N, text); }
};

// A refusal is a constant of the program, so that a verdict is a pointer and most of them null.
template <sentence S, int Rv = EPROTO>
constexpr refusal refused{Rv, EPROTO, S.text};

bool is_time(const msg::time_point& t) {
    return t.nsec < second_ns;
}

verdict check_attributes(const msg::attr& va, const msg::ttl& valid) {
    if (!msg::is_node_type(msg::vtype_of(va.mode))) {
        return &refused<"a node without a type">;
    }
    if (va.size > offset_max) {
        return &refused<"a size beyond every file">;
    }
    if (!is_time(va.atime) || !is_time(va.mtime) || !is_time(va.ctime) || valid.nsec >= second_ns) {
        return &refused<"a time with more nanoseconds than a second has">;
    }
    return nullptr;
}

verdict check_node(const msg::newinfo& made, msg::cookie parent) {
    if (made.node == msg::cookie::root) {
        return &refused<"the root under a name">;
    }
    if (made.node == parent) {
        return &refused<"a directory as its own child">;
    }
    if (made.entry_ttl.nsec >= second_ns) {
        return &refused<"a time-out with more nanoseconds than a second has">;
    }
    return check_attributes(made.va, made.attr_ttl);
}

verdict check_lookup(const question& q, const msg::arguments& a, bytes /*out*/) {
    const msg::newinfo& made = a.lookup.made;
    if (made.node == msg::cookie::none) { // the name does not exist
        return made.entry_ttl.nsec < second_ns
                   ? nullptr
                   : &refused<"a time-out with more nanoseconds than a second has">;
    }
    return check_node(made, q.node);
}

verdict check_made(const question& q, const msg::newinfo& made, vtype wanted) {
    if (made.node == msg::cookie::none) {
        return &refused<"a new node without a cookie", EOPNOTSUPP>;
    }
    if (const verdict v = check_node(made, q.node)) {
        return v;
    }
    if (msg::vtype_of(made.va.mode) != wanted) {
        return &refused<"a new node of another type than asked">;
    }
    return nullptr;
}

// mknod makes a regular file where no type is asked, as mknod(2) has it.
vtype type_asked(const question& q) {
    const vtype t = msg::vtype_of(q.mode);
    return t == vtype::none ? vtype::reg : t;
}

// `done` bytes were produced into `out`, at most `room`.
verdict check_produced(std::uint32_t done, std::size_t room, std::size_t out_bytes) {
    if (done > room) {
        return &refused<"more bytes than were asked for">;
    }
    if (done != out_bytes) {
        return &refused<"another number of bytes than the reply says">;
    }
    return nullptr;
}

verdict check_directory(const question& q, std::span<const std::byte> out) {
    while (!out.empty()) {
        const auto entry = msg::read_dirent(out, q.plus);
        if (!entry) {
            return &refused<"a directory entry that is none">;
        }
        if (q.plus && entry->made.node != msg::cookie::none) {
            if (entry->name == "." || entry->name == "..") {
                return &refused<"a node for . or ..">;
            }
            if (const verdict v = check_node(entry->made, q.node)) {
                return v;
            }
        }
        out = out.subspan(entry->bytes);
    }
    return nullptr;
}

verdict check_extattr(const question& q, const msg::extattr_args& a, std::size_t out_bytes,
                      std::size_t bytes_max) {
    if (q.size != 0) {
        return check_produced(a.done, q.size, out_bytes);
    }
    if (a.done > bytes_max) {
        return &refused<"an attribute longer than any">;
    }
    return out_bytes == 0 ? nullptr : &refused<"a value where its length was asked for">;
}

// One function an operation, where it answers anything that can be wrong.

verdict check_create(const question& q, const msg::arguments& a, bytes /*out*/) {
    return check_made(q, a.make.made, vtype::reg);
}
verdict check_mknod(const question& q, const msg::arguments& a, bytes /*out*/) {
    return check_made(q, a.make.made, type_asked(q));
}
verdict check_mkdir(const question& q, const msg::arguments& a, bytes /*out*/) {
    return check_made(q, a.make.made, vtype::dir);
}
verdict check_symlink(const question& q, const msg::arguments& a, bytes /*out*/) {
    return check_made(q, a.make.made, vtype::lnk);
}
verdict check_link(const question& q, const msg::arguments& a, bytes /*out*/) {
    if (a.link.made.node != q.target) {
        return &refused<"a link to another node">;
    }
    return check_node(a.link.made, q.node);
}
verdict check_getattr(const question& /*q*/, const msg::arguments& a, bytes /*out*/) {
    return check_attributes(a.getattr.va, a.getattr.attr_ttl);
}
verdict check_setattr(const question& /*q*/, const msg::arguments& a, bytes /*out*/) {
    return check_attributes(a.setattr.va, a.setattr.attr_ttl);
}
verdict check_open(const question& /*q*/, const msg::arguments& a, bytes /*out*/) {
    return (a.open.result_bits & ~std::uint32_t{msg::open_bits_all}) == 0
               ? nullptr
               : &refused<"an answer to open that does not exist">;
}
verdict check_read(const question& q, const msg::arguments& a, bytes out) {
    return check_produced(a.io.done, q.size, out.size());
}
verdict check_write(const question& q, const msg::arguments& a, bytes /*out*/) {
    return a.io.done <= q.size ? nullptr : &refused<"more bytes written than were offered">;
}
verdict check_seek(const question& /*q*/, const msg::arguments& a, bytes /*out*/) {
    return a.seek.offset <= offset_max ? nullptr : &refused<"an offset beyond every file">;
}
verdict check_readdir(const question& q, const msg::arguments& a, bytes out) {
    if (const verdict v = check_produced(a.io.done, q.size, out.size())) {
        return v;
    }
    return check_directory(q, out);
}
verdict check_readlink(const question& /*q*/, const msg::arguments& a, bytes out) {
    return check_produced(a.readlink.done, limits::symlink_bytes, out.size());
}
verdict check_attribute(const question& q, const msg::arguments& a, bytes out) {
    return check_extattr(q, a.extattr, out.size(), limits::xattr_value_bytes);
}

void remember_io(question& q, const msg::arguments& a) {
    q.size = a.io.size;
    q.plus = a.io.plus != 0;
}
void remember_extattr(question& q, const msg::arguments& a) {
    q.size = a.extattr.size;
}
void remember_make(question& q, const msg::arguments& a) {
    q.mode = a.make.mode;
}
void remember_link(question& q, const msg::arguments& a) {
    q.target = a.link.target;
}

// created: the node may be known already: another client was first, or looked it up between its making and this answer.
// made: it has no name by which anybody could know it.
enum class names : std::uint8_t { nothing, found, created, made, linked, entries };

// What a reply to an operation may hold. An operation without a line answers with its error alone.
struct rule {
    void (*remember)(question&, const msg::arguments&) = nullptr;
    verdict (*check)(const question&, const msg::arguments&, bytes) = nullptr;
    bool bytes_out = false; // it may carry some; check says how many
    names nodes = names::nothing;
};

constexpr auto rules = [] {
    std::array<rule, static_cast<std::size_t>(vn_op::count_)> r{};
    const auto at = [&r](vn_op op) -> rule& { return r[static_cast<std::size_t>(op)]; };
    at(vn_op::lookup) = {nullptr, check_lookup, false, names::found};
    at(vn_op::create) = {nullptr, check_create, false, names::created};
    at(vn_op::tmpfile) = {nullptr, check_create, false, names::made};
    at(vn_op::mknod) = {remember_make, check_mknod, false, names::created};
    at(vn_op::mkdir) = {nullptr, check_mkdir, false, names::created};
    at(vn_op::symlink) = {nullptr, check_symlink, false, names::created};
    at(vn_op::link) = {remember_link, check_link, false, names::linked};
    at(vn_op::getattr) = {nullptr, check_getattr, false, names::nothing};
    at(vn_op::setattr) = {nullptr, check_setattr, false, names::nothing};
    at(vn_op::open) = {nullptr, check_open, false, names::nothing};
    at(vn_op::read) = {remember_io, check_read, true, names::nothing};
    at(vn_op::write) = {remember_io, check_write, false, names::nothing};
    at(vn_op::seek) = {nullptr, check_seek, false, names::nothing};
    at(vn_op::readdir) = {remember_io, check_readdir, true, names::entries};
    at(vn_op::readlink) = {nullptr, check_readlink, true, names::nothing};
    at(vn_op::getextattr) = {remember_extattr, check_attribute, true, names::nothing};
    at(vn_op::listextattr) = {remember_extattr, check_attribute, true, names::nothing};
    return r;
}();

constexpr rule no_rule{};

const rule& rule_of(const question& q) {
    if (q.opclass != static_cast<std::uint32_t>(msg::opclass::vn) || q.optype >= rules.size()) {
        return no_rule;
    }
    return rules[q.optype];
}

verdict name_one(const msg::newinfo& made, vnode_table::claim c, vnode_table& nodes) {
    if (made.node == msg::cookie::none || nodes.name(made.node, c)) {
        return nullptr;
    }
    return c == vnode_table::claim::fresh ? &refused<"a new node with the cookie of a live one">
                                          : &refused<"a cookie whose slot belongs to another node">;
}

// The first of the entries in `rest`, which check_directory() has accepted.
msg::dirent_view accepted_entry(bytes rest) {
    const auto entry = msg::read_dirent(rest, true);
    PUFFS_ASSERT(entry.has_value(), "a directory entry changed after its check");
    return *entry;
}

verdict name_entries(bytes all, vnode_table& nodes) {
    std::size_t at = 0;
    verdict v = nullptr;
    while (at < all.size()) {
        const auto entry = accepted_entry(all.subspan(at));
        v = name_one(entry.made, vnode_table::claim::existing, nodes);
        if (v) {
            break;
        }
        at += entry.bytes;
    }
    if (!v) {
        return nullptr;
    }
    for (std::size_t undo = 0; undo < at;) {
        const auto entry = accepted_entry(all.subspan(undo));
        nodes.give_back(entry.made.node, 1);
        undo += entry.bytes;
    }
    return v;
}

verdict name_those(names named, const question& q, const msg::arguments& a, bytes out,
                   vnode_table& nodes) {
    switch (named) {
    case names::nothing:
        return nullptr;
    case names::found:
        return name_one(a.lookup.made, vnode_table::claim::existing, nodes);
    case names::created:
        return name_one(a.make.made, vnode_table::claim::existing, nodes);
    case names::made:
        return name_one(a.make.made, vnode_table::claim::fresh, nodes);
    case names::linked:
        return name_one(a.link.made, vnode_table::claim::existing, nodes);
    case names::entries:
        return q.plus ? name_entries(out, nodes) : nullptr;
    }
    return nullptr;
}

} // namespace

void remember_arguments(question& q, const msg::arguments& a) noexcept {
    if (const rule& r = rule_of(q); r.remember != nullptr) {
        r.remember(q, a);
    }
}

verdict check_values(const question& q, const msg::arguments& a, bytes out) {
    const rule& r = rule_of(q);
    if (!out.empty() && !r.bytes_out) {
        return &refused<"bytes that nobody asked for">;
    }
    return r.check != nullptr ? r.check(q, a, out) : nullptr;
}

verdict name_nodes(const question& q, const msg::arguments& a, bytes out, vnode_table& nodes) {
    const names named = rule_of(q).nodes;
    return named == names::nothing ? nullptr : name_those(named, q, a, out, nodes);
}

void each_named(const question& q, const msg::arguments& a, bytes out,
                void (*f)(msg::cookie node, void* arg), void* arg) {
    const auto one = [&](const msg::newinfo& made) {
        if (made.node != msg::cookie::none) {
            f(made.node, arg);
        }
    };
    switch (rule_of(q).nodes) {
    case names::nothing:
        return;
    case names::found:
        one(a.lookup.made);
        return;
    case names::created:
    case names::made:
        one(a.make.made);
        return;
    case names::linked:
        one(a.link.made);
        return;
    case names::entries:
        while (q.plus && !out.empty()) {
            const auto entry = accepted_entry(out);
            one(entry.made);
            out = out.subspan(entry.bytes);
        }
        return;
    }
}

} // namespace puffs::kmod
