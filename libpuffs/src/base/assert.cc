#include "puffs/base/assert.hh"

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <sys/uio.h>
#include <unistd.h>

namespace puffs {

void panic(const char* text, const char* file, int line) noexcept {
    char digits[16];
    const auto end = std::to_chars(digits, digits + sizeof(digits), line).ptr;
    const auto piece = [](const char* s, std::size_t n) {
        return iovec{const_cast<char*>(s), n}; // writev(2) does not write through it
    };
    const iovec line_parts[] = {
        piece("panic: ", 7), piece(text, std::strlen(text)),
        piece(" (", 2),      piece(file, std::strlen(file)),
        piece(":", 1),       piece(digits, static_cast<std::size_t>(end - digits)),
        piece(")\n", 2),
    };
    // One call, so that the lines of two panics do not mix. Nothing can be done when it fails.
    [[maybe_unused]] const ssize_t n =
        ::writev(STDERR_FILENO, line_parts, static_cast<int>(std::size(line_parts)));
    std::abort();
}

} // namespace puffs
