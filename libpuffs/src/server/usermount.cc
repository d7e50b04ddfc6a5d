#include "puffs/server/usermount.hh"

#include "call.hh"
#include "crossing.hh"
#include "homes.hh"
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
    case policy::home:
        return "home";
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
    static int put_crossing(msgport::port& self, msgport::msg& m) {
        auto& um = *static_cast<usermount*>(static_cast<msgport::putonly_port&>(self).context());
        return um.crossing_->take(static_cast<msg::delivery&>(m)) ? msgport::easync : put(self, m);
    }
    static int put_home(msgport::port& self, msgport::msg& m) {
        auto& um = *static_cast<usermount*>(static_cast<msgport::putonly_port&>(self).context());
        return um.homes_->take(static_cast<msg::delivery&>(m));
    }
};

namespace {

// Under serial another core could only wait; under home it is the nodes that say where work runs.
bool may_cross(const usermount_options& o, core_id cores) {
    return (o.concurrency == policy::per_node || o.concurrency == policy::parallel) && cores > 1 &&
           o.backlog.count() > 0;
}

} // namespace

usermount::usermount(void* server, const operations& ops, const usermount_options& o, core_id cores)
    : server_(server), ops_(ops), options_(o),
      nodes_(std::make_unique<node_table>(
          o.root_id, o.nodes_max,
          [](void* um, node& n) noexcept { static_cast<usermount*>(um)->reclaim(n); }, this)),
      homes_(o.concurrency == policy::home ? std::make_unique<homes>(*this, *nodes_, cores)
                                           : nullptr),
      crossing_(may_cross(o, cores) ? std::make_unique<crossing>(*this, cores, o.backlog)
                                    : nullptr),
      ports_(std::make_unique<ports>()) {
    auto* const put = homes_ != nullptr      ? &ports::put_home
                      : crossing_ != nullptr ? &ports::put_crossing
                                             : &ports::put;
    for (core_id c = 0; c < cores; ++c) {
        ports_->of_core.push_back(std::make_unique<msgport::putonly_port>("usermount", put, this));
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

std::uint64_t usermount::handed_on(core_id from) const noexcept {
    return crossing_ != nullptr ? crossing_->handed_on(from) : 0;
}

core_id usermount::home_of(const node& n) const noexcept {
    PUFFS_ASSERT(homes_ != nullptr, "nodes have a home under the policy home only");
    return homes_->of(n);
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

// Runs when nobody uses the node any more; in the thread that dropped the last use, or in one that it waits for. At the
// end, when nothing else runs, every node is reclaimed by the thread that calls finish.
void usermount::reclaim(node& n) noexcept {
    if (ops_.reclaim == nullptr) {
        return;
    }
    if (finished_.load(std::memory_order_relaxed)) {
        reclaim_here(n);
    } else {
        at_home(n, [&] { reclaim_here(n); });
    }
}

void usermount::reclaim_here(node& n) noexcept {
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

} // namespace puffs
