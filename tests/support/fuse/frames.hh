// support/fuse/frames.hh - FUSE requests as a kernel would write them, for tests, fuzzers and corpora.
//
// Ownership:  values.
// Threading:  none.
#pragma once

#include "fuse/decode.hh"
#include "fuse/wire.hh"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace puffs::fuse::test {

inline constexpr std::uint64_t sample_unique = 0x1122334455667788;
inline constexpr std::uint64_t sample_nodeid = 0x0000000700000003;

class frame_builder {
  public:
    explicit frame_builder(std::uint32_t opcode, std::uint64_t nodeid = sample_nodeid);
    explicit frame_builder(wire::opcode op, std::uint64_t nodeid = sample_nodeid)
        : frame_builder(static_cast<std::uint32_t>(op), nodeid) {}

    template <wire::Plain T>
    frame_builder& add(const T& value) {
        return add_bytes(std::as_bytes(std::span(&value, 1)));
    }
    frame_builder& add_bytes(bytes raw);
    frame_builder& add_text(std::string_view text);   // without a NUL
    frame_builder& add_string(std::string_view text); // with one
    // Extensions: one security context and one group, as the kernel lays them out.
    frame_builder& add_extensions(std::string_view context_name, std::string_view context,
                                  std::span<const std::uint32_t> groups);

    // The frame, its header's length set.
    [[nodiscard]] std::vector<std::byte> done() const;

  private:
    std::vector<std::byte> frame_;
};

struct sample {
    std::string label;
    std::vector<std::byte> frame;
};

// At least one good request of every opcode that the protocol knows, each of exactly the right size, for a session
// with the default limits.
[[nodiscard]] std::vector<sample> samples();

// Sets the length in the header to the length of the frame.
void fix_length(std::span<std::byte> frame);

// decode() and decode_parts(), with the request as their result.
result<decoded> decoded_of(bytes frame, const session_limits& session);
result<decoded> decoded_of_parts(const wire::in_header& header, bytes fixed, bytes rest,
                                 const session_limits& session);

// What decode promises of every result: views inside `request`, NUL-terminated names, sizes as claimed and within
// limits. Returns what is broken, or an empty string.
[[nodiscard]] std::string broken_promise(const decoded& d, bytes request,
                                         const session_limits& session);

} // namespace puffs::fuse::test
