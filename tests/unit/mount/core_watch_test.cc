#include "mount/core_watch.hh"

#include "puffs/msg/work_note.hh"

#include <chrono>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace puffs::kmod {
namespace {

using namespace std::chrono_literals;

msg::header header_of(msg::opclass c, std::uint32_t op, msg::cookie node) {
    msg::header h;
    h.id = 0x0102030405060708;
    h.opclass = static_cast<std::uint32_t>(c);
    h.optype = op;
    h.node = node;
    return h;
}

std::string text_of(const msg::header& h) {
    const lwkt::watchdog::offence o{3, msg::note_of(h), static_cast<std::uint64_t>(h.node), 1250ms};
    return offence_text("memfs on /mnt", o, 7);
}

TEST(offence_text, names_server_operation_node_core_and_time) {
    EXPECT_EQ(text_of(header_of(msg::opclass::vn, static_cast<std::uint32_t>(msg::vn_op::read),
                                msg::make_cookie(5, 2))),
              "memfs on /mnt: read of node 5.2 has held core 3 (CPU 7) for 1.2 s");
}

TEST(offence_text, knows_operations_without_a_node) {
    EXPECT_EQ(text_of(header_of(msg::opclass::vfs, static_cast<std::uint32_t>(msg::vfs_op::statvfs),
                                msg::cookie::none)),
              "memfs on /mnt: statvfs has held core 3 (CPU 7) for 1.2 s");
}

TEST(work_note, of_an_operation_is_never_nothing_and_differs_from_that_of_the_next_request) {
    auto h = header_of(msg::opclass::vn, static_cast<std::uint32_t>(msg::vn_op::lookup),
                       msg::cookie::root);
    const std::uint64_t first = msg::note_of(h);
    EXPECT_NE(first, 0U);
    h.id += 1U << 24; // the next generation of the same slot
    EXPECT_NE(msg::note_of(h), first);
    h.id = 0; // fire and forget
    EXPECT_NE(msg::note_of(h), 0U);
}

TEST(line_limit, lets_so_many_through_in_each_span_and_counts_the_others) {
    line_limit limit(3, 1min);
    instant now{5};
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(limit.take(now));
        now = now.after(1s);
    }
    EXPECT_EQ(limit.take_refused(), 0U);
    EXPECT_FALSE(limit.take(now));
    EXPECT_FALSE(limit.take(now.after(56s)));
    EXPECT_TRUE(limit.take(now.after(57s))) << "a minute after the first";
    EXPECT_EQ(limit.take_refused(), 2U);
    EXPECT_EQ(limit.take_refused(), 0U);
}

} // namespace
} // namespace puffs::kmod
