#include "fuse/decode.hh"

#include "fuse/wire_file.hh"
#include "fuse/wire_init.hh"
#include "fuse/wire_notify.hh"

namespace puffs::fuse {

namespace {

constexpr std::uint32_t minor_with_extensions = 38;

// How many bytes the fixed part takes in a request of this session.
std::size_t fixed_bytes_of(const op_row& row, std::size_t available,
                           const session_limits& session) {
    if (row.op == wire::opcode::setxattr && !session.setxattr_ext) return row.fixed_least_bytes;
    if (row.op == wire::opcode::init && available < row.fixed_bytes) return row.fixed_least_bytes;
    return row.fixed_bytes;
}

bool is_dots(std::string_view name) {
    return name == "." || name == "..";
}

result<std::string_view> take_component(reader& from, const op_row& row) {
    result<std::string_view> name = from.take_name(limits::name_bytes);
    if (name && !row.flags.dots && is_dots(*name)) return fail(EPROTO);
    return name;
}

result<void> take_xattr_name(reader& from, decoded& d) {
    result<std::string_view> name = from.take_string(limits::xattr_name_bytes);
    if (!name) return fail(name.error());
    if (name->empty()) return fail(EPROTO);
    d.name = *name;
    return {};
}

result<void> take_names(reader& from, decoded& d) {
    result<std::string_view> name = take_component(from, *d.row);
    if (!name) return fail(name.error());
    d.name = *name;
    if (d.row->tail == tail::name) return {};

    if (d.row->tail == tail::two_names) {
        name = take_component(from, *d.row);
    } else {
        name = from.take_string(limits::symlink_bytes);
        if (name && name->empty()) return fail(EPROTO);
    }
    if (!name) return fail(name.error());
    d.name2 = *name;
    return {};
}

// Data of exactly the size that the fixed part claims, at most `limit`.
result<void> take_data(reader& from, decoded& d, std::uint64_t claimed_bytes, std::uint64_t limit) {
    if (claimed_bytes > limit || from.remaining() != claimed_bytes) return fail(EPROTO);
    d.data = from.take_rest();
    return {};
}

result<void> take_records(reader& from, decoded& d, std::uint64_t count, std::size_t record_bytes) {
    return take_data(from, d, count * record_bytes, from.remaining());
}

result<void> take_tail(reader& from, decoded& d, const session_limits& session) {
    switch (d.row->tail) {
    case tail::none:
        return {};
    case tail::name:
    case tail::two_names:
    case tail::name_target:
        return take_names(from, d);
    case tail::xattr_name:
        return take_xattr_name(from, d);
    case tail::xattr_value:
        if (result<void> r = take_xattr_name(from, d); !r) return r;
        return take_data(from, d, d.in<wire::setxattr_in>().size, limits::xattr_value_bytes);
    case tail::write_data:
        return take_data(from, d, d.in<wire::write_in>().size, session.max_write_bytes);
    case tail::ioctl_data:
        return take_data(from, d, d.in<wire::ioctl_in>().in_size, limits::payload_bytes);
    case tail::forgets:
        return take_records(from, d, d.in<wire::batch_forget_in>().count, sizeof(wire::forget_one));
    case tail::unmappings:
        return take_records(from, d, d.in<wire::removemapping_in>().count,
                            sizeof(wire::removemapping_one));
    case tail::retrieved:
        return take_data(from, d, d.in<wire::notify_retrieve_in>().size, limits::payload_bytes);
    case tail::opaque:
        d.data = from.take_rest();
        return {};
    }
    return fail(EPROTO);
}

result<void> check_room(const decoded& d, const session_limits& session) {
    std::uint32_t asked = 0;
    std::size_t limit = 0;
    switch (d.row->room) {
    case room::none:
        return {};
    case room::read:
        asked = d.in<wire::read_in>().size;
        limit = session.max_read_bytes;
        break;
    case room::readdir:
        asked = d.in<wire::read_in>().size;
        limit = session.max_readdir_bytes;
        break;
    case room::xattr:
        asked = d.in<wire::getxattr_in>().size;
        limit = limits::xattr_value_bytes;
        break;
    }
    if (asked > limit) return fail(EPROTO);
    return {};
}

// One extension, its header taken already. Types that nobody knows are skipped, as the protocol
// allows.
result<void> take_extension(bytes body, std::uint32_t type, extensions& ext) {
    if (type <= wire::ext_secctx_last) {
        ext.security = body;
        ext.security_count = type;
        reader contexts(body);
        for (std::uint32_t i = 0; i < type; ++i) {
            result<wire::secctx> one = contexts.take<wire::secctx>();
            if (!one) return fail(one.error());
            if (result<std::string_view> name = contexts.take_string(limits::xattr_name_bytes);
                !name) {
                return fail(EPROTO);
            }
            if (result<bytes> context = contexts.take_bytes(one->size); !context)
                return fail(EPROTO);
        }
        return {};
    }
    if (type == wire::ext_groups) {
        reader groups(body);
        result<wire::supp_groups> head = groups.take<wire::supp_groups>();
        if (!head) return fail(head.error());
        result<bytes> ids = groups.take_bytes(std::size_t{head->nr_groups} * sizeof(std::uint32_t));
        if (!ids) return fail(ids.error());
        ext.groups = *ids;
    }
    return {};
}

result<void> take_extensions(bytes area, extensions& ext) {
    reader from(area);
    while (!from.empty()) {
        result<wire::ext_header> head = from.take<wire::ext_header>();
        if (!head) return fail(head.error());
        if (head->size < sizeof(wire::ext_header)) return fail(EPROTO);
        const std::size_t padded = wire::record_align(head->size) - sizeof(wire::ext_header);
        result<bytes> body = from.take_bytes(padded);
        if (!body) return fail(body.error());
        result<void> r =
            take_extension(body->first(head->size - sizeof(wire::ext_header)), head->type, ext);
        if (!r) return r;
    }
    return {};
}

} // namespace

wire::forget_one decoded::forget_at(std::size_t i) const {
    PUFFS_ASSERT(row->tail == tail::forgets && i < forget_count(), "no such record");
    wire::forget_one one;
    std::memcpy(&one, data.data() + i * sizeof(one), sizeof(one));
    return one;
}

std::optional<wire::in_header> header_of(bytes frame) {
    result<wire::in_header> header = reader(frame).take<wire::in_header>();
    if (!header) return std::nullopt;
    return *header;
}

result<void> decode(bytes frame, const session_limits& session, decoded& into) {
    reader from(frame);
    result<wire::in_header> header = from.take<wire::in_header>();
    if (!header) return fail(header.error());
    if (header->len != frame.size()) return fail(EPROTO);
    const op_row& row = row_of(header->opcode);
    const std::size_t fixed_bytes = fixed_bytes_of(row, from.remaining(), session);
    result<bytes> fixed = from.take_bytes(fixed_bytes);
    if (!fixed) return fail(fixed.error());
    return decode_parts(*header, *fixed, from.take_rest(), session, into);
}

result<void> decode_parts(const wire::in_header& header, bytes fixed, bytes rest,
                          const session_limits& session, decoded& into) {
    const op_row& row = row_of(header.opcode);
    decoded& d = into = {};
    d.row = &row;
    d.header = header;
    if (row.flags.node && header.nodeid == 0) return fail(EPROTO);

    const std::size_t fixed_bytes = fixed_bytes_of(row, fixed.size(), session);
    if (fixed.size() < fixed_bytes) return fail(EPROTO);
    d.fixed = fixed.first(fixed_bytes);
    if (row.op == wire::opcode::init)
        return {}; // a later kernel may say more than this build knows

    if (row.flags.extensions && session.minor >= minor_with_extensions) {
        const std::size_t ext_bytes = std::size_t{header.total_extlen} * 8;
        if (ext_bytes > rest.size()) return fail(EPROTO);
        if (result<void> r = take_extensions(rest.last(ext_bytes), d.ext); !r) return r;
        rest = rest.first(rest.size() - ext_bytes);
    }

    reader from(rest);
    if (result<void> r = take_tail(from, d, session); !r) return r;
    return from.empty() ? check_room(d, session) : fail(EPROTO);
}

} // namespace puffs::fuse
