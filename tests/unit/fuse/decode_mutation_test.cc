// A million damaged requests, each flush against an unreadable page, so that a read past the end faults in every build.
#include "fuse/decode.hh"
#include "support/fuse/frames.hh"
#include "support/seed.hh"

#include <algorithm>
#include <array>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <sys/mman.h>

namespace puffs::fuse {
namespace {

constexpr std::size_t rounds = 1'200'000;

// Bytes whose end is the end of what may be read.
class guarded {
  public:
    guarded() {
        void* at =
            mmap(nullptr, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        PUFFS_ASSERT(at != MAP_FAILED, "mmap");
        start_ = static_cast<std::byte*>(at);
        PUFFS_ASSERT(mprotect(start_ + room, page, PROT_NONE) == 0, "mprotect");
    }
    ~guarded() { munmap(start_, room + page); }
    guarded(const guarded&) = delete;
    guarded& operator=(const guarded&) = delete;

    std::span<std::byte> hold(bytes frame) {
        PUFFS_ASSERT(frame.size() <= room, "frame too large for the test");
        std::byte* at = start_ + room - frame.size();
        std::copy(frame.begin(), frame.end(), at);
        return {at, frame.size()};
    }

  private:
    static constexpr std::size_t page = 4096, room = 16 * page;
    std::byte* start_;
};

class mutator {
  public:
    explicit mutator(std::uint64_t seed) : random_(seed) {}

    std::size_t below(std::size_t bound) { return bound == 0 ? 0 : random_() % bound; }

    void damage(std::vector<std::byte>& frame, const std::vector<test::sample>& pool) {
        for (std::size_t times = 1 + below(3); times > 0; --times) {
            damage_once(frame, pool);
        }
        if (below(8) != 0) test::fix_length(frame); // or else only the first check is tried
    }

  private:
    void damage_once(std::vector<std::byte>& frame, const std::vector<test::sample>& pool) {
        static constexpr std::array<std::uint32_t, 12> telling{
            0, 1, 2, 7, 8, 16, 255, 256, 4096, 65536, 0x7fffffff, 0xffffffff};
        switch (below(8)) {
        case 0: // one bit
            if (!frame.empty()) frame[below(frame.size())] ^= std::byte(1U << below(8));
            break;
        case 1: // one byte
            if (!frame.empty()) frame[below(frame.size())] = std::byte(random_() & 0xff);
            break;
        case 2: // a NUL or a slash, which strings are made of
            if (!frame.empty())
                frame[below(frame.size())] = below(2) == 0 ? std::byte{0} : std::byte{'/'};
            break;
        case 3: // a number that tells, at a place where numbers are
            if (frame.size() >= 4) {
                const std::uint32_t n = telling[below(telling.size())];
                std::memcpy(frame.data() + below(frame.size() / 4) * 4, &n, sizeof(n));
            }
            break;
        case 4:
            frame.resize(below(frame.size() + 1));
            break;
        case 5:
            frame.insert(frame.end(), below(300), std::byte(random_() & 0xff));
            break;
        case 6: { // the end of another request
            const std::vector<std::byte>& other = pool[below(pool.size())].frame;
            frame.resize(below(frame.size() + 1));
            frame.insert(frame.end(),
                         other.end() - static_cast<std::ptrdiff_t>(below(other.size())),
                         other.end());
            break;
        }
        default: // another operation with the same bytes
            if (frame.size() >= 8) {
                const auto op = static_cast<std::uint32_t>(below(wire::opcode_last + 3));
                std::memcpy(frame.data() + offsetof(wire::in_header, opcode), &op, sizeof(op));
            }
            break;
        }
    }

    std::mt19937_64 random_;
};

TEST(decode_mutation, no_damage_makes_a_view_leave_its_frame) {
    const std::uint64_t seed = sim::test_seed();
    RecordProperty("seed", std::to_string(seed));

    const std::vector<test::sample> pool = test::samples();
    mutator m(seed);
    guarded memory;
    struct fate {
        std::size_t passed = 0, refused = 0;
    };
    std::map<std::string_view, fate> fates;
    std::vector<std::byte> frame;
    for (std::size_t round = 0; round < rounds; ++round) {
        frame = pool[m.below(pool.size())].frame;
        m.damage(frame, pool);
        session_limits session;
        session.setxattr_ext = round % 2 == 0;
        session.minor = round % 3 == 0 ? 31 : wire::version_minor;
        session.max_read_bytes = 65536;

        const std::span<std::byte> request = memory.hold(frame);
        const result<decoded> d = test::decoded_of(request, session);
        const std::optional<wire::in_header> header = header_of(request);
        fate& f = fates[header ? row_of(header->opcode).name : "short"];
        if (!d) {
            ASSERT_TRUE(d.error() == error(EPROTO) || d.error() == error(ENAMETOOLONG))
                << d.error().number();
            ++f.refused;
            continue;
        }
        ASSERT_EQ(test::broken_promise(*d, request, session), "") << "round " << round;
        ++f.passed;
    }
    // The damage must be neither always fatal nor never, or it proves little.
    EXPECT_GT(fates["short"].refused, 0U);
    EXPECT_EQ(fates["short"].passed, 0U);
    for (const op_row& row : op_rows()) {
        EXPECT_GT(fates[row.name].passed, 0U) << row.name;
        EXPECT_GT(fates[row.name].refused, 0U) << row.name;
    }
}

} // namespace
} // namespace puffs::fuse
