// Policy home: operations run where their nodes live, one at a time on each.
#include "home_rig.hh"
#include "support/no_memory.hh"
#include "support/sanitized.hh"

namespace puffs {
namespace {

using namespace testing;
using msg::cookie;
using msg::vn_op;

constexpr cookie root = cookie::root;

// spec: H4
TEST(home, the_root_lives_on_core_0_and_nodes_everywhere) {
    home_rig h;
    EXPECT_EQ(h.m.um.home_of(h.m.um.root()), 0U);
    for (core_id c = 0; c < home_rig::cores; ++c) {
        EXPECT_GE(h.files[c].size(), 2U);
        EXPECT_GE(h.dirs[c].size(), 2U);
    }
}

// spec: H4
TEST(home, an_operation_runs_on_the_home_of_its_node_whoever_asks) {
    home_rig h;
    for (core_id asker = 0; asker < home_rig::cores; ++asker) {
        for (core_id c = 0; c < home_rig::cores; ++c) {
            int done = 0;
            h.on(asker, [&] {
                client k(h.m.um);
                const auto& f = h.files[c][0];
                EXPECT_TRUE(k.getattr(f.node));
                EXPECT_TRUE(k.write(f.node, "x"));
                EXPECT_TRUE(
                    k.make(vn_op::mknod, h.dirs[c][0].node, fmt::format("f{}", asker), 0100644));
                EXPECT_TRUE(k.lookup(h.dirs[c][0].node, fmt::format("f{}", asker)));
                EXPECT_EQ(k.readdir(root, 4096, true), 0);
                EXPECT_EQ(k.vfs(msg::vfs_op::statvfs), 0);
                EXPECT_EQ(ipi::cpu::current().id(), asker);
                ++done;
            });
            EXPECT_EQ(done, 1);
        }
    }
    EXPECT_EQ(h.m.server.broken, "");
}

// spec: H4 H6
TEST(home, an_operation_that_is_at_home_sends_no_message) {
    home_rig h;
    const auto before = h.ipis();
    for (core_id c = 0; c < home_rig::cores; ++c) {
        int done = 0;
        h.on(c, [&] {
            client k(h.m.um);
            const auto switches = h.r.at(c).sched_stats().switches.load(std::memory_order_relaxed);
            EXPECT_TRUE(k.getattr(h.files[c][0].node));
            EXPECT_EQ(h.r.at(c).sched_stats().switches.load(std::memory_order_relaxed), switches);
            const auto dir = h.dirs[c][0].node;
            EXPECT_EQ(k.rename(dir, "no", h.dirs[c][1].node, "name"), ENOENT);
            ++done;
        });
        EXPECT_EQ(done, 1);
    }
    EXPECT_EQ(h.ipis(), before);
}

// spec: H4
TEST(home, a_node_is_kept_while_its_operation_sleeps_and_its_core_is_not) {
    home_rig h;
    h.m.server.waits = true;
    const auto& f = h.files[2];
    std::string order;
    h.on(0, [&] {
        EXPECT_TRUE(client(h.m.um).read(f[0].node, 1));
        order += 'a';
    });
    h.m.server.log.clear();
    h.on(1, [&] {
        EXPECT_TRUE(client(h.m.um).getattr(f[0].node)); // from a third core
        order += 'b';
    });
    h.on(2, [&] {
        EXPECT_TRUE(client(h.m.um).getattr(f[0].node)); // from the home itself
        order += 'c';
    });
    h.on(1, [&] {
        EXPECT_TRUE(client(h.m.um).getattr(f[1].node)); // another node of that core
        order += 'd';
    });
    EXPECT_EQ(order, "d");
    EXPECT_EQ(h.m.server.log.size(), 1U);
    h.open_gate();
    EXPECT_EQ(order.size(), 4U);
    EXPECT_EQ(h.m.server.log.size(), 3U);
}

// spec: H4
TEST(home, requests_of_one_core_reach_a_node_in_their_order) {
    home_rig h;
    const auto node = h.files[1][0].node;
    for (std::uint64_t i = 0; i < 20; ++i) {
        h.r.spawn(2, [&, i] { EXPECT_TRUE(client(h.m.um).write(node, "x", i)); });
    }
    h.r.settle();
    ASSERT_EQ(h.m.server.writes.size(), 20U);
    for (std::uint64_t i = 0; i < 20; ++i) {
        EXPECT_EQ(h.m.server.writes[i], i);
    }
}

// spec: H5
TEST(home, an_operation_on_two_nodes_runs_on_the_higher_home_and_has_both) {
    for (core_id asker = 0; asker < home_rig::cores; ++asker) {
        home_rig h;
        h.m.server.waits = true;
        const auto& dir = h.dirs[1][0];
        const auto& f = h.files[2][0];
        int linked = 0, asked = 0;
        h.on(asker, [&] {
            EXPECT_TRUE(several(h.m.um).link(dir.node, f.node, "l"));
            ++linked;
        });
        ASSERT_EQ(h.m.server.log.size(), 1U);
        EXPECT_EQ(h.m.server.log[0], fmt::format("link {} {} on 2", dir.id, f.id));
        for (const cookie n : {dir.node, f.node}) {
            for (core_id c = 0; c < home_rig::cores; ++c) {
                h.on(c, [&, n] {
                    EXPECT_TRUE(client(h.m.um).getattr(n));
                    ++asked;
                });
            }
        }
        EXPECT_EQ(asked, 0);
        EXPECT_EQ(linked, 0);
        h.open_gate();
        EXPECT_EQ(linked, 1);
        EXPECT_EQ(asked, 6);
    }
}

// Names moved to and fro between directories of all cores, by all cores at once: nobody waits for ever.
// spec: H5
TEST(home, operations_on_many_nodes_end_whatever_they_want) {
    home_rig h;
    int done = 0;
    for (core_id c = 0; c < home_rig::cores; ++c) {
        h.on(c, [&, c] {
            EXPECT_TRUE(client(h.m.um).make(vn_op::mknod, h.dirs[c][0].node, "f", 0100644));
            EXPECT_TRUE(client(h.m.um).make(vn_op::mknod, h.dirs[c][1].node, "f", 0100644));
        });
    }
    constexpr int rounds = 6;
    for (core_id a = 0; a < home_rig::cores; ++a) {
        for (core_id b = 0; b < home_rig::cores; ++b) {
            h.r.spawn(static_cast<core_id>((a + b) % home_rig::cores), [&, a, b] {
                client k = several(h.m.um);
                for (int i = 0; i < rounds; ++i) {
                    const cookie from = h.dirs[a][0].node, to = h.dirs[b][1].node;
                    EXPECT_EQ(k.rename(from, "f", to, "f", tree_server::rename_flags), 0);
                    static_cast<void>(k.link(to, h.files[a][0].node, fmt::format("l{}", i)));
                    static_cast<void>(k.remove(to, fmt::format("l{}", i)));
                    EXPECT_TRUE(client(h.m.um).getattr(from));
                }
                ++done;
            });
        }
    }
    h.r.settle();
    EXPECT_EQ(done, 9);
}

// spec: H5
TEST(home, a_request_that_comes_to_nothing_gives_its_pins_back) {
    home_rig h;
    const cookie dir = h.dirs[1][0].node;
    int done = 0;
    h.on(0, [&] {
        client k(h.m.um);
        EXPECT_EQ(k.rename(dir, "a/b", h.dirs[2][0].node, "x"), EINVAL); // seen on the second home
        EXPECT_EQ(k.rename(dir, "a", h.files[2][0].node, "x"), ENOTDIR);
        EXPECT_EQ(k.link(dir, msg::make_cookie(msg::slot_of(h.files[2][0].node), 7), "x").error(),
                  error(ESTALE));
        // And where the first of the two is no node.
        EXPECT_EQ(k.link(h.dirs[2][0].node, msg::make_cookie(msg::slot_of(dir), 7), "x").error(),
                  error(ESTALE));
        ++done;
    });
    h.on(1, [&] {
        EXPECT_TRUE(client(h.m.um).getattr(dir));
        EXPECT_TRUE(client(h.m.um).getattr(h.dirs[2][0].node));
        ++done;
    });
    EXPECT_EQ(done, 2);
}

// spec: H4 X6
TEST(home, a_node_is_reclaimed_at_home_wherever_its_last_use_ends) {
    home_rig h;
    h.m.server.waits = true;
    const auto& dir = h.dirs[1][0];
    const auto& f = h.files[2][0];
    const auto& g = h.files[0][0];
    // The operation that keeps the node runs elsewhere than on its home, and the kernel forgets the node meanwhile.
    h.on(0, [&] { EXPECT_EQ(several(h.m.um).remove(root, f.name), 0); });
    h.on(2, [&] { EXPECT_TRUE(several(h.m.um).link(dir.node, g.node, "l")); });
    h.on(0, [&] {
        EXPECT_EQ(client(h.m.um).give_back(f.node, 1), 0);
        EXPECT_EQ(client(h.m.um).give_back(g.node, 1), 0);
    });
    EXPECT_EQ(h.m.server.reclaims.size(), 0U);
    h.open_gate();
    EXPECT_EQ(h.m.server.reclaims[f.id], 1);
    EXPECT_EQ(h.m.server.log.back(), fmt::format("reclaim {} on 2", f.id));
    h.on(1, [&] { EXPECT_EQ(client(h.m.um).give_back(g.node, 1), 0); }); // the lookup of the link
    EXPECT_EQ(h.m.server.log.back(), fmt::format("reclaim {} on 0", g.id));
}

// spec: H4
TEST(home, what_the_server_throws_on_another_core_is_the_error_of_the_request) {
    home_rig h;
    const auto& f = h.files[2][0];
    h.m.server.throws = f.id;
    int rv = 0;
    h.on(1, [&] { rv = client(h.m.um).lookup(root, f.name).error().number(); });
    EXPECT_EQ(rv, EIO);
}

// spec: H4
TEST(home, a_request_that_finds_no_memory_for_a_thread_waits) {
    if (sim::sanitized) GTEST_SKIP() << "the sanitizer itself needs memory";
    home_rig h({.cached_threads = 0});
    const auto& f = h.files[2][0];
    int done = 0;
    h.r.spawn(1, [&] {
        EXPECT_TRUE(client(h.m.um).getattr(f.node));
        ++done;
    });
    {
        const sim::no_memory limit;
        h.r.settle();
    }
    EXPECT_EQ(done, 0);
    h.r.clock.advance(std::chrono::milliseconds(2));
    h.r.settle();
    EXPECT_EQ(done, 1);
}

// spec: H4
TEST(home, on_one_core_everything_is_at_home) {
    mounted<tree_server> m(home_rig::options(), 1);
    test::rig r(1);
    m.server.add(1, "f", vtype::reg);
    int done = 0;
    r.spawn(0, [&] {
        client k(m.um);
        const cookie f = k.lookup(root, "f")->node;
        EXPECT_TRUE(k.link(root, f, "g"));
        EXPECT_EQ(k.rename(root, "f", root, "h"), 0);
        EXPECT_EQ(k.remove(root, "h"), 0);
        ++done;
    });
    r.settle();
    EXPECT_EQ(done, 1);
}

} // namespace
} // namespace puffs
