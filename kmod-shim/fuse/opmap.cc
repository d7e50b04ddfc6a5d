#include "fuse/opmap.hh"

#include "fuse/answer.hh"
#include "fuse/convert.hh"
#include "fuse/mapping.hh"
#include "fuse/wire_node.hh"
#include "puffs/base/log.hh"
#include "puffs/ipi/cpu.hh"
#include "puffs/ipi/send.hh"

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/intrusive/unordered_set.hpp>
#include <cstring>
#include <utility>

namespace puffs::fuse {

namespace {

// Messages about interrupts that a core has not taken up yet: so few that nobody else who sends to it waits for room
// (ipi/send.hh).
constexpr unsigned interrupts_under_way_max = 16;

struct unique_of {
    using type = std::uint64_t;
    std::uint64_t operator()(const frame& f) const { return f.op.header.unique; }
};
// The kernel counts uniques in steps of two (FUSE_REQ_ID_STEP).
struct unique_hash {
    std::size_t operator()(std::uint64_t unique) const {
        return static_cast<std::size_t>(unique >> 1);
    }
};

msg::caller caller_of(const frame& f) {
    return {f.op.thread_id(), f.op.uid(), f.op.gid()};
}

} // namespace

struct opmap::implementation {
    // What one core has in flight.
    struct shard {
        static constexpr std::size_t buckets_count = 1024;
        using table = boost::intrusive::unordered_set<
            frame,
            boost::intrusive::member_hook<frame, boost::intrusive::unordered_set_member_hook<>,
                                          &frame::by_unique>,
            boost::intrusive::key_of_value<unique_of>, boost::intrusive::hash<unique_hash>,
            boost::intrusive::power_2_buckets<true>>;
        std::array<table::bucket_type, buckets_count> buckets;
        table flying{table::bucket_traits(buckets.data(), buckets.size())};
    };

    // constant after construction
    kmod::puffs_mount& mount;
    const init_options asked;
    const init_hook on_init;

    // written by INIT, before any other core serves the connection; constant from then on
    session_limits limits;
    bool initialised = false;

    // each made and used by its core only
    std::array<std::unique_ptr<shard>, limits::cores> shards;

    // Messages about interrupts on their way to each core. Relaxed: a bound, from which nothing else follows.
    std::array<std::atomic<unsigned>, limits::cores> interrupts_under_way{};

    implementation(kmod::puffs_mount& m, const init_options& o, init_hook h)
        : mount(m), asked(o), on_init(std::move(h)) {}

    shard& here() {
        std::unique_ptr<shard>& s = shards[ipi::cpu::current().id()];
        if (!s) s = std::make_unique<shard>();
        return *s;
    }

    void handle(frame& f);
    // header: what is known of the request.
    void refuse(frame& f, error why, const std::optional<wire::in_header>& header);
    static void answer_now(frame& f, int number);
    static void reply(frame& f, int number);
    void initialise(frame& f);
    void forget(frame& f);
    void reclaim(msg::cookie node, std::uint64_t nlookup, const msg::caller& who, bool cansleep);
    void interrupt(frame& f);
    bool interrupt_here(std::uint64_t unique);
    bool send_interrupt(core_id to, std::uint64_t unique); // false: it is lost
    static void interrupt_there(void* arg, std::intptr_t unique);

    void take_back(const frame& f);
    void close(msg::cookie node, std::uint64_t handle, std::uint32_t flags, const msg::caller& who);

    void send_faf(frame& f, const mapping& m);
    void send_call(frame& f, const mapping& m);
    bool make_park(frame& f, bool cansleep);
    static void park_ended(kmod::park& p, int rv, void* self);
    void answer_first(frame& f);
    void open_created(frame& f);
    void remove_created(frame& f, int number);
    void give_back(frame& f);
    void leave_table(frame& f);
    void finish(frame& f, int number);
    void finish_when_freed(frame& f, int number);
};

// A request that is decoded.
void opmap::implementation::handle(frame& f) {
    if (f.op.unknown()) {
        answer_now(f, ENOSYS);
        return;
    }
    const wire::opcode op = f.op.op();
    if (op == wire::opcode::forget || op == wire::opcode::batch_forget) {
        forget(f);
    } else if (op == wire::opcode::interrupt) {
        interrupt(f);
    } else if (op == wire::opcode::init) {
        initialise(f);
    } else if (const mapping& m = mapping_of(op); m.fill == nullptr) {
        answer_now(f, ENOSYS);
    } else if (m.faf) {
        send_faf(f, m);
    } else {
        send_call(f, m);
    }
}

// A name that is too long is the caller's doing; anything else says that we do not understand the kernel.
void opmap::implementation::refuse(frame& f, error why,
                                   const std::optional<wire::in_header>& header) {
    f.op = {};
    if (why != error(ENAMETOOLONG)) {
        PUFFS_LOG(warn, "malformed request refused: opcode {} ({}), {} bytes of {}, unique {}",
                  header ? header->opcode : 0, header ? row_of(header->opcode).name : "no header",
                  f.request.size(), header ? header->len : 0, header ? header->unique : 0);
    }
    if (!header) {
        f.origin->drop(f);
        return;
    }
    f.op.row = &row_of(header->opcode);
    f.op.header = *header;
    answer_now(f, why == error(ENAMETOOLONG) ? ENAMETOOLONG : EIO);
}

void opmap::implementation::answer_now(frame& f, int number) {
    if (!f.op.row->flags.reply) {
        f.origin->drop(f);
        return;
    }
    reply(f, number);
}

void opmap::implementation::initialise(frame& f) {
    if (initialised) {
        answer_now(f, EIO);
        return;
    }
    const auto granted = negotiate(f.op.in<wire::init_in>(), asked);
    if (granted) {
        limits = granted->limits;
        initialised = true;
        std::memcpy(f.fixed.data(), &granted->reply, sizeof(granted->reply));
        f.fixed_bytes = sizeof(granted->reply);
    }
    on_init(granted);
    answer_now(f, granted ? 0 : EPROTO);
}

void opmap::implementation::forget(frame& f) {
    const msg::caller who = caller_of(f);
    if (f.op.op() == wire::opcode::forget) {
        reclaim(cookie_of(f.op.nodeid()), f.op.in<wire::forget_in>().nlookup, who, true);
    } else {
        for (std::size_t i = 0; i < f.op.forget_count(); ++i) {
            const wire::forget_one one = f.op.forget_at(i);
            if (one.nodeid != 0) reclaim(cookie_of(one.nodeid), one.nlookup, who, true);
        }
    }
    f.origin->drop(f);
}

void opmap::implementation::reclaim(msg::cookie node, std::uint64_t nlookup, const msg::caller& who,
                                    bool cansleep) {
    mount.reclaimed(node, nlookup);
    kmod::park* p = mount.msgmem_alloc(cansleep);
    if (p == nullptr) {
        PUFFS_LOG(err, "no park left: node {:#x} keeps {} lookup references", nodeid_of(node),
                  nlookup);
        return;
    }
    p->setinfo(msg::opclass::vn, static_cast<std::uint32_t>(msg::vn_op::reclaim), node);
    p->req().args.reclaim = {.nlookup = nlookup};
    p->setfaf();
    mount.enqueue(*p, who);
    mount.msgmem_release(p);
}

// As the kernel would: an open file goes before the lookup of its node.
void opmap::implementation::take_back(const frame& f) {
    if (f.error != 0) return;
    const msg::caller who = caller_of(f);
    const given g = given_by(f);
    if (g.open) close(g.open->node, g.open->handle, g.open->flags, who);
    if (g.node != msg::cookie::none) reclaim(g.node, 1, who, false);
    for (bytes rest = g.entries; !rest.empty();) {
        const msg::cookie node = take_entry(rest);
        if (node != msg::cookie::none) reclaim(node, 1, who, false);
    }
}

void opmap::implementation::close(msg::cookie node, std::uint64_t handle, std::uint32_t flags,
                                  const msg::caller& who) {
    kmod::park* p = mount.msgmem_alloc(false);
    if (p == nullptr) {
        PUFFS_LOG(err, "no park left: node {:#x} keeps an open file", nodeid_of(node));
        return;
    }
    p->setinfo(msg::opclass::vn, static_cast<std::uint32_t>(msg::vn_op::close), node);
    p->req().args.close = {.handle = handle, .flags = flags};
    p->setfaf();
    mount.enqueue(*p, who);
    mount.msgmem_release(p);
}

// An INTERRUPT may be read on a core that never saw its request (spec X3). On /dev/fuse the kernel queues it only after
// a channel has read the request, and a core enters a request into its table before it serves another core's message:
// so a core that does not have the request when the message comes has answered it, and the kernel need not be asked to
// try again. On io_uring the request may still lie in an entry that its core has not taken up: then the interrupt
// passes it by, and the caller waits for the operation.
// A core that runs a handler for long takes no messages meanwhile: an interrupt is worth no wait for it, and beyond a
// few it is lost. Its caller waits for the operation too.
// What removes an object whose open failed is not the caller's to interrupt: the object would stay.
void opmap::implementation::interrupt(frame& f) {
    const std::uint64_t unique = f.op.in<wire::interrupt_in>().unique;
    channel& from = *f.origin;
    from.drop(f);
    if (interrupt_here(unique)) return;
    const ipi::crit_section stay;
    const ipi::cpu& self = ipi::cpu::current();
    for (core_id c = 0; c < self.owner_domain().size(); ++c) {
        if (c != self.id() && !send_interrupt(c, unique)) from.count_lost_interrupt();
    }
}

bool opmap::implementation::send_interrupt(core_id to, std::uint64_t unique) {
    std::atomic<unsigned>& under_way = interrupts_under_way[to];
    const bool sent =
        under_way.fetch_add(1, std::memory_order_relaxed) < interrupts_under_way_max &&
        ipi::send_nowait(to, interrupt_there, this, static_cast<std::intptr_t>(unique));
    if (!sent) under_way.fetch_sub(1, std::memory_order_relaxed);
    return sent;
}

bool opmap::implementation::interrupt_here(std::uint64_t unique) {
    shard& s = here();
    const auto found = s.flying.find(unique);
    if (found == s.flying.end()) return false;
    if (found->parked == nullptr) {
        found->interrupted = true; // it waits for a park
    } else if (found->stage != series_stage::remove_created) {
        static_cast<void>(
            mount.interrupt(*found->parked)); // taken back if the server has not seen it
    }
    return true;
}

void opmap::implementation::interrupt_there(void* arg, std::intptr_t unique) {
    auto& im = *static_cast<implementation*>(arg);
    im.interrupts_under_way[ipi::cpu::current().id()].fetch_sub(1, std::memory_order_relaxed);
    im.interrupt_here(static_cast<std::uint64_t>(unique));
}

// The kernel takes no interest in how it ends, but wants a reply; the server gives none (X1).
void opmap::implementation::send_faf(frame& f, const mapping& m) {
    kmod::park* p = mount.msgmem_alloc(true);
    p->setinfo(m.opclass, m.optype, cookie_of(f.op.nodeid()));
    m.fill(f, *p);
    p->setfaf();
    mount.enqueue(*p, caller_of(f));
    mount.msgmem_release(p);
    answer_now(f, 0);
}

void opmap::implementation::send_call(frame& f, const mapping& m) {
    here().flying.insert(f); // first of all: see interrupt()
    make_park(f, true);
    if (f.interrupted) {
        finish(f, EINTR);
        return;
    }
    f.parked->setinfo(m.opclass, m.optype,
                      m.opclass == msg::opclass::vfs ? msg::cookie::none
                                                     : cookie_of(f.op.nodeid()));
    if (const int number = m.fill(f, *f.parked)) {
        finish(f, number);
        return;
    }
    mount.enqueue(*f.parked,
                  caller_of(f)); // a server of this process answers inside: f may be gone
}

// A series takes a new park for each request, because somebody may still hold the one that has just ended.
bool opmap::implementation::make_park(frame& f, bool cansleep) {
    mount.msgmem_release(f.parked);
    f.parked = mount.msgmem_alloc(cansleep);
    if (f.parked == nullptr) return false;
    f.parked->owner = &f;
    f.parked->setcall(park_ended, this);
    return true;
}

// A request of the series ended: it is answered here, or the next one is enqueued, which the transport gets when this
// callback is over.
void opmap::implementation::park_ended(kmod::park& p, int rv, void* self) {
    implementation& im = *static_cast<implementation*>(self);
    frame& f = *static_cast<frame*>(p.owner);
    const bool running = im.mount.status() == kmod::mount_status::running;
    const int number = wire_errno(rv, running);
    if (rv == ENXIO && !running) {
        // Nobody is left to reclaim what a CREATE made; the kernel never hears of it either.
        if (f.stage != series_stage::first) im.mount.reclaimed(f.made, 1);
        im.finish_when_freed(f, f.stage == series_stage::remove_created ? f.error : number);
        return;
    }
    switch (f.stage) {
    case series_stage::first:
        return number != 0 ? im.finish(f, number) : im.answer_first(f);
    case series_stage::open_created:
        if (number != 0) return im.remove_created(f, number);
        answer_open_created(f, p);
        return im.finish(f, 0);
    case series_stage::
        remove_created: // whatever became of it: the caller hears why the open failed
        im.give_back(f);
        return im.finish(f, f.error);
    }
}

void opmap::implementation::answer_first(frame& f) {
    const mapping& m = mapping_of(f.op.op());
    const int number = m.answer != nullptr ? m.answer(f, *f.parked) : 0;
    if (number != 0 || f.op.op() != wire::opcode::create) return finish(f, number);
    f.made = f.parked->req().args.make.made.node;
    open_created(f);
}

void opmap::implementation::open_created(frame& f) {
    if (!make_park(f, false)) {
        give_back(f);
        return finish(f, ENOMEM);
    }
    fill_open_created(f, *f.parked, f.made);
    f.stage = series_stage::open_created;
    mount.enqueue(*f.parked, caller_of(f));
}

void opmap::implementation::remove_created(frame& f, int number) {
    f.error = number;
    // A node that was known before is somebody else's file, whose create came first.
    const bool ours = mount.references_of(f.made) == 1;
    if (!ours || !make_park(f, false)) {
        give_back(f);
        return finish(f, number);
    }
    fill_remove_created(f, *f.parked);
    f.stage = series_stage::remove_created;
    mount.enqueue(*f.parked, caller_of(f));
}

// The kernel will not hear of what was created, so that it will never forget it.
void opmap::implementation::give_back(frame& f) {
    reclaim(f.made, 1, caller_of(f), false);
}

void opmap::implementation::leave_table(frame& f) {
    if (f.by_unique.is_linked()) {
        shard::table& flying = here().flying;
        flying.erase(flying.iterator_to(f));
    }
}

void opmap::implementation::finish(frame& f, int number) {
    leave_table(f);
    mount.msgmem_release(std::exchange(f.parked, nullptr));
    reply(f, number);
}

// The mount died while the request was with the server. A server of this process may still write into the frame's
// memory: the frame goes back, and with it the answer, when the server has let go of the park.
void opmap::implementation::finish_when_freed(frame& f, int number) {
    leave_table(f);
    f.error = number;
    f.parked->set_release_hook([](kmod::park& p) {
        frame& held = *static_cast<frame*>(p.owner);
        reply(held, held.error);
    });
    mount.msgmem_release(std::exchange(f.parked, nullptr));
}

void opmap::implementation::reply(frame& f, int number) {
    f.error = number;
    if (number != 0) {
        f.fixed_bytes = 0;
        f.payload_bytes = 0;
    }
    f.origin->reply(f);
}

opmap::opmap(kmod::puffs_mount& mount, const init_options& asked, init_hook on_init)
    : impl_(std::make_unique<implementation>(mount, asked, std::move(on_init))) {}

opmap::~opmap() = default;

namespace {

void begin(frame& f) {
    f.error = 0;
    f.fixed_bytes = 0;
    f.payload_bytes = 0;
    f.parked = nullptr;
    f.stage = series_stage::first;
    f.made = msg::cookie::none;
    f.interrupted = false;
}

} // namespace

void opmap::handle(frame& f) {
    begin(f);
    if (const result<void> good = decode(f.request, impl_->limits, f.op); !good) {
        impl_->refuse(f, good.error(), header_of(f.request));
        return;
    }
    impl_->handle(f);
}

void opmap::handle(frame& f, const wire::in_header& header, bytes fixed) {
    begin(f);
    if (const result<void> good = decode_parts(header, fixed, f.request, impl_->limits, f.op);
        !good) {
        impl_->refuse(f, good.error(), header);
        return;
    }
    impl_->handle(f);
}

void opmap::take_back(const frame& f) {
    impl_->take_back(f);
}

std::size_t opmap::in_flight() const {
    const std::unique_ptr<implementation::shard>& s = impl_->shards[ipi::cpu::current().id()];
    return s ? s->flying.size() : 0;
}

} // namespace puffs::fuse
