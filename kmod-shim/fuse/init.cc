#include "fuse/init.hh"

#include <algorithm>
#include <array>
#include <spdlog/fmt/fmt.h>
#include <string_view>

namespace puffs::fuse {

namespace {

// Without init_flag::max_pages a request has at most this many (FUSE_DEFAULT_MAX_PAGES_PER_REQ).
constexpr std::uint32_t default_max_pages = 32;
constexpr std::uint32_t time_gran_ns = 1; // of timestamps

constexpr std::array<std::string_view, 43> names{
    "async_read",
    "posix_locks",
    "file_ops",
    "atomic_o_trunc",
    "export_support",
    "big_writes",
    "dont_mask",
    "splice_write",
    "splice_move",
    "splice_read",
    "flock_locks",
    "has_ioctl_dir",
    "auto_inval_data",
    "do_readdirplus",
    "readdirplus_auto",
    "async_dio",
    "writeback_cache",
    "no_open_support",
    "parallel_dirops",
    "handle_killpriv",
    "posix_acl",
    "abort_error",
    "max_pages",
    "cache_symlinks",
    "no_opendir_support",
    "explicit_inval_data",
    "map_alignment",
    "submounts",
    "handle_killpriv_v2",
    "setxattr_ext",
    "init_ext",
    "init_reserved",
    "security_ctx",
    "has_inode_dax",
    "create_supp_group",
    "has_expire_only",
    "direct_io_allow_mmap",
    "passthrough",
    "no_export_support",
    "has_resend",
    "allow_idmap",
    "over_io_uring",
    "request_timeout",
};

std::uint64_t flags_asked(const init_options& o) {
    namespace f = wire::init_flag;
    // What the framework itself wants, whatever the options say: to hear of all 64 flags, to say how many pages a
    // request may have, to answer ENOSYS to OPEN and OPENDIR where none is needed, to be told an abort from an unmount,
    // and shared mappings of files opened with direct_io.
    std::uint64_t flags = f::init_ext | f::max_pages | f::no_open_support | f::no_opendir_support |
                          f::abort_error | f::direct_io_allow_mmap;
    const auto ask = [&flags](bool wanted, std::uint64_t bits) { flags |= wanted ? bits : 0; };
    ask(o.async_read, f::async_read);
    ask(o.async_dio, f::async_dio);
    ask(o.parallel_dirops, f::parallel_dirops);
    ask(o.big_writes, f::big_writes);
    ask(o.writeback_cache, f::writeback_cache);
    // The umask must not be applied before a default access list is seen.
    ask(o.posix_acl, f::posix_acl | f::dont_mask | f::setxattr_ext);
    ask(o.handle_killpriv_v2, f::handle_killpriv_v2);
    ask(o.cache_symlinks, f::cache_symlinks);
    ask(o.io_uring, f::over_io_uring);
    ask(o.readdirplus != readdirplus_use::never, f::do_readdirplus);
    ask(o.readdirplus == readdirplus_use::automatic, f::readdirplus_auto);
    ask(o.invalidation == page_inval::automatic, f::auto_inval_data);
    ask(o.invalidation == page_inval::told, f::explicit_inval_data);
    return flags;
}

std::uint64_t flags_offered(const wire::init_in& offer) {
    std::uint64_t flags = offer.flags;
    if ((flags & wire::init_flag::init_ext) != 0) {
        flags |= std::uint64_t{offer.flags2} << 32;
    }
    return flags;
}

bool is_payload_size(std::uint32_t bytes, std::uint32_t page_bytes) {
    return bytes >= page_bytes && bytes <= limits::payload_bytes && bytes % page_bytes == 0;
}

std::uint32_t read_bytes_of(const init_options& asked) {
    return asked.max_read_bytes == 0 ? limits::payload_bytes : asked.max_read_bytes;
}

void fix_sizes(init_grant& g, const wire::init_in& offer, const init_options& asked) {
    const std::uint32_t read_bytes = read_bytes_of(asked);
    const std::size_t wanted_bytes = g.has(wire::init_flag::over_io_uring)
                                         ? uring_payload_bytes(asked)
                                         : std::max(asked.max_write_bytes, read_bytes);
    const auto wanted = static_cast<std::uint32_t>(wanted_bytes / asked.page_bytes);
    g.max_pages = g.has(wire::init_flag::max_pages) ? wanted : std::min(wanted, default_max_pages);
    const std::uint32_t payload_bytes = g.max_pages * asked.page_bytes;
    g.max_write_bytes = std::min(asked.max_write_bytes, payload_bytes);
    if (!g.has(wire::init_flag::big_writes)) {
        g.max_write_bytes = asked.page_bytes;
    }
    g.max_read_bytes = std::min(read_bytes, payload_bytes);
    g.max_readahead_bytes = std::min(asked.max_readahead_bytes, offer.max_readahead);
    g.limits = {
        .minor = std::min(offer.minor, wire::version_minor),
        .max_write_bytes = g.max_write_bytes,
        .max_read_bytes = g.max_read_bytes,
        .max_readdir_bytes = payload_bytes, // max_read does not bound it (fs/fuse/readdir.c)
        .setxattr_ext = g.has(wire::init_flag::setxattr_ext),
    };
}

wire::init_out reply_of(const init_grant& g, const init_options& asked) {
    wire::init_out out{};
    out.major = wire::version_major;
    out.minor = g.limits.minor;
    out.max_readahead = g.max_readahead_bytes;
    out.flags = static_cast<std::uint32_t>(g.granted);
    out.flags2 = static_cast<std::uint32_t>(g.granted >> 32);
    out.max_background = asked.max_background;
    out.congestion_threshold =
        asked.congestion_threshold != 0
            ? asked.congestion_threshold
            : static_cast<std::uint16_t>((asked.max_background * 3U + 3U) / 4U);
    out.max_write = g.max_write_bytes;
    out.time_gran = time_gran_ns;
    out.max_pages = static_cast<std::uint16_t>(g.max_pages);
    return out;
}

} // namespace

std::optional<std::string> problem_of(const init_options& asked) {
    const auto size_problem = [&asked](std::string_view option, std::uint32_t value) {
        return fmt::format("{}={}: must be a multiple of {} between {} and {}", option, value,
                           asked.page_bytes, asked.page_bytes, limits::payload_bytes);
    };
    if (!is_payload_size(asked.max_write_bytes, asked.page_bytes)) {
        return size_problem("max_write", asked.max_write_bytes);
    }
    if (asked.max_read_bytes != 0 && !is_payload_size(asked.max_read_bytes, asked.page_bytes)) {
        return size_problem("max_read", asked.max_read_bytes);
    }
    if (asked.max_background == 0) {
        return "max_background=0: must be between 1 and 65535";
    }
    if (asked.congestion_threshold > asked.max_background) {
        return fmt::format("congestion_threshold={}: must not be above max_background={}",
                           asked.congestion_threshold, asked.max_background);
    }
    return std::nullopt;
}

std::size_t uring_payload_bytes(const init_options& asked) {
    constexpr std::size_t xattr_bytes = limits::xattr_name_bytes + 1 + limits::xattr_value_bytes;
    const std::size_t xattr_pages = (xattr_bytes + asked.page_bytes - 1) / asked.page_bytes;
    return std::max<std::size_t>(
        {asked.max_write_bytes, read_bytes_of(asked), xattr_pages * asked.page_bytes});
}

std::expected<init_grant, std::string> negotiate(const wire::init_in& offer,
                                                 const init_options& asked) {
    if (std::optional<std::string> problem = problem_of(asked)) {
        return std::unexpected(*problem);
    }
    if (offer.major != wire::version_major || offer.minor < wire::version_minor_least) {
        return std::unexpected(fmt::format(
            "the kernel speaks FUSE {}.{}; {}.{} (Linux 5.4) or later of version {} is needed",
            offer.major, offer.minor, wire::version_major, wire::version_minor_least,
            wire::version_major));
    }
    init_grant g;
    g.kernel_minor = offer.minor;
    g.offered = flags_offered(offer);
    g.asked = flags_asked(asked);
    g.granted = g.offered & g.asked;
    fix_sizes(g, offer, asked);
    g.reply = reply_of(g, asked);
    return g;
}

std::string init_grant::describe() const {
    return fmt::format("FUSE {}.{}, kernel {}.{}: max_write {}, max_read {}, max_readahead {}, "
                       "max_pages {}, max_background {}, congestion_threshold {}\n"
                       "granted: {}\n"
                       "asked, not offered: {}\n"
                       "offered, not asked: {}",
                       wire::version_major, limits.minor, wire::version_major, kernel_minor,
                       max_write_bytes, max_read_bytes, max_readahead_bytes, max_pages,
                       reply.max_background, reply.congestion_threshold, flag_names(granted),
                       flag_names(asked & ~offered), flag_names(offered & ~asked));
}

std::string flag_names(std::uint64_t flags) {
    std::string text;
    for (unsigned bit = 0; bit < 64; ++bit) {
        if ((flags & wire::init_flag::bit(bit)) == 0) continue;
        if (!text.empty()) text += ' ';
        text += bit < names.size() ? std::string(names[bit]) : fmt::format("bit{}", bit);
    }
    return text.empty() ? "none" : text;
}

} // namespace puffs::fuse
