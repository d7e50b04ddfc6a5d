#include "puffs/kmod/msgif.hh"

#include "mount_state.hh"
#include "puffs/base/assert.hh"
#include "puffs/base/race_point.hh"
#include "puffs/ipi/send.hh"
#include "puffs/lwkt/thread.hh"

#include <csignal>
#include <optional>

namespace puffs::kmod {

namespace {

// The signals that may end a wait (T10), as a mask of those that may not.
constexpr std::uint64_t unimportant_signals() {
    std::uint64_t mask = ~std::uint64_t{0};
    for (const int number : {SIGINT, SIGTERM, SIGKILL, SIGHUP, SIGQUIT}) {
        mask &= ~(std::uint64_t{1} << (number - 1));
    }
    return mask;
}

// Blocks every signal but those for a scope (F21).
class masked_signals {
  public:
    explicit masked_signals(lwkt::thread& td) noexcept
        : td_(td), before_(td.set_signal_mask(~std::uint64_t{0})) {
        td_.set_signal_mask(before_ | unimportant_signals());
    }
    ~masked_signals() { td_.set_signal_mask(before_); }
    masked_signals(const masked_signals&) = delete;
    masked_signals& operator=(const masked_signals&) = delete;

  private:
    lwkt::thread& td_;
    const std::uint64_t before_;
};

// Somebody sleeps in the mount, which may not go meanwhile (U10). Made in the critical section in which it turns out
// that there is nothing to do but to sleep: the end of that section may run somebody else, who unmounts.
class user {
  public:
    explicit user(shard& s) noexcept : s_(s) { s_.enter_user(); }
    ~user() { s_.leave_user(); }
    user(const user&) = delete;
    user& operator=(const user&) = delete;

  private:
    shard& s_;
};

} // namespace

shard& puffs_mount::here() const noexcept {
    return impl_->of(ipi::cpu::current().id());
}

park* puffs_mount::msgmem_alloc(bool cansleep) {
    PUFFS_ASSERT(!cansleep || (lwkt::thread::current_or_null() != nullptr &&
                               ipi::cpu::current().intr_nest() == 0),
                 "a park is waited for where sleeping is forbidden");
    shard& s = here();
    for (;;) {
        std::optional<user> u;
        std::uint64_t generation = 0;
        {
            const ipi::crit_section crit;
            if (park* const p = s.take_free(); p != nullptr || !cansleep) {
                return p;
            }
            generation = s.free_waiters.generation();
            ++s.free_waiters_count;
            u.emplace(s);
            PUFFS_RACE_POINT("msgif: about to sleep");
        }
        s.free_waiters.block(generation);
        PUFFS_RACE_POINT("msgif: slept");
        --s.free_waiters_count;
    }
}

void puffs_mount::msgmem_release(park* p) {
    if (p == nullptr) {
        return;
    }
    const ipi::crit_section crit;
    impl_->of(p->home_).drop(*p);
}

void puffs_mount::enqueue(park& p, const msg::caller& who) {
    shard& s = impl_->of(p.home_);
    {
        const ipi::crit_section crit;
        if (!s.enqueue(p, who)) {
            return;
        }
    }
    PUFFS_RACE_POINT("msgif enqueued");
    if (transport* const t = impl_->peer.load(std::memory_order_acquire); t != nullptr) {
        t->notify(s.home());
    }
}

int puffs_mount::wait(park& p) {
    if ((p.flags_ & (park_done | park_haserror)) != 0) {
        return p.rv_;
    }
    if ((p.flags_ & park_wantreply) == 0 || (p.flags_ & park_call) != 0) {
        return 0;
    }
    shard& s = impl_->of(p.home_);
    lwkt::thread& td = lwkt::thread::current();
    const masked_signals mask(td);
    const user u(s);
    PUFFS_ASSERT(p.waiter_ == nullptr, "two threads wait for one park");
    p.waiter_ = &td;
    int rv = 0;
    for (;;) {
        td.arm();
        {
            const ipi::crit_section crit;
            if ((p.flags_ & park_done) != 0) { // first: a reply wins against a signal (F24)
                rv = p.rv_;
                break;
            }
            if (td.pending_signal() != 0) {
                s.leave(p);
                rv = EINTR;
                break;
            }
        }
        td.sleep(sleep_flags::catch_signals);
    }
    td.disarm();
    p.waiter_ = nullptr;
    return rv;
}

int puffs_mount::wait2(park& p, std::uint32_t& setbacks) {
    const int rv = wait(p);
    setbacks = p.answered_ && (p.flags_ & park_done) != 0 ? p.req_.head.setbacks : 0;
    return rv;
}

bool puffs_mount::interrupt(park& p) {
    shard& s = impl_->of(p.home_);
    bool taken_back = false;
    {
        const ipi::crit_section crit;
        taken_back = s.interrupt(p);
    }
    s.settle();
    return taken_back;
}

result<msg::frame> puffs_mount::getout(std::size_t maxsize, bool nonblock) {
    shard& s = here();
    for (;;) {
        std::optional<user> u;
        std::uint64_t generation = s.getters.generation();
        {
            const ipi::crit_section crit;
            if (impl_->peer.load(std::memory_order_acquire) == nullptr) {
                return fail(ENOENT);
            }
            if (!impl_->running()) {
                return fail(ENXIO);
            }
            if (s.waitcount() != 0 || nonblock) {
                return s.getout(maxsize);
            }
            ++s.getters_count;
            u.emplace(s);
            PUFFS_RACE_POINT("msgif: about to sleep");
        }
        const int e = s.getters.block(generation, sleep_flags::catch_signals);
        PUFFS_RACE_POINT("msgif: slept");
        --s.getters_count;
        if (e != 0) {
            return fail(e);
        }
    }
}

void puffs_mount::releaseout(msg::delivery& handle, int status) {
    PUFFS_ASSERT(status >= 0 && status <= msg::errno_max, "a frame is released with no errno");
    park& p = shard::park_of(handle);
    shard& s = impl_->of(p.home_);
    {
        const ipi::crit_section crit;
        s.releaseout(p, status);
    }
    s.settle();
}

std::size_t puffs_mount::waitcount() const {
    return here().waitcount();
}

msgport::port& puffs_mount::reply_port() noexcept {
    return impl_->replies;
}

const mount_counters& puffs_mount::counters_of(core_id c) const {
    return impl_->of(c).counters();
}

void puffs_mount::keep_times() {
    for (const auto& s : impl_->shards) {
        s->statistics().keep_times();
    }
}

const operation_statistics& puffs_mount::statistics_of(core_id c) const {
    return impl_->of(c).statistics();
}

double puffs_mount::ns_per_tick() const {
    return impl_->rate.ns_per_tick();
}

std::size_t puffs_mount::totalpark() const {
    std::size_t n = 0;
    for (const auto& s : impl_->shards) {
        n += s->live();
    }
    return n;
}

void puffs_mount::dump(std::string& out) const {
    const ipi::crit_section crit;
    here().dump(out);
}

void puffs_mount::reclaimed(msg::cookie node, std::uint64_t nlookup) noexcept {
    impl_->nodes.give_back(node, nlookup);
}

bool puffs_mount::is_live(msg::cookie node) const noexcept {
    return node == msg::cookie::root || impl_->nodes.count_of(node) != 0;
}

std::uint32_t puffs_mount::references_of(msg::cookie node) const noexcept {
    return impl_->nodes.count_of(node);
}

std::size_t puffs_mount::live_nodes() const noexcept {
    return impl_->nodes.live();
}

} // namespace puffs::kmod
