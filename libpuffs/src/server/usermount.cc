#include "puffs/server/usermount.hh"

#include "call.hh"
#include "plus_entries.hh"
#include "puffs/base/log.hh"
#include "puffs/msgport/simple_ports.hh"

#include <vector>

namespace puffs {

std::string_view name_of(policy p) noexcept {
    switch (p) {
    case policy::per_node:
        return "per_node";
    case policy::serial:
        return "serial";
    case policy::parallel:
        return "parallel";
    }
    return "?";
}

struct usermount::ports {
    std::vector<std::unique_ptr<msgport::putonly_port>> of_core;

    static int put(msgport::port& self, msgport::msg& m) {
        auto& um = *static_cast<usermount*>(static_cast<msgport::putonly_port&>(self).context());
        auto& d = static_cast<msg::delivery&>(m);
        d.result.u64 = um.execute(*d.req, d.data);
        return d.req->head.rv;
    }
};

usermount::usermount(void* server, const operations& ops, const usermount_options& o, core_id cores)
    : server_(server), ops_(ops), options_(o),
      nodes_(std::make_unique<node_table>(
          o.root_id, o.nodes_max,
          [](void* um, node& n) noexcept { static_cast<usermount*>(um)->reclaim(n); }, this)),
      ports_(std::make_unique<ports>()) {
    for (core_id c = 0; c < cores; ++c) {
        ports_->of_core.push_back(
            std::make_unique<msgport::putonly_port>("usermount", &ports::put, this));
    }
}

usermount::~usermount() = default;

msgport::port& usermount::port(core_id c) noexcept {
    PUFFS_ASSERT(c < ports_->of_core.size(), "the mount has no such core");
    return *ports_->of_core[c];
}

node& usermount::root() noexcept {
    return nodes_->root();
}

std::size_t usermount::live_nodes() const noexcept {
    return nodes_->live();
}

result<void> usermount::start() {
    if (ops_.getattr == nullptr) {
        PUFFS_LOG(err, "the file server has no getattr: it cannot be mounted");
        return fail(ENOSYS);
    }
    if (ops_.start == nullptr) {
        return {};
    }
    try {
        return ops_.start(server_, *this);
    } catch (...) {
        PUFFS_LOG(err, "start threw: {}", what_was_thrown());
        return fail(EIO);
    }
}

void usermount::finish(bool force) noexcept {
    if (finished_.exchange(true, std::memory_order_relaxed)) {
        return;
    }
    nodes_->reclaim_all();
    if (ops_.unmount != nullptr) {
        try {
            ops_.unmount(server_, force);
        } catch (...) {
            PUFFS_LOG(err, "unmount threw: {}", what_was_thrown());
        }
    }
}

// Runs when nobody uses the node any more; in the thread that dropped the last use.
void usermount::reclaim(node& n) noexcept {
    if (ops_.reclaim == nullptr) {
        return;
    }
    msg::request req;
    req.head.opclass = static_cast<std::uint32_t>(msg::opclass::vn);
    req.head.optype = static_cast<std::uint32_t>(msg::vn_op::reclaim);
    req.head.node = n.cookie();
    cc context(*this, req);
    try {
        ops_.reclaim(server_, context, n);
    } catch (...) {
        PUFFS_LOG(err, "reclaim on node {} threw: {}", n.id(), what_was_thrown());
    }
}

void usermount::take_back(const msg::request& req, const msg::payload& data,
                          std::size_t out_bytes) noexcept {
    if (req.head.rv != 0 ||
        (req.head.opclass & msg::opclass_mask) != static_cast<std::uint32_t>(msg::opclass::vn)) {
        return;
    }
    const auto send = [this, &req](msg::vn_op op, msg::cookie node, auto fill) {
        msg::request undo;
        undo.head.opclass = req.head.opclass;
        undo.head.optype = static_cast<std::uint32_t>(op);
        undo.head.node = node;
        undo.head.who = req.head.who;
        fill(undo.args);
        execute(undo, {});
    };
    const auto give_back = [&send](const msg::newinfo& made) {
        if (made.node != msg::cookie::none) {
            send(msg::vn_op::reclaim, made.node,
                 [](msg::arguments& a) { a.reclaim = {.nlookup = 1}; });
        }
    };
    const auto op = static_cast<msg::vn_op>(req.head.optype);
    if (op == msg::vn_op::lookup) {
        give_back(req.args.lookup.made);
    } else if (op == msg::vn_op::create || op == msg::vn_op::mknod || op == msg::vn_op::mkdir ||
               op == msg::vn_op::symlink) {
        give_back(req.args.make.made);
    } else if (op == msg::vn_op::link) {
        give_back(req.args.link.made);
    } else if (op == msg::vn_op::readdir && req.args.io.plus != 0) {
        for (plus_entries at(data.out.first(out_bytes)); at.next();) {
            give_back(at.info());
        }
    } else if (op == msg::vn_op::open) {
        send(msg::vn_op::close, req.head.node, [&req](msg::arguments& a) {
            a.close = {.handle = req.args.open.handle, .flags = req.args.open.flags};
        });
    }
}

} // namespace puffs
