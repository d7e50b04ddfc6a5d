// What the options of a mount ask of the kernel, and what comes of it at INIT.
#include "mount/init_of.hh"

#include "fuse/wire_init.hh"
#include "mount/option_list.hh"

#include <gtest/gtest.h>

namespace puffs::kmod {
namespace {

namespace f = fuse::wire::init_flag;

mount_options with(const std::string& list, mount_options o = {}) {
    const auto applied = apply_option_list(o, list);
    EXPECT_TRUE(applied) << applied.error();
    return o;
}

mount_options owner() {
    mount_options o;
    o.user.sole_owner = true;
    o.clears_set_id = true;
    return o;
}

// What a kernel that offers everything grants.
fuse::init_grant granted(const mount_options& o, std::size_t cores = 2) {
    fuse::wire::init_in offer{};
    offer.major = fuse::wire::version_major;
    offer.minor = fuse::wire::version_minor;
    offer.max_readahead = 131072;
    offer.flags = offer.flags2 = ~std::uint32_t{0};
    auto g = fuse::negotiate(offer, init_of(o, cores, false));
    EXPECT_TRUE(g) << g.error();
    return *g;
}

TEST(init_of, requests_in_the_background_grow_with_the_cores) {
    EXPECT_EQ(granted({}, 1).reply.max_background, 64);
    EXPECT_EQ(granted({}, 4).reply.max_background, 64);
    EXPECT_EQ(granted({}, 32).reply.max_background, 512);
    EXPECT_EQ(granted({}, 32).reply.congestion_threshold, 384);
    EXPECT_EQ(granted({}, 256).reply.max_background, 4096);
}

TEST(init_of, requests_in_the_background_are_what_is_asked) {
    const auto g = granted(with("max_background=10,congestion_threshold=4"));
    EXPECT_EQ(g.reply.max_background, 10);
    EXPECT_EQ(g.reply.congestion_threshold, 4);
    EXPECT_TRUE(
        fuse::problem_of(init_of(with("max_background=4,congestion_threshold=5"), 2, false)));
    mount_options o;
    EXPECT_FALSE(apply_option_list(o, "congestion_threshold=0"));
    EXPECT_FALSE(apply_option_list(o, "congestion_threshold=65536"));
    EXPECT_FALSE(apply_option_list(o, "congestion_threshold"));
}

TEST(init_of, directories_are_searched_by_several_callers_at_once) {
    EXPECT_TRUE(granted({}).has(f::parallel_dirops));
}

TEST(init_of, attributes_come_with_directory_entries) {
    EXPECT_TRUE(granted({}).has(f::do_readdirplus | f::readdirplus_auto));
    EXPECT_FALSE(granted(with("readdirplus=yes")).has(f::readdirplus_auto));
    EXPECT_FALSE(granted(with("readdirplus=no")).has(f::do_readdirplus));
}

TEST(init_of, what_others_change_is_not_kept_for_good) {
    const auto g = granted({});
    EXPECT_FALSE(g.has(f::cache_symlinks));
    EXPECT_TRUE(g.has(f::auto_inval_data));
}

TEST(init_of, what_nobody_else_changes_is_kept) {
    const auto g = granted(owner());
    EXPECT_TRUE(g.has(f::cache_symlinks | f::explicit_inval_data | f::handle_killpriv_v2));
    EXPECT_FALSE(g.has(f::auto_inval_data));
}

// The kernel starts a program by the mode that it has, and asks for it only with the first.
TEST(init_of, pages_are_compared_where_set_id_bits_count_and_the_server_clears_them) {
    EXPECT_TRUE(granted(with("suid", owner())).has(f::auto_inval_data));
    EXPECT_TRUE(granted(with("nosuid,suid", owner())).has(f::auto_inval_data));
    EXPECT_TRUE(granted(with("suid,nosuid", owner())).has(f::explicit_inval_data));
    EXPECT_TRUE(granted(with("suid,writeback_cache", owner())).has(f::explicit_inval_data));
    mount_options kernel_clears = owner();
    kernel_clears.clears_set_id = false;
    EXPECT_TRUE(granted(with("suid", kernel_clears)).has(f::explicit_inval_data));
}

TEST(init_of, writes_are_collected_when_asked) {
    EXPECT_FALSE(granted({}).has(f::writeback_cache));
    const mount_options o = with("writeback_cache", owner());
    EXPECT_TRUE(granted(o).has(f::writeback_cache));
    EXPECT_FALSE(granted(o).has(f::handle_killpriv_v2));
    EXPECT_TRUE(o.user.writeback_cache);
}

} // namespace
} // namespace puffs::kmod
