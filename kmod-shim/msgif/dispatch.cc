// What the server sends: replies, found by id and held against what was asked, and everything else (F37-F41).
#include "checks.hh"
#include "mount_state.hh"
#include "puffs/base/log.hh"
#include "puffs/ipi/send.hh"

#include <algorithm>
#include <cstring>
#include <utility>

namespace puffs::kmod {

namespace {

constexpr std::uint32_t class_of(const msg::request& r) {
    return r.head.opclass & msg::opclass_mask;
}

} // namespace

void puffs_mount::implementation::respond_to(const msg::request& original, int error,
                                             std::string_view text) {
    transport* const t = peer.load(std::memory_order_acquire);
    if (t == nullptr) {
        return;
    }
    msg::request r;
    r.head = original.head; // its id is the server's own (F29)
    r.head.buflen = sizeof r;
    r.head.opclass = class_of(original) | msg::opclass_faf | msg::opclass_isresponse;
    r.head.rv = error;
    t->respond(r, text);
}

void puffs_mount::implementation::report(msg::cookie node, std::uint32_t optype, int error,
                                         std::string_view text) {
    transport* const t = peer.load(std::memory_order_acquire);
    if (t == nullptr) {
        return;
    }
    msg::request r;
    r.head.buflen = sizeof r;
    r.head.opclass = static_cast<std::uint32_t>(msg::opclass::error) | msg::opclass_faf;
    r.head.optype = optype;
    r.head.rv = error;
    r.head.node = node;
    t->respond(r, text);
}

// A reply that cannot be believed: the caller gets rv, the server is told why.
void shard::refuse(park& p, int rv, int reported, const char* text) {
    bump(counters_.refused_replies);
    const question q = p.asked_;
    mount_.impl_->report(q.node, q.optype, reported, text);
    finish(p, rv);
}

// Nobody will ever give back the nodes that a discarded reply names, nor close the file that it opened, and the server
// has counted them: they are given back at once (the seed leaks them).
void shard::give_back(const question& q, const msg::request& r, std::span<const std::byte> out,
                      std::size_t length, int rv) {
    const bool told = rv == 0 && length == sizeof r + out.size() && class_of(r) == q.opclass &&
                      r.head.optype == q.optype;
    if (!told || check_values(q, r.args, out) != nullptr) {
        return;
    }
    each_named(
        q, r.args, out,
        [](msg::cookie node, void* self) {
            msg::arguments a;
            a.reclaim = {.nlookup = 1};
            static_cast<shard*>(self)->send_undo(msg::vn_op::reclaim, node, a);
        },
        this);
    if (q.opclass == static_cast<std::uint32_t>(msg::opclass::vn) &&
        q.optype == static_cast<std::uint32_t>(msg::vn_op::open)) {
        msg::arguments a;
        a.close = {.handle = r.args.open.handle, .flags = r.args.open.flags};
        send_undo(msg::vn_op::close, q.node, a);
    }
}

void shard::send_undo(msg::vn_op op, msg::cookie node, const msg::arguments& a) {
    park* const p = take_free();
    if (p == nullptr) {
        PUFFS_LOG(err, "no park left: node {:#x} gets no {}", static_cast<std::uint64_t>(node),
                  msg::name_of(op));
        return;
    }
    p->setinfo(msg::opclass::vn, static_cast<std::uint32_t>(op), node);
    p->req_.args = a;
    p->setfaf();
    const bool nested = std::exchange(in_callback_, true); // the transport is told by settle()
    static_cast<void>(enqueue(*p, {}));
    in_callback_ = nested;
    drop(*p);
}

void shard::reply(park& p, const msg::request& r, std::span<const std::byte> out,
                  std::size_t length, int rv) {
    assert_mine(p);
    p.flags_ &= ~std::uint32_t{park_onqueue2};
    if ((p.flags_ & park_waitergone) != 0) {
        bump(counters_.goners);
        give_back(p.asked_, r, out, length, rv);
        finish(p, 0);
        return;
    }
    const question& q = p.asked_;
    if (length > p.maxlen_ || out.size() > p.delivery_.data.out.size()) {
        refuse(p, EPROTO, E2BIG, "a reply longer than its request allows");
        return;
    }
    if (out.size() != length - std::min(length, sizeof r)) {
        refuse(p, EPROTO, EINVAL, "a reply without the bytes that its length promises");
        return;
    }
    if (r.head.id != q.id || class_of(r) != q.opclass || r.head.optype != q.optype) {
        refuse(p, EPROTO, EINVAL, "a reply to another operation");
        return;
    }
    if (rv < 0 || rv > msg::errno_max) {
        refuse(p, EPROTO, EINVAL, "an error that is no errno");
        return;
    }
    if (&r !=
        &p.req_) { // it came in a frame: what is shorter than the request leaves the rest as it was asked
        std::memcpy(static_cast<void*>(&p.req_), &r, std::min(length, sizeof r));
        if (!out.empty() && rv == 0) {
            std::memcpy(p.delivery_.data.out.data(), out.data(), out.size());
        }
    }
    msg::header& h = p.req_.head;
    h.id = q.id;
    h.node = q.node;
    h.rv = rv;
    h.setbacks &= msg::setback_all;
    if (rv == 0) {
        const auto believed = p.delivery_.data.out.first(out.size());
        const refusal* wrong = check_values(q, p.req_.args, believed);
        if (wrong == nullptr) {
            wrong = name_nodes(q, p.req_.args, believed, mount_.impl_->nodes);
        }
        if (wrong != nullptr) {
            refuse(p, wrong->rv, wrong->reported, wrong->text);
            return;
        }
        p.reply_out_bytes_ = out.size();
    }
    p.answered_ = true;
    bump(counters_.replied);
    finish(p, rv);
}

void shard::reply_by_id(const msg::request& r, std::span<const std::byte> out, std::size_t length) {
    park* const p = find(r.head.id);
    if (p == nullptr) {
        bump(counters_.unknown_ids);
        mount_.impl_->respond_to(r, EINVAL, "no request waits under this id");
        return;
    }
    times t = times_of(*p);
    t.ended = t.began != 0 ? read_ticks() : 0;
    if (p->older_ != nullptr) {
        reply_in_older(*p, r, out, length);
    } else {
        reply(*p, r, out, length, r.head.rv);
    }
    keep(t, true);
}

namespace {

// A reply on its way to the home core of its id; on the stack of the dispatcher, who waits.
struct travelling_reply {
    shard& home;
    const msg::request& request;
    std::span<const std::byte> out;
    std::size_t length;
};

} // namespace

void puffs_mount::dispatch(const msg::request& req, std::span<const std::byte> out_bytes,
                           std::size_t length) {
    implementation& m = *impl_;
    if (m.peer.load(std::memory_order_acquire) == nullptr) {
        return; // nobody could have sent it (F36)
    }
    if (length < sizeof(msg::header)) {
        m.respond_to(msg::request{}, EINVAL, "a frame shorter than a header");
        return;
    }
    switch (static_cast<msg::opclass>(class_of(req))) {
    case msg::opclass::vn:
    case msg::opclass::vfs:
        break;
    case msg::opclass::flush:
        m.respond_to(req, length == sizeof req ? ENXIO : EINVAL, "no thread for flush calls");
        return;
    case msg::opclass::unmount:
        m.respond_to(req, ENXIO, "no thread for unmount requests");
        return;
    case msg::opclass::cache:
    case msg::opclass::error:
    case msg::opclass::suspend:
    default: // a number that no class has
        m.respond_to(req, EOPNOTSUPP, "a class that no server may send");
        return;
    }
    {
        const ipi::crit_section crit;
        shard* const home = m.home_of(req.head.id);
        shard& mine = here();
        if (home == nullptr || home == &mine) {
            mine.reply_by_id(req, out_bytes, length);
        } else {
            travelling_reply t{*home, req, out_bytes, length};
            ipi::sync_message visit;
            visit.function = [](void* arg) {
                const auto& reply = *static_cast<travelling_reply*>(arg);
                reply.home.reply_by_id(reply.request, reply.out, reply.length);
                reply.home.settle();
            };
            visit.arg = &t;
            ipi::unicast(visit, home->home());
            ipi::wait(visit);
        }
    }
    here().settle();
}

} // namespace puffs::kmod
