#include "shard.hh"

#include "checks.hh"
#include "mount_state.hh"
#include "puffs/base/assert.hh"
#include "puffs/lwkt/thread.hh"

#include <cstring>
#include <new>
#include <utility>

namespace puffs::kmod {

namespace {

constexpr unsigned slot_bits = 24;
constexpr unsigned core_shift = 56;

constexpr std::uint64_t make_id(core_id core, std::uint32_t generation, std::uint32_t slot) {
    return std::uint64_t{core} << core_shift | std::uint64_t{generation} << slot_bits | slot;
}

// Never 0, so that no id is (F14).
constexpr std::uint32_t generation_after(std::uint32_t g) {
    return g == ~std::uint32_t{0} ? 1 : g + 1;
}
static_assert(make_id(0, generation_after(0), 0) != 0);
static_assert(make_id(0, generation_after(~std::uint32_t{0}), 0) != 0);

bool signal_pending() {
    const lwkt::thread* const td = lwkt::thread::current_or_null();
    return td != nullptr && td->pending_signal() != 0;
}

// Requests that must reach the server even if their caller is being killed: it would keep the node for ever (F18).
bool must_be_sent(const msg::header& h) {
    if ((h.opclass & msg::opclass_mask) != static_cast<std::uint32_t>(msg::opclass::vn)) {
        return false;
    }
    return h.optype == static_cast<std::uint32_t>(msg::vn_op::inactive) ||
           h.optype == static_cast<std::uint32_t>(msg::vn_op::reclaim);
}

} // namespace

shard::shard(puffs_mount& m, core_id home, const wire_translation* older)
    : mount_(m), home_(home), older_(older) {}

shard::~shard() {
    PUFFS_ASSERT(live() == 0, "a mount is destroyed while parks are out");
    PUFFS_ASSERT(users() == 0, "a mount is destroyed while somebody waits in it");
    free_.clear();
}

park& shard::park_of(msg::delivery& d) noexcept {
    return *boost::intrusive::get_parent_from_member(&d, &park::delivery_);
}

shard* puffs_mount::implementation::home_of(std::uint64_t id) noexcept {
    const std::size_t core = id >> core_shift;
    return core < shards.size() ? shards[core].get() : nullptr;
}

// ---- pool

bool shard::grow() noexcept {
    if (slots_ == limits::parks_per_core) {
        return false;
    }
    auto& chunk = chunks_[slots_ / chunk_parks];
    chunk.reset(new (std::nothrow) park[chunk_parks]);
    if (chunk == nullptr) {
        return false;
    }
    if (older_ != nullptr) {
        auto& twins = twins_[slots_ / chunk_parks];
        twins.reset(new (std::nothrow) std::byte[chunk_parks * twin_stride()]);
        if (twins == nullptr) {
            chunk.reset();
            return false;
        }
    }
    for (std::size_t i = 0; i < chunk_parks; ++i) {
        park& p = chunk[i];
        p.home_ = home_;
        p.slot_ = static_cast<std::uint32_t>(slots_ + i);
        p.mount_ = &mount_;
        p.delivery_.req = &p.req_;
        p.delivery_.init(mount_.reply_port());
        free_.push_back(p);
    }
    slots_ += chunk_parks;
    return true;
}

park* shard::take_free() noexcept {
    if (free_.empty() && !grow()) {
        return nullptr;
    }
    park& p = free_.front();
    free_.pop_front();
    p.req_ = msg::request{};
    std::memset(static_cast<void*>(&p.req_.args), 0, sizeof p.req_.args);
    p.set_runs({}, {});
    p.flags_ = park_wantreply;
    p.refs_ = 1;
    p.rv_ = 0;
    p.answered_ = false;
    p.reply_out_bytes_ = 0;
    p.enqueued_ = 0;
    p.release_hook_ = nullptr;
    p.owner = nullptr;
    live_.store(live_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    return &p;
}

void shard::put_back(park& p) noexcept {
    PUFFS_ASSERT((p.flags_ & (park_onqueue1 | park_onqueue2)) == 0 && !p.taken_,
                 "the last reference of a park is dropped while it is in flight");
    if (p.release_hook_ != nullptr) {
        p.release_hook_(p);
    }
    live_.store(live_.load(std::memory_order_relaxed) - 1, std::memory_order_release);
    free_.push_front(p);
    if (free_waiters_count != 0) {
        free_waiters.signal(1);
    }
}

// ---- the caller's side

void shard::fill_header(park& p, const msg::caller& who, bool wants_reply) noexcept {
    msg::header& h = p.req_.head;
    h.buflen = p.maxlen_;
    h.rv = 0;
    h.setbacks = 0;
    h.who = who;
    h.lid = static_cast<std::uint32_t>(
        reinterpret_cast<std::uintptr_t>(lwkt::thread::current_or_null()) >> 6);
    h.opclass &= msg::opclass_mask;
    if (!wants_reply) {
        h.opclass |= msg::opclass_faf;
        return;
    }
    p.generation_ = generation_after(p.generation_);
    h.id = make_id(home_, p.generation_, p.slot_);
    question& q = p.asked_;
    q.id = h.id;
    q.node = h.node;
    q.opclass = h.opclass;
    q.optype = h.optype;
    if (h.opclass == static_cast<std::uint32_t>(msg::opclass::vn)) {
        remember_arguments(q, p.req_.args);
    }
}

bool shard::enqueue(park& p, const msg::caller& who) {
    assert_mine(p);
    PUFFS_ASSERT((p.flags_ & (park_onqueue1 | park_onqueue2)) == 0 && !p.taken_,
                 "a park is enqueued while it is in flight");
    PUFFS_ASSERT((p.flags_ & park_waitergone) == 0, "a park is reused after its waiter left");
    PUFFS_ASSERT(p.req_.head.id == 0, "a park is enqueued with an id");
    p.flags_ &= ~std::uint32_t{park_done | park_haserror};
    p.rv_ = 0;
    p.answered_ = false;
    p.reply_out_bytes_ = 0;

    const bool interruptible = (p.flags_ & park_wantreply) != 0 && (p.flags_ & park_call) == 0;
    const bool interrupted = interruptible && signal_pending();
    if (interrupted && !must_be_sent(p.req_.head)) {
        bump(counters_.interrupted);
        fail_early(p, EINTR);
        return false;
    }
    if (!mount_.impl_->running()) {
        fail_early(p, ENXIO);
        return false;
    }
    if (interrupted) { // it goes without its caller
        bump(counters_.interrupted);
        p.flags_ = (p.flags_ & ~std::uint32_t{park_wantreply}) | park_haserror;
        p.rv_ = EINTR;
    }
    if (older_ != nullptr && !make_twin(p)) [[unlikely]] {
        return false;
    }
    fill_header(p, who, (p.flags_ & park_wantreply) != 0);
    bump((p.flags_ & park_wantreply) != 0 ? counters_.enqueued : counters_.faf);
    p.kind_ = kind_of(p.req_.head.opclass, p.req_.head.optype);
    p.enqueued_ = read_ticks();
    touser_.push_back(p);
    ++touser_count_;
    p.flags_ |= park_onqueue1;
    ++p.refs_;
    if (getters_count != 0) {
        getters.signal(); // all: the one who wakes first may find it too long (F20)
    }
    if (in_callback_) {
        put_off_ = true;
        return false;
    }
    return true;
}

// N to E: nobody but the caller knows of it.
void shard::fail_early(park& p, int rv) {
    p.flags_ |= park_haserror;
    p.rv_ = rv;
    if ((p.flags_ & park_call) != 0) {
        ++p.refs_;
        call_back(p, rv);
        drop(p);
    }
}

void shard::leave(park& p) {
    assert_mine(p);
    PUFFS_ASSERT((p.flags_ & park_done) == 0, "a waiter leaves a park that is done");
    p.flags_ |= park_waitergone;
    bump(counters_.interrupted);
    if ((p.flags_ & park_onqueue1) != 0) { // the server never saw it (F25)
        unlink_touser(p);
        statistics_.ended(p.kind_, EINTR);
        drop(p);
    }
}

bool shard::interrupt(park& p) {
    assert_mine(p);
    PUFFS_ASSERT((p.flags_ & park_call) != 0,
                 "a park that does not call back has its waiter interrupted");
    if ((p.flags_ & park_onqueue1) == 0) {
        return false;
    }
    bump(counters_.interrupted);
    unlink_touser(p);
    finish(p, EINTR);
    return true;
}

void shard::unlink_touser(park& p) noexcept {
    touser_.erase(touser_.iterator_to(p));
    --touser_count_;
    p.flags_ &= ~std::uint32_t{park_onqueue1};
}

// ---- the transport's side

result<msg::frame> shard::getout(std::size_t maxsize) {
    if (touser_.empty()) {
        return puffs::fail(EWOULDBLOCK);
    }
    park& p = touser_.front();
    assert_mine(p);
    PUFFS_ASSERT((p.flags_ & park_waitergone) == 0, "a waiter left its park on touser");
    const msg::frame out = frame_of(p);
    if (out.length > maxsize) {
        return puffs::fail(E2BIG);
    }
    unlink_touser(p);
    p.taken_ = true;
    taken_.store(taken_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    ++p.refs_;
    p.delivery_.began = statistics_.timed() ? read_ticks() : 0;
    return out;
}

void shard::releaseout(park& p, int status) {
    assert_mine(p);
    PUFFS_ASSERT(p.taken_, "a frame is released that was not got out");
    p.taken_ = false;
    taken_.store(taken_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
    if ((p.flags_ & park_wantreply) == 0) {
        statistics_.ended(p.kind_, status);
        drop(p, 2);
        return;
    }
    if (status == 0 && mount_.impl_->running()) {
        p.flags_ |= park_onqueue2;
        drop(p);
        return;
    }
    finish(p, status != 0 ? status : ENXIO);
    drop(p);
}

park* shard::find(std::uint64_t id) const noexcept {
    const std::size_t slot = id & ((1U << slot_bits) - 1);
    if (slot >= slots_) {
        return nullptr;
    }
    park& p = at(slot);
    return (p.flags_ & park_onqueue2) != 0 && p.asked_.id == id ? &p : nullptr;
}

// ---- ends

void shard::call_back(park& p, int rv) {
    const bool nested = std::exchange(in_callback_, true);
    p.call_(p, rv, p.call_arg_);
    in_callback_ = nested;
}

void shard::finish(park& p, int rv) {
    statistics_.ended(p.kind_, rv);
    if ((p.flags_ & park_waitergone) == 0 && (p.flags_ & park_wantreply) != 0) {
        p.flags_ |= park_done;
        p.rv_ = rv;
        if ((p.flags_ & park_call) != 0) {
            call_back(p, rv);
        } else if (p.waiter_ != nullptr) {
            p.waiter_->wake();
        }
    }
    drop(p);
}

void shard::die() {
    while (!touser_.empty()) {
        park& p = touser_.front();
        unlink_touser(p);
        bump(counters_.died);
        finish(p, ENXIO);
    }
    for (std::size_t slot = 0; slot < slots_; ++slot) {
        park& p = at(slot);
        if ((p.flags_ & park_onqueue2) != 0) {
            p.flags_ &= ~std::uint32_t{park_onqueue2};
            bump(counters_.died);
            finish(p, ENXIO);
        }
    }
    if (getters_count != 0) {
        getters.signal();
    }
}

void shard::settle() {
    if (in_callback_ || !std::exchange(put_off_, false)) {
        return;
    }
    if (transport* const t = mount_.impl_->peer.load(std::memory_order_acquire); t != nullptr) {
        t->notify(home_);
    }
}

void shard::enter_user() noexcept {
    users_.store(users_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

void shard::leave_user() noexcept {
    const unsigned left = users_.load(std::memory_order_relaxed) - 1;
    users_.store(left, std::memory_order_release);
    if (left == 0 && mount_.status() == mount_status::dying) {
        mount_.impl_->users_left.signal();
    }
}

} // namespace puffs::kmod
