// fuse/reader.hh - takes pieces from the front of bytes that somebody else wrote, never past their end.
//
// A reader is the only way from a frame to its values: what it returns lies inside the bytes that it
// was given. A failed take changes nothing.
//
// Units:      bytes.
// Ownership:  borrows the bytes; views that it returns live as long as they do.
// Threading:  none; one user.
// Errors:     eproto: fewer bytes than asked for, a string without its NUL, an empty name, a name
//             with '/'; enametoolong: a string above its limit.
#pragma once

#include "fuse/wire.hh"
#include "puffs/base/error.hh"

#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>

namespace puffs::fuse {

using bytes = std::span<const std::byte>;

class reader {
  public:
    constexpr explicit reader(bytes from) : rest_(from) {}

    [[nodiscard]] constexpr std::size_t remaining() const { return rest_.size(); }
    [[nodiscard]] constexpr bool empty() const { return rest_.empty(); }

    // A copy of the next T: a frame promises no alignment behind its first name.
    template <wire::Plain T>
    [[nodiscard]] result<T> take() {
        if (rest_.size() < sizeof(T)) return fail(EPROTO);
        T value;
        std::memcpy(&value, rest_.data(), sizeof(T));
        rest_ = rest_.subspan(sizeof(T));
        return value;
    }

    [[nodiscard]] result<bytes> take_bytes(std::size_t count) {
        if (rest_.size() < count) return fail(EPROTO);
        bytes taken = rest_.first(count);
        rest_ = rest_.subspan(count);
        return taken;
    }

    [[nodiscard]] bytes take_rest() {
        bytes taken = rest_;
        rest_ = {};
        return taken;
    }

    // The characters up to the next NUL, which is taken too. The NUL stays readable behind the
    // view.
    [[nodiscard]] result<std::string_view> take_string(std::size_t limit_bytes) {
        const void* nul = rest_.empty() ? nullptr : std::memchr(rest_.data(), 0, rest_.size());
        if (nul == nullptr) return fail(EPROTO);
        const auto length =
            static_cast<std::size_t>(static_cast<const std::byte*>(nul) - rest_.data());
        if (length > limit_bytes) return fail(ENAMETOOLONG);
        std::string_view text(reinterpret_cast<const char*>(rest_.data()), length);
        rest_ = rest_.subspan(length + 1);
        return text;
    }

    // A component of a path: not empty, without '/', at most `limit_bytes`. "." and ".." pass.
    [[nodiscard]] result<std::string_view> take_name(std::size_t limit_bytes) {
        const bytes before = rest_;
        result<std::string_view> name = take_string(limit_bytes);
        if (name && (name->empty() || name->find('/') != std::string_view::npos)) {
            rest_ = before;
            return fail(EPROTO);
        }
        return name;
    }

  private:
    bytes rest_;
};

} // namespace puffs::fuse
