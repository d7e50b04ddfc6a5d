#include "fuse/answer.hh"

#include "fuse/convert.hh"
#include "fuse/mapping.hh"
#include "fuse/reader.hh"
#include "fuse/wire_file.hh"
#include "fuse/wire_node.hh"
#include "puffs/base/assert.hh"
#include "puffs/msg/dirent.hh"

#include <cstring>

namespace puffs::fuse {

namespace {

static_assert(sizeof(msg::dirent_head) == sizeof(wire::dirent) &&
              offsetof(msg::dirent_head, next) == offsetof(wire::dirent, off) &&
              offsetof(msg::dirent_head, name_bytes) == offsetof(wire::dirent, namelen) &&
              offsetof(msg::dirent_head, type) == offsetof(wire::dirent, type));
static_assert(msg::dirent_plus_bytes >= sizeof(wire::entry_out),
              "rewriting would overtake reading");

template <wire::Plain T>
void put_fixed(frame& f, const T& value) {
    static_assert(sizeof(wire::entry_out) + sizeof(wire::open_out) <= frame::fixed_bytes_max);
    static_assert(sizeof(T) <= frame::fixed_bytes_max - sizeof(wire::entry_out));
    PUFFS_ASSERT(f.fixed_bytes + sizeof(T) <= f.fixed.size(), "reply too large");
    std::memcpy(f.fixed.data() + f.fixed_bytes, &value, sizeof(value));
    f.fixed_bytes += sizeof(value);
}

int put_entry(frame& f, const msg::newinfo& made) {
    put_fixed(f, to_wire(made));
    return 0;
}

int put_payload(frame& f, kmod::park& p, std::uint32_t done) {
    PUFFS_ASSERT(done <= p.data().out.size(), "a reply longer than its room was let through");
    f.payload_bytes = done;
    return 0;
}

void put_open(frame& f, kmod::park& p) {
    const msg::open_args& a = p.req().args.open;
    put_fixed(f, wire::open_out{.fh = a.handle, .open_flags = a.result_bits, .backing_id = 0});
}

} // namespace

namespace answer {

int lookup(frame& f, kmod::park& p) {
    const msg::newinfo& made = p.req().args.lookup.made;
    if (made.node != msg::cookie::none) return put_entry(f, made);
    if (made.entry_ttl.sec == 0 && made.entry_ttl.nsec == 0) return ENOENT;
    put_fixed(f, to_wire(made)); // nodeid 0: the kernel remembers that there is no such name
    return 0;
}

int make(frame& f, kmod::park& p) {
    return put_entry(f, p.req().args.make.made);
}

int link(frame& f, kmod::park& p) {
    return put_entry(f, p.req().args.link.made);
}

int getattr(frame& f, kmod::park& p) {
    const msg::getattr_args& a = p.req().args.getattr;
    put_fixed(f, to_wire(a.va, a.attr_ttl));
    return 0;
}

int setattr(frame& f, kmod::park& p) {
    const msg::setattr_args& a = p.req().args.setattr;
    put_fixed(f, to_wire(a.va, a.attr_ttl));
    return 0;
}

int readlink(frame& f, kmod::park& p) {
    return put_payload(f, p, p.req().args.readlink.done);
}

int extattr(frame& f, kmod::park& p) {
    const std::uint32_t done = p.req().args.extattr.done;
    if (f.op.in<wire::getxattr_in>().size != 0) return put_payload(f, p, done);
    put_fixed(f, wire::getxattr_out{.size = done, .padding = 0});
    return 0;
}

int open(frame& f, kmod::park& p) {
    put_open(f, p);
    return 0;
}

int read(frame& f, kmod::park& p) {
    return put_payload(f, p, p.req().args.io.done);
}

int write(frame& f, kmod::park& p) {
    put_fixed(f, wire::write_out{.size = p.req().args.io.done, .padding = 0});
    return 0;
}

// The plain layout is the kernel's own.
int readdir(frame& f, kmod::park& p) {
    return put_payload(f, p, p.req().args.io.done);
}

// Each record shrinks, so that writing never overtakes reading.
int readdirplus(frame& f, kmod::park& p) {
    const std::uint32_t done = p.req().args.io.done;
    put_payload(f, p, done);
    std::size_t from = 0, to = 0;
    while (from < done) {
        const auto entry = msg::read_dirent(bytes(f.payload).subspan(from, done - from), true);
        PUFFS_ASSERT(entry.has_value(), "a directory entry that is none was let through");
        wire::direntplus head{};
        head.entry = to_wire(entry->made);
        head.dirent = {.ino = entry->head.ino,
                       .off = entry->head.next,
                       .namelen = entry->head.name_bytes,
                       .type = entry->head.type};
        const std::size_t padded = wire::record_align(entry->name.size());
        std::memmove(f.payload.data() + to + sizeof(head), entry->name.data(), padded);
        std::memcpy(f.payload.data() + to, &head, sizeof(head));
        to += sizeof(head) + padded;
        from += entry->bytes;
    }
    f.payload_bytes = to;
    return 0;
}

int seek(frame& f, kmod::park& p) {
    put_fixed(f, wire::lseek_out{.offset = p.req().args.seek.offset});
    return 0;
}

int statvfs(frame& f, kmod::park& p) {
    put_fixed(f, wire::statfs_out{.st = to_wire(p.req().args.statvfs.sb)});
    return 0;
}

} // namespace answer

void answer_open_created(frame& f, kmod::park& p) {
    put_open(f, p);
}

namespace {

bool answers_entry(wire::opcode op) {
    using enum wire::opcode;
    return op == lookup || op == symlink || op == mknod || op == mkdir || op == link ||
           op == create;
}

bool answers_open(wire::opcode op) {
    using enum wire::opcode;
    return op == open || op == opendir || op == create;
}

} // namespace

given given_by(const frame& f) {
    const wire::opcode op = f.op.op();
    reader fixed(bytes(f.fixed).first(f.fixed_bytes));
    given g;
    msg::cookie opened = cookie_of(f.op.nodeid());
    if (answers_entry(op)) {
        const auto entry = fixed.take<wire::entry_out>();
        g.node = entry ? cookie_of(entry->nodeid) : msg::cookie::none;
        opened = g.node;
    }
    if (answers_open(op)) {
        if (const auto file = fixed.take<wire::open_out>()) {
            const std::uint32_t flags = op == wire::opcode::create
                                            ? f.op.in<wire::create_in>().flags
                                            : f.op.in<wire::open_in>().flags;
            g.open = given::open_file{opened, file->fh, flags};
        }
    }
    if (op == wire::opcode::readdirplus) {
        g.entries = f.payload.first(f.payload_bytes);
    }
    return g;
}

msg::cookie take_entry(bytes& entries) {
    reader r(entries);
    const auto head = r.take<wire::direntplus>();
    PUFFS_ASSERT(head.has_value(), "a reply of ours is cut off");
    entries = entries.subspan(sizeof(*head) + wire::record_align(head->dirent.namelen));
    return cookie_of(head->entry.nodeid);
}

} // namespace puffs::fuse
