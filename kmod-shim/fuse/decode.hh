// fuse/decode.hh - one FUSE request: from untrusted bytes to checked views of them.
//
// The header is copied, everything else is a view: decoding allocates nothing and copies no payload.
// What a view shows lies inside the frame, has the length that the request claims, and obeys the
// limits of the session.
//
// Units:      bytes.
// Ownership:  `decoded` borrows the frame; it must not outlive it.
// Threading:  none; pure functions.
// Errors:     eproto: the frame is not what the protocol says (wrong length, string without NUL, a
//             name that is empty, has '/' or is "." where a new name must be, a size above what INIT
//             agreed on); enametoolong: a name above limits::name_bytes, which the kernel does send.
//             An opcode that nobody knows is no error: it decodes to the row "unknown", and the
//             caller answers ENOSYS.
// Source:     Linux fs/fuse/dev.c (how a request is laid out).
#pragma once

#include "fuse/op_table.hh"
#include "fuse/reader.hh"
#include "fuse/wire.hh"
#include "fuse/wire_node.hh"
#include "puffs/base/assert.hh"
#include "puffs/base/limits.hh"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace puffs::fuse {

// What INIT agreed on, as far as it bounds requests. The defaults hold until INIT is answered.
struct session_limits {
    std::uint32_t minor = wire::version_minor;
    std::uint32_t max_write_bytes = limits::payload_bytes;
    std::uint32_t max_read_bytes = limits::payload_bytes;
    std::uint32_t max_readdir_bytes = limits::payload_bytes;
    bool setxattr_ext = false;
};

// Extensions of a creating request; empty views where the kernel sent none.
struct extensions {
    bytes security; // secctx, name, context, repeated
    std::uint32_t security_count = 0;
    bytes groups; // group ids of 32 bits
};

struct decoded {
    const op_row* row = nullptr;
    wire::in_header header{};
    bytes fixed; // the structure of the operation, perhaps in its older, shorter form
    // Of the entry or of the extended attribute; its NUL stays readable behind it.
    std::string_view name;
    std::string_view name2; // the new name of RENAME, the target of SYMLINK
    bytes data;             // payload of WRITE, value of SETXATTR, records of BATCH_FORGET, ...
    extensions ext;

    [[nodiscard]] wire::opcode op() const { return row->op; }
    [[nodiscard]] bool unknown() const { return row->tail == tail::opaque; }
    [[nodiscard]] std::uint64_t unique() const { return header.unique; }
    [[nodiscard]] std::uint64_t nodeid() const { return header.nodeid; }
    [[nodiscard]] std::uint32_t uid() const { return header.uid; }
    [[nodiscard]] std::uint32_t gid() const { return header.gid; }
    [[nodiscard]] std::uint32_t thread_id() const { return header.pid; }

    // The fixed part, fields that an older kernel does not send being 0. Asserts that the operation
    // has this structure.
    template <wire::Plain T>
    [[nodiscard]] T in() const {
        PUFFS_ASSERT(row->structure == &structure_id<T>, "not the structure of this operation");
        T value{};
        std::memcpy(&value, fixed.data(), fixed.size());
        return value;
    }

    // Records of BATCH_FORGET.
    [[nodiscard]] std::size_t forget_count() const {
        return data.size() / sizeof(wire::forget_one);
    }
    [[nodiscard]] wire::forget_one forget_at(std::size_t i) const;
};

// decode - checks one whole request as /dev/fuse delivers it. After an error `into` says nothing.
// Lifetime:  `into` borrows `frame`.
[[nodiscard]] result<void> decode(bytes frame, const session_limits& session, decoded& into);

// decode_parts - the same for a request whose parts lie apart, as FUSE over io_uring delivers it:
// `fixed` is the area of the operation's structure (it may be longer than the structure), `rest`
// everything behind it.
// Lifetime:  `into` borrows `fixed` and `rest`.
[[nodiscard]] result<void> decode_parts(const wire::in_header& header, bytes fixed, bytes rest,
                                        const session_limits& session, decoded& into);

// The header of a frame that may be refused, so that the refusal can be answered; nothing if there
// is not even that.
[[nodiscard]] std::optional<wire::in_header> header_of(bytes frame);

} // namespace puffs::fuse
