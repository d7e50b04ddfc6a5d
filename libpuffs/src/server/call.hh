// call.hh - one request while it runs: what the operations' handlers share.
//
// A handler (entries.cc, attributes.cc, io.cc, names.cc, xattr.cc, vfs.cc) takes the names from the
// request, locks nodes, calls the server's operation and puts values into the reply. It may throw what
// the server throws; dispatch.cc catches.
//
// Ownership:  on the stack of the thread that runs the request.
// Threading:  that thread.
#pragma once

#include "lock_set.hh"
#include "node_table.hh"

#include <chrono>
#include <string>
#include <string_view>

namespace puffs {

inline constexpr int lookup_tries_max = 32; // of one name whose node is reclaimed each time: estale
inline constexpr int lock_tries_max =
    64; // of names that change while their nodes are waited for: ebusy

struct call {
    call(usermount& m, msg::request& r, const msg::payload& d) noexcept
        : um(m), req(r), data(d), ctx(m, r), in(d.in) {}

    usermount& um;
    msg::request& req;
    const msg::payload& data;
    cc ctx;
    node_hold n;                   // the node that the request is about; none for class vfs
    std::span<const std::byte> in; // what take_* have left of data.in
    std::size_t out_bytes = 0;
    node* pinned = nullptr; // policy home: pinned on the way here, and not yet in a lock set

    // usermount's parts, for the handlers
    [[nodiscard]] void* server() const noexcept { return um.server_; }
    [[nodiscard]] const operations& ops() const noexcept { return um.ops_; }
    [[nodiscard]] const usermount_options& options() const noexcept { return um.options_; }
    [[nodiscard]] node_table& nodes() const noexcept { return *um.nodes_; }
    [[nodiscard]] lock_terms how() noexcept { return {um.options_.concurrency, this}; }
    [[nodiscard]] msg::arguments& args() const noexcept { return req.args; }
    // Opens are counted, and hold their node, for servers that care: its close comes before its reclaim,
    // but at the end of the mount.
    [[nodiscard]] bool counts_opens() const noexcept {
        return ops().open != nullptr || ops().close != nullptr || ops().inactive != nullptr;
    }
    // The kernel takes enosys for all opens to come, and keeps pages and directories from one to the next.
    [[nodiscard]] bool is_not_asked_to_open() const noexcept {
        return options().sole_owner && !counts_opens();
    }
    void set_handle(std::uint64_t h) noexcept { ctx.handle_ = h; }

    // take_bytes, take_name, take_chars - the next run of bytes of the request.
    // Errors: einval the request is shorter than it says, or the name is no name of one component;
    // enametoolong.
    [[nodiscard]] result<std::span<const std::byte>> take_bytes(std::size_t count) noexcept;
    [[nodiscard]] result<std::string_view> take_chars(std::size_t count) noexcept;
    [[nodiscard]] result<std::string_view> take_name(std::size_t count) noexcept;
    // The first `size` bytes of `out`, fewer if it is shorter.
    [[nodiscard]] std::span<std::byte> room(std::size_t size) const noexcept;

    // find - asks the server's lookup for a name and holds the node that it answers.
    // Requires: `dir` is locked. Errors: the server's; enoent it has no lookup; eproto it answered
    // the directory itself or the root; those of node_table::hold_id.
    struct entry {
        node_hold held;
        new_node answer;
    };
    [[nodiscard]] result<entry> find(node& dir, std::string_view name);
    // adopt - the same for an answer that is there already. `since`: see node_table.
    [[nodiscard]] result<entry> adopt(node& dir, const new_node& answer,
                                      node_table::era_number since);
    // name_node - fills in the answer that names a node, attributes included, and counts the lookup.
    // Requires: the node is locked if `locked`, else nothing is.
    result<void> name_node(msg::newinfo& made, entry e, bool locked);

    // attributes - of a locked node, from the server's getattr. After an error `into` says nothing.
    [[nodiscard]] result<void> attributes(node& n, attr& into);
    // For the attributes that it got: what the server's getattr said, or else the mount's time.
    [[nodiscard]] msg::ttl attr_ttl() const noexcept {
        return ttl_of(ctx.attr_timeout_.value_or(options().attr_timeout));
    }
    // complete - checks and completes what the server said about a node.
    // Errors: eproto its type is none, or another than before.
    [[nodiscard]] result<void> complete(node& n, attr& va) const;

    [[nodiscard]] static msg::ttl ttl_of(std::chrono::nanoseconds d) noexcept;
};

// A server that answers nonsense: one log line, and eproto.
[[nodiscard]] std::unexpected<error> nonsense(const call& c, const char* what);

// What callers or file servers name, as it can stand in a line of the log: control characters as '?'. A name may hold
// any byte but '/' and NUL, and so line ends and what terminals obey.
[[nodiscard]] std::string printable(std::string_view text);

// In a catch clause: the text of the exception, printable.
[[nodiscard]] std::string what_was_thrown();

// The handlers. Requires: c.n is the request's node, of the kind that the table in dispatch.cc asks for.
namespace handlers {
result<void> lookup(call& c);
result<void> create(call& c);
result<void> mknod(call& c);
result<void> mkdir(call& c);
result<void> symlink(call& c);
result<void> link(call& c);
result<void> readdir(call& c);
result<void> getattr(call& c);
result<void> setattr(call& c);
result<void> access(call& c);
result<void> open(call& c);
result<void> close(call& c);
result<void> inactive(call& c);
result<void> read(call& c);
result<void> write(call& c);
result<void> fsync(call& c);
result<void> seek(call& c);
result<void> fallocate(call& c);
result<void> readlink(call& c);
result<void> remove(call& c);
result<void> rmdir(call& c);
result<void> rename(call& c);
result<void> getextattr(call& c);
result<void> setextattr(call& c);
result<void> listextattr(call& c);
result<void> deleteextattr(call& c);
result<void> vfs(call& c);
} // namespace handlers

// The lines of -d (trace.cc).
void trace_request(const msg::request& req, const msg::payload& data);
void trace_reply(const msg::request& req, std::size_t out_bytes, std::chrono::nanoseconds took);

} // namespace puffs
