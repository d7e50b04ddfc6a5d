// client.hh - asks a usermount as the kernel half would: one member function an operation. Under the policy home, or
// when it is told so, it asks through the port of the core where it is.
//
// Ownership:  refers to the usermount.
// Threading:  one thread a client; several clients of one usermount may run at once.
// Errors:     the request's rv.
#pragma once

#include "puffs/lwkt/thread.hh"
#include "puffs/msg/dirent.hh"
#include "puffs/msgport/port.hh"
#include "puffs/server/make_operations.hh"
#include "puffs/server/usermount.hh"

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace puffs::testing {

inline std::span<const std::byte> bytes_of(std::string_view s) {
    return std::as_bytes(std::span(s.data(), s.size()));
}

class client {
  public:
    explicit client(usermount& um) : by_port(um.options().concurrency == policy::home), um_(um) {}

    msg::request req;           // of the last call
    std::vector<std::byte> out; // its out bytes
    std::size_t out_bytes = 0;  // used of them

    int run(msg::vn_op op, msg::cookie node, std::string_view in = {}, std::size_t room = 0) {
        req.head.opclass = static_cast<std::uint32_t>(msg::opclass::vn);
        req.head.optype = static_cast<std::uint32_t>(op);
        req.head.node = node;
        req.head.who = who;
        req.head.id = 1;
        out.assign(room, std::byte{0xee});
        out_bytes = ask({bytes_of(in), out});
        return req.head.rv;
    }

    result<msg::newinfo> lookup(msg::cookie dir, std::string_view name) {
        req.args.lookup = {.name_bytes = size32(name), .made = {}};
        const int rv = run(msg::vn_op::lookup, dir, name);
        return rv == 0 ? result<msg::newinfo>(req.args.lookup.made) : fail(rv);
    }
    result<msg::newinfo> make(msg::vn_op op, msg::cookie dir, std::string_view name,
                              std::uint32_t mode, std::string_view target = {}) {
        req.args.make = {};
        req.args.make.name_bytes = size32(name);
        req.args.make.target_bytes = size32(target);
        req.args.make.mode = mode;
        const int rv = run(op, dir, std::string(name) + std::string(target));
        return rv == 0 ? result<msg::newinfo>(req.args.make.made) : fail(rv);
    }
    result<msg::newinfo> link(msg::cookie dir, msg::cookie target, std::string_view name) {
        req.args.link = {.target = target, .name_bytes = size32(name), .made = {}};
        const int rv = run(msg::vn_op::link, dir, name);
        return rv == 0 ? result<msg::newinfo>(req.args.link.made) : fail(rv);
    }
    int remove(msg::cookie dir, std::string_view name) {
        req.args.remove = {.name_bytes = size32(name)};
        return run(msg::vn_op::remove, dir, name);
    }
    int rmdir(msg::cookie dir, std::string_view name) {
        req.args.remove = {.name_bytes = size32(name)};
        return run(msg::vn_op::rmdir, dir, name);
    }
    int rename(msg::cookie from_dir, std::string_view from, msg::cookie to_dir, std::string_view to,
               std::uint32_t flags = 0) {
        req.args.rename = {.target_dir = to_dir,
                           .name_bytes = size32(from),
                           .target_name_bytes = size32(to),
                           .flags = flags};
        return run(msg::vn_op::rename, from_dir, std::string(from) + std::string(to));
    }
    result<attr> getattr(msg::cookie node) {
        req.args.getattr = {};
        const int rv = run(msg::vn_op::getattr, node);
        return rv == 0 ? result<attr>(req.args.getattr.va) : fail(rv);
    }
    int setattr(msg::cookie node, std::uint32_t valid, const attr& va) {
        req.args.setattr = {};
        req.args.setattr.valid = valid;
        req.args.setattr.va = va;
        return run(msg::vn_op::setattr, node);
    }
    int access(msg::cookie node, std::uint32_t mode) {
        req.args.access = {.mode = mode};
        return run(msg::vn_op::access, node);
    }
    result<std::uint64_t> open(msg::cookie node, std::uint32_t flags) {
        req.args.open = {};
        req.args.open.flags = flags;
        const int rv = run(msg::vn_op::open, node);
        return rv == 0 ? result<std::uint64_t>(req.args.open.handle) : fail(rv);
    }
    int close(msg::cookie node, std::uint64_t handle = 0) {
        req.args.close = {.handle = handle, .flags = 0};
        return run(msg::vn_op::close, node);
    }
    result<std::string> read(msg::cookie node, std::uint32_t size, std::uint64_t offset = 0,
                             std::uint64_t handle = 0) {
        req.args.io = {};
        req.args.io.size = size;
        req.args.io.offset = offset;
        req.args.io.handle = handle;
        const int rv = run(msg::vn_op::read, node, {}, size);
        return rv == 0 ? result<std::string>(text(req.args.io.done)) : fail(rv);
    }
    result<std::uint32_t> write(msg::cookie node, std::string_view data, std::uint64_t offset = 0) {
        req.args.io = {};
        req.args.io.size = size32(data);
        req.args.io.offset = offset;
        const int rv = run(msg::vn_op::write, node, data);
        return rv == 0 ? result<std::uint32_t>(req.args.io.done) : fail(rv);
    }
    int readdir(msg::cookie dir, std::size_t room, bool plus = false, std::uint64_t cookie = 0) {
        req.args.io = {};
        req.args.io.size = static_cast<std::uint32_t>(room);
        req.args.io.offset = cookie;
        req.args.io.plus = plus ? 1 : 0;
        return run(msg::vn_op::readdir, dir, {}, room);
    }
    result<std::string> readlink(msg::cookie node, std::size_t room = 4095) {
        req.args.readlink = {};
        const int rv = run(msg::vn_op::readlink, node, {}, room);
        return rv == 0 ? result<std::string>(text(req.args.readlink.done)) : fail(rv);
    }
    // get, list, delete, set of an extended attribute: done, or the errno.
    result<std::uint32_t> extattr(msg::vn_op op, msg::cookie node, std::string_view name,
                                  std::string_view value = {}, std::uint32_t room = 0,
                                  std::uint32_t flags = 0) {
        req.args.extattr = {.name_bytes = size32(name),
                            .value_bytes = size32(value),
                            .flags = flags,
                            .size = room,
                            .done = 0};
        const int rv = run(op, node, std::string(name) + std::string(value), room);
        return rv == 0 ? result<std::uint32_t>(req.args.extattr.done) : fail(rv);
    }
    int give_back(msg::cookie node, std::uint64_t count) {
        req.args.reclaim = {.nlookup = count};
        return run(msg::vn_op::reclaim, node);
    }
    // As the kernel half when nobody takes the last answer: gives back the lookups of the nodes that it names, and
    // closes the file that it opened.
    void take_back() {
        const msg::request answer = req;
        const std::vector<std::byte> entries(out.begin(),
                                             out.begin() + static_cast<std::ptrdiff_t>(out_bytes));
        const auto one = [this](const msg::newinfo& made) {
            if (made.node != msg::cookie::none) give_back(made.node, 1);
        };
        const auto op = static_cast<msg::vn_op>(answer.head.optype);
        if (op == msg::vn_op::lookup) {
            one(answer.args.lookup.made);
        } else if (op == msg::vn_op::create || op == msg::vn_op::mknod || op == msg::vn_op::mkdir ||
                   op == msg::vn_op::symlink) {
            one(answer.args.make.made);
        } else if (op == msg::vn_op::link) {
            one(answer.args.link.made);
        } else if (op == msg::vn_op::open) {
            close(answer.head.node, answer.args.open.handle);
        } else if (op == msg::vn_op::readdir && answer.args.io.plus != 0) {
            std::span<const std::byte> rest = entries;
            while (const auto entry = msg::read_dirent(rest, true)) {
                one(entry->made);
                rest = rest.subspan(entry->bytes);
            }
        }
    }
    int vfs(msg::vfs_op op) {
        req.head.opclass = static_cast<std::uint32_t>(msg::opclass::vfs);
        req.head.optype = static_cast<std::uint32_t>(op);
        req.head.node = msg::cookie::none;
        out_bytes = ask({});
        return req.head.rv;
    }

    [[nodiscard]] std::string text(std::size_t count) const {
        return {reinterpret_cast<const char*>(out.data()), count};
    }

    msg::caller who{.pid = 7, .uid = 100, .gid = 200};
    bool by_port; // of the core where it is; its light thread waits for the answer

  private:
    std::size_t ask(const msg::payload& data) {
        if (!by_port) {
            return um_.execute(req, data);
        }
        msg::delivery d;
        d.init(lwkt::thread::current().port());
        d.req = &req;
        d.data = data;
        const int e = msgport::domsg(um_.port(ipi::cpu::current().id()), d);
        req.head.rv = e != 0 ? e : req.head.rv;
        return d.result.u64;
    }
    static std::uint32_t size32(std::string_view s) { return static_cast<std::uint32_t>(s.size()); }
    usermount& um_;
};

// A usermount over a server object, started.
template <class Server>
struct mounted {
    explicit mounted(const usermount_options& o = {}, core_id cores = 1)
        : um(&server, ops, o, cores) {}
    Server server;
    const operations ops = make_operations<Server>();
    usermount um;
};

} // namespace puffs::testing
