#include "fuse/init.hh"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace puffs::fuse {
namespace {

namespace f = wire::init_flag;
using testing::HasSubstr;

wire::init_in offer_of(std::uint32_t minor, std::uint64_t flags) {
    wire::init_in in{};
    in.major = 7;
    in.minor = minor;
    in.max_readahead = 131072;
    in.flags = static_cast<std::uint32_t>(flags);
    in.flags2 = static_cast<std::uint32_t>(flags >> 32);
    return in;
}

constexpr std::uint64_t everything = f::bit(43) - 1;

TEST(init, grants_what_is_both_offered_and_asked) {
    init_options asked;
    asked.writeback_cache = true;
    asked.parallel_dirops = false;
    const auto g = negotiate(offer_of(45, everything & ~f::async_dio), asked);
    ASSERT_TRUE(g);
    EXPECT_TRUE(g->has(f::writeback_cache | f::async_read | f::init_ext));
    EXPECT_FALSE(g->has(f::parallel_dirops)); // offered, not asked
    EXPECT_FALSE(g->has(f::async_dio));       // asked, not offered
    EXPECT_EQ(g->granted & ~g->offered, 0U);
    EXPECT_EQ(g->granted & ~g->asked, 0U);
    EXPECT_EQ(g->reply.flags, static_cast<std::uint32_t>(g->granted));
    EXPECT_EQ(g->reply.flags2, static_cast<std::uint32_t>(g->granted >> 32));
}

// What nothing here serves: locks of the server, LOOKUP of "..", OPEN that truncates, notifications.
TEST(init, never_asks_for_what_it_could_not_keep) {
    const auto g = negotiate(offer_of(45, everything), {});
    ASSERT_TRUE(g);
    EXPECT_EQ(g->asked & (f::posix_locks | f::flock_locks | f::export_support | f::atomic_o_trunc |
                          f::has_resend | f::has_expire_only),
              0U);
    EXPECT_TRUE(g->has(f::no_open_support | f::no_opendir_support | f::abort_error));
}

TEST(init, high_flags_count_only_with_init_ext) {
    const auto g = negotiate(offer_of(35, everything & ~f::init_ext), {});
    ASSERT_TRUE(g);
    EXPECT_EQ(g->offered >> 32, 0U);
    EXPECT_EQ(g->reply.flags2, 0U);
}

TEST(init, speaks_the_older_of_both_minors) {
    EXPECT_EQ(negotiate(offer_of(36, everything), {})->reply.minor, 36U);
    EXPECT_EQ(negotiate(offer_of(36, everything), {})->limits.minor, 36U);
    EXPECT_EQ(negotiate(offer_of(99, everything), {})->reply.minor, 45U);
    EXPECT_EQ(negotiate(offer_of(99, everything), {})->reply.major, 7U);
}

TEST(init, refuses_a_kernel_older_than_7_31) {
    EXPECT_TRUE(negotiate(offer_of(31, everything), {}));
    const auto old = negotiate(offer_of(30, everything), {});
    ASSERT_FALSE(old);
    EXPECT_THAT(old.error(), HasSubstr("7.30"));
    EXPECT_THAT(old.error(), HasSubstr("7.31"));
    wire::init_in other = offer_of(45, everything);
    other.major = 8;
    ASSERT_FALSE(negotiate(other, {}));
}

TEST(init, sizes_follow_the_options) {
    init_options asked;
    asked.max_write_bytes = 65536;
    asked.max_read_bytes = 131072;
    asked.max_readahead_bytes = 16384;
    asked.max_background = 100;
    const auto g = negotiate(offer_of(45, everything), asked);
    ASSERT_TRUE(g);
    EXPECT_EQ(g->reply.max_write, 65536U);
    EXPECT_EQ(g->reply.max_pages, 32U);
    EXPECT_EQ(g->reply.max_readahead, 16384U);
    EXPECT_EQ(g->reply.max_background, 100U);
    EXPECT_EQ(g->reply.congestion_threshold, 75U);
    EXPECT_EQ(g->reply.time_gran, 1U);
    EXPECT_EQ(g->limits.max_write_bytes, 65536U);
    EXPECT_EQ(g->limits.max_read_bytes, 131072U);
    EXPECT_EQ(g->limits.max_readdir_bytes, 131072U);
}

// spec: X2
TEST(init, small_requests_leave_room_for_attributes_where_the_kernel_lends_no_more) {
    init_options asked;
    asked.max_write_bytes = asked.max_read_bytes = 4096;
    EXPECT_EQ(negotiate(offer_of(45, everything), asked)->reply.max_pages, 1U);
    asked.io_uring = true;
    const auto g = negotiate(offer_of(45, everything), asked);
    EXPECT_EQ(g->reply.max_pages, 17U); // 255 + 1 + 65536 bytes
    EXPECT_EQ(uring_payload_bytes(asked), 17U * 4096);
    EXPECT_EQ(g->reply.max_write, 4096U);
    EXPECT_EQ(g->limits.max_read_bytes, 4096U);
    EXPECT_EQ(g->limits.max_readdir_bytes, 17U * 4096);
    asked.max_read_bytes = 131072;
    EXPECT_EQ(uring_payload_bytes(asked), 131072U);
    asked.max_read_bytes = 0;
    EXPECT_EQ(uring_payload_bytes(asked), std::size_t{limits::payload_bytes});
}

TEST(init, defaults_are_one_mebibyte) {
    const auto g = negotiate(offer_of(45, everything), {});
    ASSERT_TRUE(g);
    EXPECT_EQ(g->reply.max_write, 1U << 20);
    EXPECT_EQ(g->reply.max_pages, 256U);
    EXPECT_EQ(g->limits.max_read_bytes, 1U << 20);
    EXPECT_EQ(g->reply.max_readahead, 131072U); // what the kernel offers
}

TEST(init, without_max_pages_a_request_has_32_pages) {
    const auto g = negotiate(offer_of(31, everything & ~f::max_pages), {});
    ASSERT_TRUE(g);
    EXPECT_EQ(g->reply.max_write, 131072U);
    EXPECT_EQ(g->limits.max_read_bytes, 131072U);
    EXPECT_EQ(g->limits.max_readdir_bytes, 131072U);
}

TEST(init, without_big_writes_a_write_has_one_page) {
    init_options asked;
    asked.big_writes = false;
    const auto g = negotiate(offer_of(45, everything), asked);
    ASSERT_TRUE(g);
    EXPECT_EQ(g->reply.max_write, 4096U);
    EXPECT_EQ(g->limits.max_write_bytes, 4096U);
    EXPECT_EQ(g->limits.max_read_bytes, 1U << 20);
}

TEST(init, access_lists_bring_what_they_need) {
    init_options asked;
    EXPECT_FALSE(negotiate(offer_of(45, everything), asked)->limits.setxattr_ext);
    asked.posix_acl = true;
    const auto g = negotiate(offer_of(45, everything), asked);
    EXPECT_TRUE(g->has(f::posix_acl | f::dont_mask | f::setxattr_ext));
    EXPECT_TRUE(g->limits.setxattr_ext);
}

TEST(init, readdirplus_and_invalidation_have_their_modes) {
    init_options asked;
    auto g = negotiate(offer_of(45, everything), asked);
    EXPECT_TRUE(g->has(f::do_readdirplus | f::readdirplus_auto | f::auto_inval_data));
    EXPECT_FALSE(g->has(f::explicit_inval_data));
    asked.readdirplus = readdirplus_use::always;
    asked.invalidation = page_inval::told;
    g = negotiate(offer_of(45, everything), asked);
    EXPECT_TRUE(g->has(f::do_readdirplus | f::explicit_inval_data));
    EXPECT_FALSE(g->has(f::readdirplus_auto));
    EXPECT_FALSE(g->has(f::auto_inval_data));
    asked.readdirplus = readdirplus_use::never;
    g = negotiate(offer_of(45, everything), asked);
    EXPECT_EQ(g->granted & (f::do_readdirplus | f::readdirplus_auto), 0U);
}

TEST(init, options_out_of_range_are_named) {
    const auto problem = [](auto change) {
        init_options o;
        change(o);
        EXPECT_FALSE(negotiate(offer_of(45, everything), o));
        return problem_of(o).value_or("no problem");
    };
    EXPECT_FALSE(problem_of({}));
    EXPECT_THAT(problem([](init_options& o) { o.max_write_bytes = 5000; }),
                HasSubstr("max_write=5000"));
    EXPECT_THAT(problem([](init_options& o) { o.max_write_bytes = 0; }), HasSubstr("max_write=0"));
    EXPECT_THAT(problem([](init_options& o) { o.max_write_bytes = 2 << 20; }),
                HasSubstr("1048576"));
    EXPECT_THAT(problem([](init_options& o) { o.max_read_bytes = 100; }),
                HasSubstr("max_read=100"));
    EXPECT_THAT(problem([](init_options& o) { o.max_background = 0; }),
                HasSubstr("max_background=0"));
    EXPECT_THAT(problem([](init_options& o) { o.congestion_threshold = 65; }),
                HasSubstr("congestion_threshold=65"));
}

TEST(init, flags_have_names) {
    EXPECT_EQ(flag_names(0), "none");
    EXPECT_EQ(flag_names(f::async_read | f::big_writes | f::request_timeout),
              "async_read big_writes request_timeout");
    EXPECT_EQ(flag_names(f::over_io_uring | f::bit(43)), "over_io_uring bit43");
    EXPECT_EQ(flag_names(f::has_resend), "has_resend");
    EXPECT_EQ(flag_names(f::cache_symlinks), "cache_symlinks");
}

TEST(init, describes_what_was_granted_refused_and_left) {
    init_options asked;
    asked.io_uring = true;
    const auto g = negotiate(offer_of(44, f::init_ext | f::async_read | f::posix_locks), asked);
    ASSERT_TRUE(g);
    const std::string text = g->describe();
    EXPECT_THAT(text, HasSubstr("FUSE 7.44, kernel 7.44"));
    EXPECT_THAT(text, HasSubstr("granted: async_read init_ext\n"));
    EXPECT_THAT(text, HasSubstr("offered, not asked: posix_locks"));
    const std::string refused = text.substr(text.find("asked, not offered:"));
    EXPECT_THAT(refused, HasSubstr("over_io_uring"));
}

} // namespace
} // namespace puffs::fuse
