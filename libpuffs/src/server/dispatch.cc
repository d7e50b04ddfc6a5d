// dispatch: from a request's numbers to the handler of its operation, and the wall that no exception
// passes.
#include "call.hh"
#include "homes.hh"
#include "noted_work.hh"
#include "puffs/base/log.hh"

#include <array>

namespace puffs {

namespace {

enum rule : unsigned {
    any_node = 0,
    on_directory = 1, // enotdir otherwise
    changes = 2,      // erofs on a read-only mount
};

struct operation {
    result<void> (*handler)(call&) = nullptr; // null: enosys
    unsigned rules = any_node;
};

using vn_table = std::array<operation, static_cast<std::size_t>(msg::vn_op::count_)>;

consteval vn_table make_table() {
    using msg::vn_op;
    using namespace handlers;
    vn_table t;
    const auto set = [&t](vn_op op, result<void> (*handler)(call&), unsigned rules) {
        t[static_cast<std::size_t>(op)] = {handler, rules};
    };
    set(vn_op::lookup, handlers::lookup, on_directory);
    set(vn_op::create, handlers::create, on_directory | changes);
    set(vn_op::mknod, handlers::mknod, on_directory | changes);
    set(vn_op::mkdir, handlers::mkdir, on_directory | changes);
    set(vn_op::symlink, handlers::symlink, on_directory | changes);
    set(vn_op::link, handlers::link, on_directory | changes);
    set(vn_op::remove, handlers::remove, on_directory | changes);
    set(vn_op::rmdir, handlers::rmdir, on_directory | changes);
    set(vn_op::rename, handlers::rename, on_directory | changes);
    set(vn_op::readdir, handlers::readdir, on_directory);
    set(vn_op::getattr, handlers::getattr, any_node);
    set(vn_op::setattr, handlers::setattr, changes);
    set(vn_op::access, handlers::access, any_node);
    set(vn_op::open, handlers::open, any_node);
    set(vn_op::close, handlers::close, any_node);
    set(vn_op::inactive, handlers::inactive, any_node);
    set(vn_op::read, handlers::read, any_node);
    set(vn_op::write, handlers::write, changes);
    set(vn_op::fsync, handlers::fsync, any_node);
    set(vn_op::seek, handlers::seek, any_node);
    set(vn_op::fallocate, handlers::fallocate, changes);
    set(vn_op::readlink, handlers::readlink, any_node);
    set(vn_op::getextattr, handlers::getextattr, any_node);
    set(vn_op::setextattr, handlers::setextattr, changes);
    set(vn_op::listextattr, handlers::listextattr, any_node);
    set(vn_op::deleteextattr, handlers::deleteextattr, changes);
    return t;
}

constexpr vn_table vn_operations = make_table();

result<void> run_vn(call& c) {
    const std::uint32_t type = c.req.head.optype;
    if (type == static_cast<std::uint32_t>(msg::vn_op::reclaim)) {
        if (!c.nodes().give_back(c.req.head.node, c.args().reclaim.nlookup)) {
            return fail(ESTALE);
        }
        return {};
    }
    if (type == 0 || type >= vn_operations.size()) {
        return fail(EOPNOTSUPP);
    }
    const operation& op = vn_operations[type];
    if (op.handler == nullptr) {
        return fail(ENOSYS);
    }
    auto held = c.nodes().hold(c.req.head.node);
    if (!held) {
        return fail(held.error());
    }
    c.n = std::move(*held);
    if ((op.rules & on_directory) != 0 && !c.n->is_dir()) {
        return fail(ENOTDIR);
    }
    if ((op.rules & changes) != 0 && c.options().read_only) {
        return fail(EROFS);
    }
    return op.handler(c);
}

result<void> run_class(call& c) {
    switch (static_cast<msg::opclass>(c.req.head.opclass & msg::opclass_mask)) {
    case msg::opclass::vn:
        return run_vn(c);
    case msg::opclass::vfs:
        return handlers::vfs(c);
    case msg::opclass::cache:
    case msg::opclass::error:
    case msg::opclass::flush:
    case msg::opclass::suspend:
    case msg::opclass::unmount:
        break;
    }
    return fail(EOPNOTSUPP);
}

} // namespace

// The wall: whatever the server does, the request gets an errno that its caller can be told.
void usermount::run(call& c) noexcept {
    int rv = 0;
    try {
        rv = errno_of(run_class(c));
    } catch (...) {
        rv = EIO;
        PUFFS_LOG(err, "{} on node {} threw: {}", msg::name_of(c.req.head), c.n ? c.n->id() : 0,
                  what_was_thrown());
    }
    if (rv > msg::errno_max) {
        PUFFS_LOG(err, "{} on node {} answered errno {}, which no caller can be told: eproto",
                  msg::name_of(c.req.head), c.n ? c.n->id() : 0, rv);
        rv = EPROTO;
    }
    c.req.head.rv = rv;
    c.out_bytes = rv == 0 ? c.out_bytes : 0;
    c.req.head.buflen = sizeof(msg::request) + c.out_bytes;
    c.n.drop();
}

std::size_t usermount::execute(msg::request& req, msg::payload data, node* pinned) noexcept {
    const auto started =
        options_.trace ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point();
    if (options_.trace) {
        trace_request(req, data);
    }
    const noted_work note(req.head);
    call c(*this, req, data);
    c.pinned = pinned;
    if (finished_.load(std::memory_order_relaxed)) {
        req.head.rv = ENXIO;
    } else if (options_.concurrency == policy::serial) {
        serial_.lock();
        run(c); // drops the node too: its reclaim is one of the operations
        serial_.unlock();
    } else {
        run(c);
    }
    if (c.pinned != nullptr) { // its operation came to nothing before it locked its nodes
        homes_->unpin(*c.pinned);
    }
    if (options_.trace) {
        trace_reply(req, c.out_bytes, std::chrono::steady_clock::now() - started);
    }
    return c.out_bytes;
}

} // namespace puffs
