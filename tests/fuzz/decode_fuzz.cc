// libFuzzer target: any bytes through decode(). The first byte chooses the session, the rest is the request.
// Corpus: fuse_corpus DIR writes good requests to start from.
#include "puffs/base/assert.hh"
#include "support/fuse/frames.hh"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace puffs::fuse;
    if (size == 0) return 0;
    session_limits session;
    session.setxattr_ext = (data[0] & 1) != 0;
    session.minor = (data[0] & 2) != 0 ? wire::version_minor_least : wire::version_minor;
    session.max_read_bytes = (data[0] & 4) != 0 ? 4096 : session.max_read_bytes;
    const bytes request = std::as_bytes(std::span(data + 1, size - 1));
    decoded d;
    if (decode(request, session, d)) {
        PUFFS_ASSERT(test::broken_promise(d, request, session).empty(), "a promise is broken");
    }
    return 0;
}
