// A channel by itself; what it does with a connection is tested over real mounts.
#include "fuse/dev_channel.hh"

#include "puffs/lwkt/runtime.hh"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <new>
#include <unistd.h>

namespace puffs::fuse {
namespace {

// A channel that could not read its first request would wait for ever: nothing is out whose end lets it go on.
// spec: X2
TEST(dev_channel, has_a_frame_to_read_into_or_does_not_come_to_be) {
    auto made = lwkt::runtime::create({});
    ASSERT_TRUE(made);
    lwkt::runtime& cores = **made;
    kmod::puffs_mount mount(cores.domain());
    opmap map(mount, {}, [](const auto&) {});
    const auto open_channel = [&](std::size_t max_write_bytes) {
        const int fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
        dev_channel channel(fd, cores.at(0), cores.ring_of(0), map,
                            {.max_write_bytes = max_write_bytes}, [](int) {});
        EXPECT_EQ(channel.frames_out(), 0U);
    };
    EXPECT_NO_THROW(open_channel(limits::payload_bytes));
    EXPECT_THROW(open_channel(std::size_t{1} << 50),
                 std::bad_alloc); // more than there are addresses
}

} // namespace
} // namespace puffs::fuse
