// The transport to a server in this process: the park is the message, nothing is copied (H6).
#include "mount_state.hh"
#include "puffs/base/assert.hh"
#include "puffs/base/log.hh"
#include "puffs/ipi/send.hh"
#include "puffs/lwkt/sched.hh"
#include "puffs/msgport/port.hh"

#include <limits>

namespace puffs::kmod {

// Q1 to Q2, or to T when nobody wants a reply: what getout and releaseout do, without the moment between them, in which
// nobody could come. Null: nothing is there. The park gets a reference for the loop and one for the server.
park* shard::take_for_server() noexcept {
    if (touser_.empty() || !mount_.impl_->running()) {
        put_off_ = false; // callbacks may have asked for this very call
        return nullptr;
    }
    park& p = touser_.front();
    assert_mine(p);
    PUFFS_ASSERT((p.flags_ & park_waitergone) == 0, "a waiter left its park on touser");
    unlink_touser(p);
    p.refs_ += 2;
    if ((p.flags_ & park_wantreply) != 0) {
        p.flags_ |= park_onqueue2;
    } else {
        p.taken_ = true;
        taken_.store(taken_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
    return &p;
}

void shard::drain(inproc_transport& transport, msgport::port& to) {
    lwkt::thread* const me = lwkt::thread::current_or_null();
    for (park* p = nullptr;;) {
        {
            const ipi::crit_section crit;
            if (p != nullptr) {
                if (p->drainer_ == me) {
                    p->drainer_ = nullptr;
                }
                drop(*p);
            }
            p = take_for_server();
            if (p == nullptr) {
                return;
            }
            p->drainer_ = me;
            if (statistics_.timed()) {
                p->delivery_.began = read_ticks();
            }
        }
        // The server may block in this one; the others must not wait for it.
        if (touser_count_ != 0) {
            transport.start_drain(home_);
        }
        msgport::sendmsg(to, p->delivery_);
    }
}

void shard::returned(msgport::port& self, msgport::msg& m) {
    auto& state = *static_cast<puffs_mount::implementation*>(
        static_cast<msgport::replyonly_port&>(self).context());
    park& p = park_of(static_cast<msg::delivery&>(m));
    if (p.delivery_.began != 0) {
        p.delivery_.ended = read_ticks();
    }
    shard& home = state.of(p.home_);
    const ipi::cpu* const here = ipi::cpu::current_or_null();
    if (here != nullptr && here->id() == p.home_) {
        home.arrive(p);
        return;
    }
    p.post_.function = [](void* arg, std::intptr_t) {
        auto& late = *static_cast<park*>(arg);
        late.mount_->impl_->of(late.home_).arrive(late);
    };
    p.post_.arg = &p;
    ipi::post_from_thread(state.domain.at(p.home_), p.post_);
}

shard::times shard::times_of(const park& p) const noexcept {
    if (!statistics_.timed()) {
        return {};
    }
    return {p.enqueued_, p.delivery_.began, p.delivery_.ended, p.kind_};
}

void shard::keep(const times& t, bool replied) noexcept {
    if (t.began == 0) {
        return;
    }
    operation_times& of_kind = statistics_.times(t.kind);
    of_kind.queued.add(elapsed(t.enqueued, t.began));
    of_kind.run.add(elapsed(t.began, t.ended));
    if (replied) {
        of_kind.reply.add(elapsed(t.ended, read_ticks()));
    }
}

void shard::arrive(park& p) {
    bool inside_put = false;
    {
        const ipi::crit_section crit;
        inside_put = p.drainer_ != nullptr && p.drainer_ == lwkt::thread::current_or_null();
        const times t = times_of(p);
        const int rv = p.delivery_.error != 0 ? p.delivery_.error : p.req_.head.rv;
        if (p.taken_) { // fire and forget: the server has let go of it
            keep(t, false);
            releaseout(p, (p.flags_ & park_wantreply) != 0 ? 0 : rv);
        } else {
            if ((p.flags_ & park_onqueue2) != 0) {
                // With an error nothing is used, and the message may say what an earlier request has left in it.
                const std::uint64_t used = rv != 0 ? 0 : p.delivery_.result.u64;
                const std::size_t room = p.delivery_.data.out.size();
                const bool fits = used <= room;
                reply(p, p.req_, p.delivery_.data.out.first(fits ? used : 0),
                      fits ? sizeof(msg::request) + used : std::numeric_limits<std::size_t>::max(),
                      rv);
                keep(t, true);
            }
            // The message's; ended by userdead meanwhile if it was on no queue. Inside the put the loop still has its
            // own.
            if (inside_put) {
                --p.refs_;
            } else {
                drop(p);
            }
        }
    }
    if (!inside_put) {
        settle();
    }
}

inproc_transport::inproc_transport(puffs_mount& m, std::vector<msgport::port*> ports)
    : mount_(m), ports_(std::move(ports)), lanes_(ports_.size()) {
    PUFFS_ASSERT(ports_.size() == m.impl_->shards.size(), "a port is missing for some core");
    PUFFS_ASSERT(m.impl_->older == nullptr, "a server in this process reads parks, not twins");
    for (lane& l : lanes_) {
        l.transport = this;
    }
    m.attach(*this);
}

inproc_transport::~inproc_transport() {
    mount_.detach();
}

void inproc_transport::notify(core_id core) {
    if (lwkt::thread::current_or_null() == nullptr || ipi::cpu::current().intr_nest() > 0) {
        drain_later(core);
        return;
    }
    mount_.impl_->of(core).drain(*this, *ports_[core]);
}

bool inproc_transport::start_drain(core_id core) {
    lane& l = lanes_[core];
    if (!l.scheduled) {
        l.scheduled = lwkt::create(drain_thread, &l, "puffs_drain").has_value();
    }
    return l.scheduled;
}

void inproc_transport::drain_later(core_id core) {
    if (start_drain(core)) {
        return;
    }
    shard& s = mount_.impl_->of(core); // no memory for a thread: nobody else would take them out
    const ipi::crit_section crit;
    while (auto frame = mount_.getout(std::numeric_limits<std::size_t>::max(), true)) {
        s.releaseout(shard::park_of(*frame->handle), ENOMEM);
    }
}

void inproc_transport::drain_thread(void* lane_address) {
    lane& l = *static_cast<lane*>(lane_address);
    inproc_transport& t = *l.transport;
    const core_id core = ipi::cpu::current().id();
    l.scheduled = false;
    t.mount_.impl_->of(core).drain(t, *t.ports_[core]);
}

void inproc_transport::respond(const msg::request& r, std::string_view text) {
    PUFFS_LOG(warn, "reply of the file server refused: {} (operation {}, errno {}, node {:#x})",
              text, r.head.optype, r.head.rv, static_cast<std::uint64_t>(r.head.node));
}

} // namespace puffs::kmod
