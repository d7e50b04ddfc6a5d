// The life of a mount: its status, the death of its server, unmounting (U9-U13).
#include "mount_state.hh"
#include "puffs/base/assert.hh"
#include "puffs/ipi/send.hh"
#include "puffs/lwkt/run_on.hh"

namespace puffs::kmod {

puffs_mount::implementation::implementation(puffs_mount& m, ipi::domain& d,
                                            const wire_translation* older_layout)
    : self(m), domain(d), older(older_layout), replies("puffs replies", shard::returned, this) {
    shards.reserve(d.size());
    for (core_id c = 0; c < d.size(); ++c) {
        shards.push_back(std::make_unique<shard>(m, c, older));
    }
}

puffs_mount::puffs_mount(ipi::domain& domain, const wire_translation* older)
    : impl_(std::make_unique<implementation>(*this, domain, older)) {}

puffs_mount::~puffs_mount() {
    PUFFS_ASSERT(impl_->peer.load(std::memory_order_acquire) == nullptr,
                 "a mount is destroyed with its transport attached");
}

mount_status puffs_mount::status() const noexcept {
    return impl_->status.load(std::memory_order_acquire);
}

void puffs_mount::set_mounting() {
    auto expected = mount_status::before_init;
    const bool moved = impl_->status.compare_exchange_strong(
        expected, mount_status::mounting, std::memory_order_acq_rel, std::memory_order_acquire);
    PUFFS_ASSERT(moved || expected == mount_status::dying, "a mount is mounted twice");
}

void puffs_mount::set_running() {
    auto expected = mount_status::mounting;
    const bool moved = impl_->status.compare_exchange_strong(
        expected, mount_status::running, std::memory_order_acq_rel, std::memory_order_acquire);
    PUFFS_ASSERT(moved || expected == mount_status::dying, "a mount runs that was not mounting");
}

void puffs_mount::attach(transport& t) {
    PUFFS_ASSERT(!impl_->was_attached.exchange(true, std::memory_order_relaxed),
                 "a mount is attached to a second transport");
    impl_->peer.store(&t, std::memory_order_release);
}

void puffs_mount::detach() noexcept {
    for (const auto& s : impl_->shards) {
        PUFFS_ASSERT(s->taken() == 0, "a transport is detached while a frame is out");
    }
    impl_->peer.store(nullptr, std::memory_order_release);
}

void puffs_mount::userdead() {
    if (ipi::cpu::current_or_null() == nullptr) {
        lwkt::run_on(
            static_cast<lwkt::core&>(impl_->domain.at(0)), [this] { userdead(); },
            "puffs_userdead");
        return;
    }
    PUFFS_ASSERT(ipi::cpu::current().intr_nest() == 0,
                 "userdead waits, which an IPI handler must not");
    impl_->status.store(mount_status::dying, std::memory_order_release);
    const ipi::crit_section crit;
    ipi::sync_message m;
    m.function = [](void* arg) { static_cast<puffs_mount*>(arg)->here().die(); };
    m.arg = this;
    ipi::multicast(m, impl_->domain.all());
    ipi::wait(m);
}

namespace {

// What the server says to being unmounted.
int ask_to_unmount(puffs_mount& m, bool force) {
    park* const p = m.msgmem_alloc(true);
    p->setinfo(msg::opclass::vfs, static_cast<std::uint32_t>(msg::vfs_op::unmount),
               msg::cookie::none);
    p->req().args.unmount = {.force = force ? 1U : 0U};
    m.enqueue(*p, {});
    const int rv = m.wait(*p);
    m.msgmem_release(p);
    return rv;
}

} // namespace

result<void> puffs_mount::unmount(bool force) {
    if (impl_->unmounting.exchange(true, std::memory_order_acq_rel)) {
        return fail(EBUSY);
    }
    int rv = 0;
    if (status() != mount_status::dying) {
        rv = ask_to_unmount(*this, force);
    }
    const bool goes = rv == 0 || force || status() == mount_status::dying;
    if (goes) {
        userdead();
        for (;;) {
            std::uint64_t generation = impl_->users_left.generation();
            unsigned users = 0;
            for (const auto& s : impl_->shards) {
                users += s->users();
            }
            if (users == 0) {
                break;
            }
            impl_->users_left.block(generation);
        }
    }
    impl_->unmounting.store(false, std::memory_order_release);
    impl_->unmount_over.signal();
    return goes ? result<void>{} : fail(rv);
}

void puffs_mount::close() {
    if (ipi::cpu::current_or_null() == nullptr) {
        lwkt::run_on(
            static_cast<lwkt::core&>(impl_->domain.at(0)), [this] { close(); }, "puffs_close");
        return;
    }
    userdead();
    std::uint64_t generation = impl_->unmount_over.generation();
    while (impl_->unmounting.load(std::memory_order_acquire)) {
        impl_->unmount_over.block(generation);
    }
}

} // namespace puffs::kmod
