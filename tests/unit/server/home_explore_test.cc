// Policy home under every schedule of its race points: a pin that goes back by a passive message is not lost.
#include "home_rig.hh"
#include "unit/lwkt/world.hh"

namespace puffs {
namespace {

using namespace testing;
using msg::cookie;

// The root, at home on core 0, is pinned for an operation that runs on core 1 and is asked for there; meanwhile
// somebody on core 0 waits for the root, and core 0 has nothing else to do.
// spec: H5 T5
TEST(home_explore, who_waits_for_a_pin_gets_it_though_it_comes_back_without_a_kick) {
    std::unique_ptr<mounted<homely_server>> m;
    cookie far = cookie::none; // lives on core 1
    int done = 0;
    test::run_all(
        1700,
        [&](test::world& w) {
            w.machine.allow_unserved();
            m = std::make_unique<mounted<homely_server>>(home_rig::options(), w.domain.size());
            done = 0;
            far = cookie::none;
            w.spawn(0, [&] {
                for (int i = 0; far == cookie::none || m->server.home.at(m->server.last) != 1;
                     ++i) {
                    const auto name = fmt::format("f{}", i);
                    m->server.add(1, name, vtype::reg);
                    far = client(m->um).lookup(cookie::root, name)->node;
                }
            });
            w.machine.run_until_idle();
            w.spawn(1, [&] {
                EXPECT_TRUE(several(m->um).link(cookie::root, far, "l"));
                ++done;
            });
            // Behind the thread that pins the root, if that is there.
            const lwkt::create_options later{.priority = lwkt::priority::idle_work};
            w.spawn(
                0,
                [&] {
                    EXPECT_TRUE(client(m->um).getattr(cookie::root));
                    ++done;
                },
                later);
            w.machine.ring(0);
            w.machine.ring(1);
        },
        3);
    EXPECT_EQ(done, 2);
    EXPECT_EQ(m->server.broken, "");
}

} // namespace
} // namespace puffs
