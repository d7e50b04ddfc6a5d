// What the kernel is told that it may keep, and what it need not ask.
#include "client.hh"
#include "tree_server.hh"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace puffs {
namespace {

using namespace testing;
using msg::cookie;
using msg::vn_op;

constexpr cookie root = cookie::root;

usermount_options owner() {
    usermount_options o;
    o.sole_owner = true;
    return o;
}

template <class Server>
struct one_file {
    explicit one_file(const usermount_options& o) : m(o) {
        m.server.add(1, "f", vtype::reg);
        f = c.lookup(root, "f")->node;
    }
    mounted<Server> m;
    client c{m.um};
    cookie f{};
};

TEST(caches, an_owner_with_nothing_to_do_at_open_is_not_asked) { // spec: X8
    one_file<tree_server> t(owner());
    EXPECT_EQ(t.c.open(t.f, O_RDWR).error(), error(ENOSYS));
    EXPECT_EQ(t.c.open(root, O_RDONLY).error(), error(ENOSYS));
    EXPECT_EQ(t.c.make(vn_op::create, root, "new", 0100644).error(), error(ENOSYS));
    EXPECT_TRUE(t.c.make(vn_op::mknod, root, "new", 0100644));
}

TEST(caches, a_server_whose_files_others_change_is_asked) { // spec: X8
    one_file<tree_server> t({});
    EXPECT_TRUE(t.c.open(t.f, O_RDWR));
    EXPECT_EQ(t.c.req.args.open.result_bits, 0U);
    EXPECT_TRUE(t.c.make(vn_op::create, root, "new", 0100644));
}

TEST(caches, an_owner_is_asked_for_what_it_has) {
    struct creates : tree_server {
        result<new_node> create(cc& c, node& dir, std::string_view name, const make_request& r) {
            return mknod(c, dir, name, r);
        }
    };
    one_file<creates> a(owner());
    EXPECT_TRUE(a.c.make(vn_op::create, root, "new", 0100644));

    struct closes : tree_server {
        int closed = 0;
        result<void> close(cc&, node&, int) {
            ++closed;
            return {};
        }
    };
    one_file<closes> b(owner());
    EXPECT_TRUE(b.c.open(b.f, O_RDONLY));
    EXPECT_EQ(b.c.req.args.open.result_bits, std::uint32_t{msg::open_keep_cache});
    EXPECT_TRUE(b.c.make(vn_op::create, root, "new", 0100644));
    EXPECT_EQ(b.c.close(b.f), 0);
    EXPECT_EQ(b.m.server.closed, 1);

    struct hears : tree_server {
        void inactive(cc&, node&) {}
    };
    one_file<hears> i(owner());
    EXPECT_TRUE(i.c.open(i.f, O_RDONLY));
}

TEST(caches, an_owners_open_implies_that_pages_and_directories_are_kept) {
    struct opens : tree_server {
        std::uint32_t bits = 0;
        result<open_reply> open(cc&, node&, int) { return open_reply{.handle = 1, .bits = bits}; }
    };
    one_file<opens> t(owner());
    const auto bits_of = [&t](cookie n, std::uint32_t said) {
        t.m.server.bits = said;
        EXPECT_TRUE(t.c.open(n, O_RDONLY));
        return t.c.req.args.open.result_bits;
    };
    constexpr std::uint32_t keep = msg::open_keep_cache, directory = msg::open_cache_dir;
    EXPECT_EQ(bits_of(t.f, 0), keep);
    EXPECT_EQ(bits_of(root, 0), keep | directory);
    EXPECT_EQ(bits_of(t.f, msg::open_nonseekable), keep | msg::open_nonseekable);
    EXPECT_EQ(bits_of(t.f, msg::open_direct_io), msg::open_direct_io);
    one_file<opens> others({});
    others.m.server.bits = msg::open_parallel_direct_writes;
    EXPECT_TRUE(others.c.open(others.f, O_RDONLY));
    EXPECT_EQ(others.c.req.args.open.result_bits, msg::open_parallel_direct_writes);
}

TEST(caches, a_kernel_that_collects_writes_reads_what_is_open_for_writing) {
    struct opens : tree_server {
        int flags = -1;
        result<open_reply> open(cc&, node&, int f) {
            flags = f;
            return open_reply{};
        }
    };
    usermount_options collecting;
    collecting.writeback_cache = true;
    one_file<opens> t(collecting), plain({});
    const auto opened = [](one_file<opens>& where, std::uint32_t flags) {
        EXPECT_TRUE(where.c.open(where.f, flags));
        return where.m.server.flags;
    };
    EXPECT_EQ(opened(t, O_WRONLY | O_APPEND | O_NOFOLLOW), O_RDWR | O_NOFOLLOW);
    EXPECT_EQ(opened(t, O_RDONLY), O_RDONLY);
    EXPECT_EQ(opened(t, O_RDWR), O_RDWR);
    EXPECT_EQ(opened(plain, O_WRONLY | O_APPEND), O_WRONLY | O_APPEND);
}

TEST(caches, a_getattr_says_how_long_its_attributes_are_good) { // spec: X8
    struct says : tree_server {
        result<attr> getattr(cc& c, node& n) {
            if (!n.is_dir()) {
                c.attr_timeout(std::chrono::milliseconds(7250));
            }
            return tree_server::getattr(c, n);
        }
        result<void> setattr(cc&, node&, const setattr_request&) { return {}; }
    };
    one_file<says> t({});
    const auto is_its_own = [](const msg::ttl& d) { return d.sec == 7 && d.nsec == 250'000'000; };
    const auto made = t.c.lookup(root, "f");
    ASSERT_TRUE(made);
    EXPECT_TRUE(is_its_own(made->attr_ttl));
    EXPECT_EQ(made->entry_ttl.sec, 1U);
    ASSERT_TRUE(t.c.getattr(t.f));
    EXPECT_TRUE(is_its_own(t.c.req.args.getattr.attr_ttl));
    ASSERT_EQ(t.c.setattr(t.f, msg::set_mode, {}), 0);
    EXPECT_TRUE(is_its_own(t.c.req.args.setattr.attr_ttl));
    ASSERT_TRUE(t.c.getattr(root)); // the mount's
    EXPECT_EQ(t.c.req.args.getattr.attr_ttl.sec, 1U);
}

} // namespace
} // namespace puffs
