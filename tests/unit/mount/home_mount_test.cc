// Policy home under the parks of a mount: requests that are on another core when the mount dies, and their answers.
#include "support/msgif/mount_rig.hh"
#include "unit/server/home_rig.hh"

namespace puffs::test {
namespace {

using testing::client;

// A mount on three cores with a library behind it, and a file at home on each.
struct home_mount {
    home_mount() : library(&server, ops, testing::home_rig::options(), 3) {
        rig.on(0, [this] {
            for (int i = 0;
                 files[0] == cookie::none || files[1] == cookie::none || files[2] == cookie::none;
                 ++i) {
                const auto name = fmt::format("f{}", i);
                const auto id = server.add(1, name, vtype::reg);
                const cookie node = client(library).lookup(cookie::root, name)->node;
                files[server.home.at(id)] = node;
            }
        });
        transport.emplace(rig.mount, std::vector<msgport::port*>{&library.port(0), &library.port(1),
                                                                 &library.port(2)});
    }
    ~home_mount() {
        open_gate();
        EXPECT_EQ(rig.mount.totalpark(), 0U);
        EXPECT_EQ(server.broken, "");
        transport.reset();
        rig.on(0, [this] { library.finish(true); });
    }
    void open_gate() {
        server.waits = false;
        server.gate.signal();
        rig.machine.settle();
    }
    static void link(park& p, cookie dir, cookie target) {
        p.setinfo(opclass::vn, static_cast<std::uint32_t>(vn_op::link), dir);
        p.req().args.link = {.target = target, .name_bytes = 1, .made = {}};
        p.set_runs(testing::bytes_of("l"), {});
    }

    mount_rig rig{3};
    testing::homely_server server;
    const operations ops = make_operations<testing::homely_server>();
    usermount library;
    std::optional<kmod::inproc_transport> transport;
    std::array<cookie, 3> files{};
};

// spec: H4 H8
TEST(home_mount, an_answer_from_the_home_of_the_node_ends_the_caller_s_park) {
    home_mount m;
    for (core_id asker = 0; asker < 3; ++asker) {
        for (const cookie node : m.files) {
            caller c;
            c.start(m.rig, asker, [&](park& p) {
                p.setinfo(opclass::vn, static_cast<std::uint32_t>(vn_op::getattr), node);
            });
            EXPECT_TRUE(c.over);
            EXPECT_EQ(c.rv, 0);
        }
    }
}

// spec: H4 U13
TEST(home_mount, an_answer_that_comes_home_after_the_mount_died_frees_its_park) {
    home_mount m;
    m.server.waits = true;
    caller c;
    std::array<std::byte, 8> out{};
    c.start(m.rig, 0, [&](park& p) {
        p.setinfo(opclass::vn, static_cast<std::uint32_t>(vn_op::read), m.files[2]);
        p.req().args.io.size = out.size();
        p.set_runs({}, out);
    });
    EXPECT_FALSE(c.over);
    m.rig.on(1, [&] { m.rig.mount.userdead(); });
    EXPECT_TRUE(c.over);
    EXPECT_EQ(c.rv, ENXIO);
    EXPECT_EQ(m.rig.mount.totalpark(), 1U); // the server has it
    m.open_gate();
    EXPECT_EQ(m.rig.mount.totalpark(), 0U);
}

// The request is stopped at each point of its way in turn: on the way to the first home, waiting for its pin there, on
// the way to the second home, waiting for the second pin, and inside the operation.
// spec: H5 U13 F26
TEST(home_mount, a_request_on_two_nodes_may_be_anywhere_when_the_mount_dies) {
    for (int steps = 0; steps < 12; ++steps) {
        for (const bool busy : {false, true}) {
            home_mount m;
            m.server.waits = true;
            caller reader;
            std::array<std::byte, 8> out{};
            if (busy) {
                reader.start(m.rig, 1, [&](park& p) {
                    p.setinfo(opclass::vn, static_cast<std::uint32_t>(vn_op::read), m.files[2]);
                    p.req().args.io.size = out.size();
                    p.set_runs({}, out);
                });
            }
            int rv = -1;
            m.rig.machine.spawn(1, [&] {
                park* const p = m.rig.make();
                home_mount::link(*p, cookie::root, m.files[2]);
                m.rig.mount.enqueue(*p, {});
                rv = m.rig.mount.wait(*p);
                m.rig.mount.msgmem_release(p);
            });
            for (int i = 0; i < steps; ++i) {
                m.rig.machine.step(static_cast<core_id>((i + 1) % 3));
            }
            m.rig.on(0, [&] { m.rig.mount.userdead(); });
            EXPECT_EQ(rv, ENXIO);
            m.open_gate();
            EXPECT_EQ(m.rig.mount.totalpark(), 0U);
            // Nothing is pinned: the library itself goes on.
            int done = 0;
            m.rig.on(1, [&] {
                EXPECT_TRUE(client(m.library).getattr(cookie::root));
                EXPECT_TRUE(client(m.library).getattr(m.files[2]));
                ++done;
            });
            EXPECT_EQ(done, 1);
        }
    }
}

} // namespace
} // namespace puffs::test
