// The life of nodes as requests see it: counts, answers taken back, reclaim against lookup, the end.
#include "client.hh"
#include "support/race_watch.hh"
#include "tree_server.hh"

#include <atomic>
#include <gtest/gtest.h>
#include <thread>

namespace puffs {
namespace {

using namespace testing;
using msg::cookie;
using msg::vn_op;

constexpr cookie root = cookie::root;

struct closing_server : tree_server {
    int closes = 0;
    std::uint64_t closed = 0;
    bool unmounted = false, forced = false;
    result<open_reply> open(cc&, node&, int) { return open_reply{.handle = 33, .bits = 0}; }
    result<void> close(cc& c, node&, int) {
        ++closes;
        closed = c.handle();
        return {};
    }
    result<new_node> create(cc& c, node& dir, std::string_view name, const make_request& r) {
        return mknod(c, dir, name, r);
    }
    result<new_node> symlink(cc& c, node& dir, std::string_view name, std::string_view target,
                             const make_request& r) {
        auto made = mknod(c, dir, name, r);
        at(made->id).data = target;
        return made;
    }
    void unmount(bool force) {
        unmounted = true;
        forced = force;
    }
};

struct life_test : ::testing::Test {
    mounted<closing_server> m;
    client c{m.um};
    void take_back() {
        ASSERT_EQ(c.req.head.rv, 0);
        c.take_back();
    }
};

TEST_F(life_test, an_answer_that_nobody_got_is_taken_back) { // spec: X6
    m.server.add(1, "f", vtype::reg);
    ASSERT_TRUE(c.lookup(root, "f"));
    take_back();
    EXPECT_EQ(m.um.live_nodes(), 1U);
    for (auto op : {vn_op::create, vn_op::mknod, vn_op::mkdir, vn_op::symlink}) {
        const std::string name = std::string("x") + msg::name_of(op);
        ASSERT_TRUE(c.make(op, root, name, 0644, op == vn_op::symlink ? "to" : "")) << name;
        EXPECT_EQ(m.um.live_nodes(), 2U);
        take_back();
        EXPECT_EQ(m.um.live_nodes(), 1U) << name;
    }
    const cookie f = c.lookup(root, "f")->node;
    ASSERT_TRUE(c.link(root, f, "g"));
    take_back();
    EXPECT_EQ(m.um.live_nodes(), 2U);
    EXPECT_EQ(c.give_back(f, 1), 0);
    EXPECT_EQ(m.um.live_nodes(), 1U);
    ASSERT_EQ(c.readdir(root, 4096, true), 0);
    EXPECT_EQ(m.um.live_nodes(), 6U);
    take_back();
    EXPECT_EQ(m.um.live_nodes(), 1U);
    ASSERT_EQ(c.readdir(root, 4096, false), 0);
    take_back(); // names nobody
}

TEST_F(life_test, an_open_that_nobody_got_is_closed) { // spec: X6
    m.server.add(1, "f", vtype::reg);
    const cookie f = c.lookup(root, "f")->node;
    ASSERT_TRUE(c.open(f, 0));
    take_back();
    EXPECT_EQ(m.server.closes, 1);
    EXPECT_EQ(m.server.closed, 33U);
    EXPECT_EQ(c.give_back(f, 1), 0);
    EXPECT_EQ(m.um.live_nodes(), 1U);
}

TEST_F(life_test, symlink_passes_name_and_target) {
    const auto made = c.make(vn_op::symlink, root, "l", 0, "over/there");
    ASSERT_TRUE(made);
    EXPECT_EQ(made->va.mode, 0120777U);
    EXPECT_EQ(m.server.at(made->va.ino).data, "over/there");
    EXPECT_EQ(c.make(vn_op::symlink, root, "m", 0, "").error(), error(ENOENT));
    EXPECT_EQ(c.make(vn_op::symlink, root, "m", 0, std::string(4096, 'x')).error(),
              error(ENAMETOOLONG));
    EXPECT_TRUE(c.make(vn_op::symlink, root, "m", 0, std::string(4095, 'x')));
}

TEST_F(life_test, finish_reclaims_what_is_left_and_unmounts) { // spec: X6
    const auto f = m.server.add(1, "f", vtype::reg);
    const auto g = m.server.add(1, "g", vtype::reg);
    ASSERT_TRUE(c.lookup(root, "f"));
    ASSERT_TRUE(c.open(c.lookup(root, "g")->node, 0));
    m.um.finish(true);
    EXPECT_EQ(m.server.reclaims[f], 1);
    EXPECT_EQ(m.server.reclaims[g], 1);
    EXPECT_FALSE(m.server.reclaims.contains(1)); // the root is the server's own
    EXPECT_TRUE(m.server.unmounted && m.server.forced);
    EXPECT_EQ(c.getattr(root).error(), error(ENXIO));
}

TEST_F(life_test, more_lookups_given_back_than_counted_are_told) {
    m.server.add(1, "f", vtype::reg);
    const cookie f = c.lookup(root, "f")->node;
    EXPECT_EQ(c.give_back(f, 2), ESTALE);
    EXPECT_EQ(m.um.live_nodes(), 1U);
    EXPECT_EQ(c.give_back(f, 1), ESTALE);
    EXPECT_EQ(c.give_back(root, 7), 0);
    EXPECT_TRUE(c.getattr(root));
}

TEST(life, nodes_max_is_told_as_enfile_and_passes) {
    usermount_options o;
    o.nodes_max = 2;
    mounted<tree_server> m(o);
    client c(m.um);
    m.server.add(1, "f", vtype::reg);
    m.server.add(1, "g", vtype::reg);
    const cookie f = c.lookup(root, "f")->node;
    EXPECT_EQ(c.lookup(root, "g").error(), error(ENFILE));
    EXPECT_EQ(c.give_back(f, 1), 0);
    EXPECT_TRUE(c.lookup(root, "g"));
}

// A server whose ids are the addresses of objects that its reclaim frees: the case in which an answer
// that crossed a reclaim is worthless.
struct address_server {
    struct thing {
        int magic = 0x600d;
    };
    std::mutex mu;
    thing* known = nullptr;
    int made = 0, freed = 0, lookups = 0;
    std::function<void()> after_find; // between the server's decision and its answer
    std::function<void()> in_reclaim;

    result<new_node> lookup(cc&, node&, std::string_view) {
        thing* t = nullptr;
        {
            std::lock_guard g(mu);
            ++lookups;
            if (known == nullptr) {
                known = new thing;
                ++made;
            }
            t = known;
        }
        if (auto f = std::exchange(after_find, nullptr)) {
            f();
        }
        new_node n;
        n.id = reinterpret_cast<std::uintptr_t>(t);
        n.type = vtype::reg;
        return n;
    }
    result<attr> getattr(cc&, node& n) {
        attr va;
        if (n.is_dir()) {
            va.mode = 040755;
            return va;
        }
        std::lock_guard g(mu);
        EXPECT_EQ(&n.as<thing>(), known) << "an object that the server has thrown away";
        va.mode = 0100644;
        return va;
    }
    void reclaim(cc&, node& n) {
        if (auto f = std::exchange(in_reclaim, nullptr)) {
            f();
        }
        std::lock_guard g(mu);
        EXPECT_EQ(&n.as<thing>(), known);
        known = nullptr;
        ++freed;
        delete &n.as<thing>();
    }
};

TEST(life, a_lookup_that_crosses_a_reclaim_asks_again) { // spec: X6
    mounted<address_server> m;
    client c(m.um);
    const cookie f = c.lookup(root, "f")->node;
    m.server.after_find = [&] { EXPECT_EQ(client(m.um).give_back(f, 1), 0); };
    const auto again = c.lookup(root, "f");
    ASSERT_TRUE(again);
    EXPECT_NE(again->node, f);
    EXPECT_EQ(m.server.made, 2);
    EXPECT_EQ(m.server.freed, 1);
    EXPECT_EQ(m.server.lookups, 3);
    EXPECT_EQ(c.give_back(again->node, 1), 0);
}

TEST(life, a_lookup_during_a_reclaim_waits_and_asks_again) { // spec: X6
    if (!sim::race_points) {
        GTEST_SKIP() << "built without race points: nobody knows when the finder waits";
    }
    mounted<address_server> m;
    client c(m.um);
    const cookie f = c.lookup(root, "f")->node;
    std::thread finder;
    std::atomic<bool> found{false};
    const sim::race_watch waits("node_table wait for reclaim");
    m.server.in_reclaim = [&] {
        finder = std::thread([&] {
            waits.begin();
            EXPECT_NE(client(m.um).lookup(root, "f")->node, f);
            found.store(true, std::memory_order_release);
        });
        waits.wait();
        EXPECT_FALSE(found.load(std::memory_order_acquire));
    };
    EXPECT_EQ(c.give_back(f, 1), 0);
    finder.join();
    EXPECT_EQ(m.server.freed, 1);
    m.um.finish(false);
    EXPECT_EQ(m.server.freed, 2);
}

TEST(life, a_lookup_that_is_crossed_every_time_gives_up_with_estale) {
    struct unlucky : tree_server {
        std::function<void()> after;
        int lookups = 0;
        result<new_node> lookup(cc& c, node& dir, std::string_view name) {
            auto found = tree_server::lookup(c, dir, name);
            ++lookups;
            if (name == "f" && after) {
                after();
            }
            return found;
        }
    };
    mounted<unlucky> m;
    client c(m.um);
    const auto d = m.server.add(1, "d", vtype::dir);
    m.server.add(1, "f", vtype::reg);
    m.server.at(d).names.emplace("other", m.server.at(1).names.at("f"));
    const cookie dir = c.lookup(root, "d")->node;
    m.server.after = [&] { // somebody finds it through the other name and gives it back
        client k(m.um);
        EXPECT_EQ(k.give_back(k.lookup(dir, "other")->node, 1), 0);
    };
    m.server.lookups = 0;
    EXPECT_EQ(c.lookup(root, "f").error(), error(ESTALE));
    EXPECT_EQ(m.server.lookups, 64); // 32 of ours, 32 of the other
    m.server.after = nullptr;
    EXPECT_TRUE(c.lookup(root, "f"));
}

} // namespace
} // namespace puffs
