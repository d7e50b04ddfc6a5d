#include "stress/stack/kernel.hh"

#include "fuse/op_table.hh"
#include "puffs/ipi/send.hh"

#include <cstdio>
#include <fmt/format.h>
#include <utility>

namespace puffs::stress {

void findings::add(const std::string& what) {
    const std::lock_guard lock(mu_);
    if (++count_ <= kept_max) {
        text_ += what + "\n";
        std::fprintf(stderr, "finding: %s\n", what.c_str());
    }
}

bool findings::any() const {
    const std::lock_guard lock(mu_);
    return count_ != 0;
}

std::string findings::text() const {
    const std::lock_guard lock(mu_);
    return fmt::format("{} findings, the first of them:\n{}", count_, text_);
}

asked::asked(const std::vector<std::byte>& bytes_of_request)
    : header(*fuse::header_of(bytes_of_request)),
      wants_reply(fuse::row_of(header.opcode).flags.reply),
      memory(bytes_of_request.size() + room_bytes) {
    std::memcpy(memory.data(), bytes_of_request.data(), bytes_of_request.size());
    request = std::span(memory).first(bytes_of_request.size());
    payload = std::span(memory).subspan(bytes_of_request.size());
    fixed = fixed_room;
}

void kernel_channel::attach() {
    lwkt::core::current().attach(*this);
    attached_ = true;
}

void kernel_channel::submit(asked& r) {
    const ipi::crit_section crit;
    r.origin = this;
    r.at.store(asked::stage::queued, std::memory_order_relaxed);
    queue_.push_back(&r);
}

void kernel_channel::run_one() noexcept {
    asked* r = nullptr;
    {
        const ipi::crit_section crit;
        if (queue_.empty()) return; // another worker was faster
        r = queue_.front();
        queue_.pop_front();
    }
    r->at.store(asked::stage::read, std::memory_order_relaxed);
    frame_leaves();
    if (r->readable != nullptr) r->readable->store(r->header.unique, std::memory_order_release);
    map_.handle(*r);
}

void kernel_channel::check(bool ok, const asked& r, const char* what) {
    if (!ok) {
        findings_.add(fmt::format("{} (unique {}): {}", fuse::row_of(r.header.opcode).name,
                                  r.header.unique, what));
    }
}

void kernel_channel::come_back(asked& r) {
    check(ipi::cpu::current().id() == core_, r, "it came back on another core");
    check(r.at.load(std::memory_order_relaxed) == asked::stage::read, r, "it came back twice");
    r.at.store(asked::stage::over, std::memory_order_relaxed);
    frame_is_back();
    if (r.caller != nullptr) {
        bump(stats_.replies); // of those that somebody waits for: the watchdog's progress
        r.caller->wake();
    } else {
        std::atomic<std::uint64_t>& out = *r.out;
        delete &r;
        out.fetch_sub(1, std::memory_order_seq_cst);
    }
}

void kernel_channel::reply(fuse::frame& f) noexcept {
    asked& r = static_cast<asked&>(f);
    check(r.wants_reply, r, "a reply to a request that wants none");
    check(f.fixed_bytes == 0 || f.payload_bytes == 0, r, "a reply with both kinds of data");
    check(f.error == 0 || f.fixed_bytes + f.payload_bytes == 0, r, "data with an error");
    r.told.error = f.error;
    const fuse::bytes fixed_part = f.fixed.first(f.fixed_bytes);
    const fuse::bytes data = f.payload.first(f.payload_bytes);
    r.told.body.assign(fixed_part.begin(), fixed_part.end());
    r.told.body.insert(r.told.body.end(), data.begin(), data.end());
    const bool init = r.header.opcode == static_cast<std::uint32_t>(fuse::wire::opcode::init);
    if (f.error == 0 && !init && random_() % one_refused_in == 0) {
        r.told.refused = true;
        map_.take_back(f);
    }
    come_back(r);
}

void kernel_channel::drop(fuse::frame& f) noexcept {
    asked& r = static_cast<asked&>(f);
    check(!r.wants_reply, r, "dropped, though its caller waits for a reply");
    come_back(r);
}

} // namespace puffs::stress
