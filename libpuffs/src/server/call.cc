#include "call.hh"

#include "homes.hh"
#include "puffs/base/log.hh"
#include "puffs/msg/dirent.hh"

#include <algorithm>
#include <exception>
#include <limits>

namespace puffs {

std::unexpected<error> nonsense(const call& c, const char* what) {
    PUFFS_LOG(err, "{} on node {}: {}: answering eproto", msg::name_of(c.req.head),
              c.n ? c.n->id() : 0, what);
    return fail(EPROTO);
}

std::string printable(std::string_view text) {
    std::string clean(text);
    for (char& c : clean) {
        const auto byte = static_cast<unsigned char>(c);
        c = byte < 0x20 || byte == 0x7f ? '?' : c;
    }
    return clean;
}

std::string what_was_thrown() {
    try {
        throw;
    } catch (const std::exception& e) {
        return printable(e.what());
    } catch (...) {
        return "something that is no std::exception";
    }
}

result<std::span<const std::byte>> call::take_bytes(std::size_t count) noexcept {
    if (count > in.size()) {
        return fail(EINVAL);
    }
    const auto taken = in.first(count);
    in = in.subspan(count);
    return taken;
}

result<std::string_view> call::take_chars(std::size_t count) noexcept {
    const auto bytes = take_bytes(count);
    if (!bytes) {
        return fail(bytes.error());
    }
    const std::string_view chars(reinterpret_cast<const char*>(bytes->data()), bytes->size());
    if (chars.find('\0') != std::string_view::npos) {
        return fail(EINVAL);
    }
    return chars;
}

result<std::string_view> call::take_name(std::size_t count) noexcept {
    if (count > limits::name_bytes) {
        return fail(ENAMETOOLONG);
    }
    const auto name = take_chars(count);
    if (!name) {
        return name;
    }
    if (name->empty() || *name == "." || *name == ".." ||
        name->find('/') != std::string_view::npos) {
        return fail(EINVAL);
    }
    return name;
}

std::span<std::byte> call::room(std::size_t size) const noexcept {
    return data.out.first(std::min(size, data.out.size()));
}

msg::ttl call::ttl_of(std::chrono::nanoseconds d) noexcept {
    if (d <= std::chrono::nanoseconds::zero()) {
        return {};
    }
    const auto s = std::chrono::duration_cast<std::chrono::seconds>(d);
    return {static_cast<std::uint64_t>(s.count()), static_cast<std::uint32_t>((d - s).count())};
}

result<void> call::complete(node& node_, attr& va) const {
    constexpr std::uint32_t type_bits = mode_of(static_cast<vtype>(0xf));
    const vtype known = node_.type();
    if ((va.mode & type_bits) == 0) {
        va.mode |= mode_of(known);
    }
    const vtype said = msg::vtype_of(va.mode);
    if (!msg::is_node_type(said)) {
        return nonsense(*this, "the server says no type for the node");
    }
    if (known == vtype::none) {
        node_.type_.store(said, std::memory_order_relaxed);
    } else if (said != known) {
        return nonsense(*this, "the server says another type for the node than before");
    }
    // The kernel half would refuse these after the lookup was counted, which nobody gives back then.
    constexpr std::uint32_t second_ns = 1'000'000'000;
    if (va.size > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) ||
        va.atime.nsec >= second_ns || va.mtime.nsec >= second_ns || va.ctime.nsec >= second_ns) {
        return nonsense(*this, "the server says a size or a time that no file can have");
    }
    if (va.ino == 0) {
        va.ino = node_.id();
    }
    return {};
}

result<void> call::attributes(node& node_, attr& into) {
    if (ops().getattr == nullptr) {
        return fail(ENOSYS);
    }
    ctx.attr_timeout_.reset();
    const auto said = ops().getattr(server(), ctx, node_);
    if (!said) {
        return fail(said.error());
    }
    into = *said;
    return complete(node_, into);
}

result<call::entry> call::adopt(node& dir, const new_node& answer, node_table::era_number since) {
    if (answer.id == dir.id() || answer.id == nodes().root().id()) {
        return nonsense(*this, "the server answers a directory for a name in or under it");
    }
    vtype type = answer.type;
    if (type == vtype::none && answer.va) {
        type = msg::vtype_of(answer.va->mode);
    }
    if (type != vtype::none && !msg::is_node_type(type)) {
        return nonsense(*this, "the server answers an unknown type");
    }
    auto held = nodes().hold_id(answer.id, type, since);
    if (!held) {
        if (held.error() == error(EPROTO)) {
            return nonsense(*this, "the server answers a live id with another type");
        }
        return fail(held.error());
    }
    return entry{std::move(*held), answer};
}

result<call::entry> call::find(node& dir, std::string_view name) {
    if (ops().lookup == nullptr) {
        return fail(ENOENT);
    }
    for (int tries = 0; tries < lookup_tries_max; ++tries) {
        const auto since = nodes().era();
        const auto answer = ops().lookup(server(), ctx, dir, name);
        if (!answer) {
            return fail(answer.error());
        }
        auto e = adopt(dir, *answer, since);
        if (e || e.error() != error(ESTALE)) {
            return e;
        }
        // The node that the server meant was being reclaimed: ask again.
    }
    PUFFS_LOG(warn, "lookup of '{}' in node {}: its node was reclaimed {} times: answering estale",
              printable(name), dir.id(), lookup_tries_max);
    return fail(ESTALE);
}

result<void> call::name_node(msg::newinfo& made, entry e, bool locked) {
    node& named = *e.held;
    result<void> good;
    if (e.answer.va) {
        ctx.attr_timeout_.reset(); // was that of another node
        made.va = *e.answer.va;
        good = complete(named, made.va);
    } else if (locked) {
        good = attributes(named, made.va);
    } else {
        um.at_home(named, [&] {
            lock_set locks(how(), named);
            good = attributes(named, made.va);
        });
    }
    if (!good) {
        return good;
    }
    made.entry_ttl = ttl_of(e.answer.entry_timeout.value_or(options().entry_timeout));
    made.attr_ttl = e.answer.attr_timeout ? ttl_of(*e.answer.attr_timeout) : attr_ttl();
    made.node = e.held.into_lookup();
    return {};
}

} // namespace puffs
