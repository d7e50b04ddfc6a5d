#include "puffs/kmod/wire_translation.hh"

#include "puffs/base/assert.hh"
#include "shard.hh"

#include <algorithm>
#include <cstring>
#include <limits>

namespace puffs::kmod {

wire_translation::wire_translation(std::span<const translated_operation> operations)
    : operations_(operations) {
    constexpr auto whole = static_cast<std::ptrdiff_t>(sizeof(msg::request));
    for (const translated_operation& o : operations_) {
        const auto opclass = static_cast<std::uint32_t>(o.opclass);
        PUFFS_ASSERT(o.opclass == msg::opclass::vn || o.opclass == msg::opclass::vfs,
                     "a translation of what is no request");
        PUFFS_ASSERT(o.to_old != nullptr && o.to_new != nullptr, "a translation one way only");
        PUFFS_ASSERT(o.delta_bytes >= static_cast<std::ptrdiff_t>(sizeof(msg::header)) - whole &&
                         o.delta_bytes <= static_cast<std::ptrdiff_t>(twin_bytes_max) - whole,
                     "a twin that is shorter than a header or too long");
        PUFFS_ASSERT(find(opclass, o.optype) == &o, "an operation is translated in two ways");
        longest_twin_bytes_ = std::max(longest_twin_bytes_, o.twin_bytes());
    }
}

const translated_operation* wire_translation::find(std::uint32_t opclass,
                                                   std::uint32_t optype) const noexcept {
    const auto row = std::ranges::find_if(operations_, [&](const translated_operation& o) {
        return static_cast<std::uint32_t>(o.opclass) == opclass && o.optype == optype;
    });
    return row == operations_.end() ? nullptr : &*row;
}

// ---- twins

namespace {

constexpr std::size_t alignment = alignof(std::max_align_t);

// Copies the bytes of a frame from `from` on. They lie in two pieces: what fits a request, and the rest.
void copy_from_frame(const msg::request& r, std::span<const std::byte> rest, std::size_t from,
                     std::span<std::byte> to) {
    const auto front = std::as_bytes(std::span(&r, 1));
    const std::size_t begin = std::min(from, front.size());
    const auto first = front.subspan(begin, std::min(front.size() - begin, to.size()));
    std::ranges::copy(first, to.begin());
    const auto second = rest.subspan(from - begin, to.size() - first.size());
    std::ranges::copy(second, to.subspan(first.size()).begin());
}

} // namespace

std::size_t shard::twin_stride() const noexcept {
    return (older_->longest_twin_bytes() + alignment - 1) / alignment * alignment;
}

std::span<std::byte> shard::twin_of(const park& p) const noexcept {
    std::byte* const chunk = twins_[p.slot_ / chunk_parks].get();
    return {chunk + p.slot_ % chunk_parks * twin_stride(), p.older_->twin_bytes()};
}

bool shard::make_twin(park& p) {
    p.older_ = older_->find(p.req_.head.opclass & msg::opclass_mask, p.req_.head.optype);
    if (p.older_ == nullptr) {
        return true;
    }
    const std::span<std::byte> twin = twin_of(p);
    std::ranges::fill(twin, std::byte{}); // nothing of an earlier request reaches the server
    const auto said = p.older_->to_old(p.req_.args, twin.subspan(sizeof(msg::header)));
    if (!said) {
        fail_early(p, errno_of(said));
    }
    return said.has_value();
}

msg::frame shard::frame_of(park& p) const noexcept {
    if (p.older_ == nullptr) {
        return {&p.delivery_, p.copylen_, std::as_bytes(std::span(&p.req_, 1))};
    }
    const std::span<std::byte> twin = twin_of(p);
    msg::header head = p.req_.head;
    head.buflen = p.maxlen_ - sizeof(msg::request) + twin.size();
    std::memcpy(twin.data(), &head, sizeof head);
    return {&p.delivery_, p.copylen_ - std::min(p.copylen_, sizeof(msg::request)) + twin.size(),
            twin};
}

void shard::reply_in_older(park& p, const msg::request& r, std::span<const std::byte> rest,
                           std::size_t length) {
    const int rv = r.head.rv;
    const bool to_another = (r.head.opclass & msg::opclass_mask) != p.asked_.opclass ||
                            r.head.optype != p.asked_.optype;
    if (to_another || rest.size() != length - std::min(length, sizeof r)) {
        reply(p, r, rest, length, rv); // refused there
        return;
    }
    const std::span<std::byte> twin = twin_of(p);
    const std::size_t fixed = std::min(length, twin.size());
    const std::span<std::byte> room = p.delivery_.data.out;
    const std::size_t carried = length - fixed;
    const bool fits = carried <= room.size();
    copy_from_frame(r, rest, 0, twin.first(fixed));
    p.req_.head.setbacks = r.head.setbacks;
    if (rv == 0 && fits) {
        copy_from_frame(r, rest, fixed, room.first(carried));
        p.older_->to_new(twin.subspan(sizeof(msg::header)), p.req_.args);
    }
    // From here it is as if the server had written into the park itself.
    reply(p, p.req_, room.first(fits ? carried : 0),
          fits ? sizeof(msg::request) + carried : std::numeric_limits<std::size_t>::max(), rv);
}

} // namespace puffs::kmod
