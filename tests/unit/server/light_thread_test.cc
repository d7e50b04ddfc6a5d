// Requests on light threads of one core: who waits, waits as a thread, and the core goes on.
#include "client.hh"
#include "support/lwkt/rig.hh"
#include "tree_server.hh"

namespace puffs {
namespace {

using namespace testing;
using msg::cookie;

constexpr cookie root = cookie::root;

struct yielding_server : tree_server {
    int inside = 0, most = 0;
    std::string log;
    result<std::size_t> read(cc&, node&, std::span<std::byte>, std::uint64_t) {
        most = std::max(most, ++inside);
        lwkt::yield();
        lwkt::yield();
        --inside;
        return std::size_t{0};
    }
    void reclaim(cc& c, node& n) {
        log += 'r';
        while (log.find('l') == std::string::npos) { // until somebody has looked it up
            lwkt::yield();
        }
        tree_server::reclaim(c, n);
        log += 'R';
    }
    result<new_node> lookup(cc& c, node& dir, std::string_view name) {
        log += 'l';
        return tree_server::lookup(c, dir, name);
    }
};

TEST(light_threads, take_turns_on_a_node_and_do_not_hold_the_core) { // spec: X8 T11
    mounted<yielding_server> m;
    m.server.add(1, "f", vtype::reg);
    m.server.add(1, "g", vtype::reg);
    client setup(m.um);
    const cookie f = setup.lookup(root, "f")->node, g = setup.lookup(root, "g")->node;
    test::rig r(1);
    int done = 0;
    for (const cookie n : {f, f, f}) {
        r.spawn(0, [&, n] {
            EXPECT_TRUE(client(m.um).read(n, 1));
            ++done;
        });
    }
    r.settle();
    EXPECT_EQ(done, 3);
    EXPECT_EQ(m.server.most, 1);
    r.spawn(0, [&] { EXPECT_TRUE(client(m.um).read(f, 1)); });
    r.spawn(0, [&] { EXPECT_TRUE(client(m.um).read(g, 1)); });
    r.settle();
    EXPECT_EQ(m.server.most, 2); // two nodes: the one that waits inside lets the other in
}

// The woken thread outranks the one that reclaims, so that the core would rather run it at once: the
// map's lock must not be held then.
TEST(light_threads, a_lookup_that_waits_for_a_reclaim_is_woken_without_the_lock) { // spec: X6
    mounted<yielding_server> m;
    m.server.add(1, "f", vtype::reg);
    const cookie f = client(m.um).lookup(root, "f")->node;
    test::rig r(1);
    m.server.log.clear();
    bool found = false;
    r.spawn(0, [&] { EXPECT_EQ(client(m.um).give_back(f, 1), 0); });
    r.step(0);
    EXPECT_EQ(m.server.log, "r");
    r.spawn(0,
            [&] {
                EXPECT_NE(client(m.um).lookup(root, "f")->node, f);
                found = true;
            },
            {.priority = lwkt::priority::interrupt_low});
    r.settle();
    EXPECT_TRUE(found);
    EXPECT_EQ(m.server.log, "rlRl"); // asked, waited, asked again
    EXPECT_EQ(m.um.live_nodes(), 2U);
}

} // namespace
} // namespace puffs
