// fuse/op_table.hh - what the protocol says about each opcode, one row each: for decoding, logs,
// statistics and tests.
//
// Units:      bytes.
// Ownership:  rows are constants of the program; pointers to them never dangle.
// Threading:  immutable.
// Source:     Linux include/uapi/linux/fuse.h and fs/fuse/{dir,file,dev,xattr,ioctl}.c, protocol 7.45.
#pragma once

#include "fuse/wire.hh"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace puffs::fuse {

// What follows the fixed part of a request.
enum class tail : std::uint8_t {
    none,        // nothing
    name,        // one component and a NUL
    two_names,   // old and new component, each with a NUL
    name_target, // a component and the target of a symbolic link, each with a NUL
    xattr_name,  // the name of an extended attribute and a NUL
    xattr_value, // that, and the value: setxattr_in.size bytes
    write_data,  // write_in.size bytes
    ioctl_data,  // ioctl_in.in_size bytes
    forgets,     // batch_forget_in.count times forget_one
    unmappings,  // removemapping_in.count times removemapping_one
    retrieved,   // notify_retrieve_in.size bytes
    opaque,      // not known to us: any number of bytes
};

// Which limit of the session bounds the reply that the request makes room for.
enum class room : std::uint8_t {
    none,
    read,    // read_in.size against max_read_bytes
    readdir, // read_in.size against max_readdir_bytes
    xattr,   // getxattr_in.size against limits::xattr_value_bytes
};

struct op_flags {
    bool reply : 1 = true;       // the kernel waits for an answer
    bool node : 1 = true;        // the header names a node
    bool dots : 1 = false;       // the name may be "." or ".."
    bool extensions : 1 = false; // security contexts and groups may follow
    bool may_block : 1 =
        false; // waits for other callers by design: a long wait is no fault of the server
};

// Identity of a structure, so that a row can say which one its fixed part is.
template <wire::Plain T>
inline constexpr char structure_id = 0;

struct op_row {
    wire::opcode op{};
    std::string_view name;              // the kernel's, in lower case: "lookup"
    std::uint8_t fixed_bytes = 0;       // of the fixed part
    std::uint8_t fixed_least_bytes = 0; // of its older, shorter form, else the same
    const char* structure = nullptr;    // &structure_id<T> of the fixed part, null without one
    fuse::tail tail = tail::none;
    fuse::room room = room::none;
    op_flags flags;
};

// The row of an opcode; for a number that the protocol does not know the row named "unknown", whose
// tail is opaque.
[[nodiscard]] const op_row& row_of(std::uint32_t opcode);

// All rows that the protocol knows, in ascending order of opcode.
[[nodiscard]] std::span<const op_row> op_rows();

} // namespace puffs::fuse
