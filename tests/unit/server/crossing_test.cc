// A core with too much to do hands requests to cores that sleep.
#include "client.hh"
#include "puffs/lwkt/wait_queue.hh"
#include "support/lwkt/rig.hh"
#include "tree_server.hh"

#include <algorithm>

namespace puffs {
namespace {

using namespace testing;
using msg::cookie;
using std::chrono::hours;
using std::chrono::nanoseconds;

struct placed_server : tree_server {
    std::vector<core_id> ran_on; // reads, as they began
    std::map<std::uint64_t, int> inside;
    int most = 0; // at once on a node
    bool waits = false;
    lwkt::wait_queue gate;
    result<std::size_t> read(cc&, node& n, std::span<std::byte>, std::uint64_t) {
        ran_on.push_back(ipi::cpu::current().id());
        most = std::max(most, ++inside[n.id()]);
        if (waits) {
            std::uint64_t generation = gate.generation();
            gate.block(generation);
        }
        --inside[n.id()];
        return std::size_t{0};
    }
};

// Some cores, of which 0 has more to do than it can say when it runs requests; and some files.
struct busy_rig {
    static usermount_options options(nanoseconds backlog, policy p) {
        usermount_options o;
        o.backlog = backlog;
        o.concurrency = p;
        return o;
    }
    explicit busy_rig(nanoseconds backlog, policy p = policy::per_node, core_id cores = 2)
        : r(cores), m(options(backlog, p), cores) {
        on(0, [this] {
            for (int i = 0; i < 8; ++i) {
                const std::string name = std::to_string(i);
                m.server.add(1, name, vtype::reg);
                files.push_back(client(m.um).lookup(cookie::root, name)->node);
            }
        });
        for (int i = 0; i < 8; ++i) {
            r.at(0).work_came();
        }
    }
    ~busy_rig() {
        on(0, [this] { m.um.finish(true); });
    }
    void on(core_id c, std::function<void()> f) {
        r.spawn(c, std::move(f));
        r.settle();
    }
    void fall_asleep(core_id c) {
        r.as(c, [this, c] { ASSERT_TRUE(r.at(c).publish_asleep()); });
    }
    // One read through the port of core 0, from a thread of its own.
    void read(std::size_t file) {
        on(0, [this, file] {
            client k(m.um);
            k.by_port = true;
            EXPECT_TRUE(k.read(files[file], 1));
            ++done;
        });
    }
    void open_gate() {
        m.server.waits = false;
        on(0, [this] { m.server.gate.signal(); });
    }

    test::rig r;
    mounted<placed_server> m;
    std::vector<cookie> files;
    int done = 0;
};

using places = std::vector<core_id>;

TEST(crossing, work_that_waits_too_long_goes_to_a_core_that_sleeps) { // spec: H6
    busy_rig b(nanoseconds(1));
    b.fall_asleep(1);
    const int wakes = b.r.events[1].wakes;
    b.read(0); // how long one takes is not known before the second begins
    b.read(1);
    EXPECT_EQ(b.r.events[1].wakes, wakes + 1);
    EXPECT_EQ(b.m.server.ran_on, (places{0, 1}));
    EXPECT_EQ(b.done, 2);
    EXPECT_EQ(b.m.um.handed_on(0), 1U);
    EXPECT_EQ(b.m.um.handed_on(1), 0U);
}

TEST(crossing, work_stays_where_no_core_sleeps) {
    busy_rig b(nanoseconds(1));
    for (std::size_t i = 0; i < 4; ++i) {
        b.read(i);
    }
    EXPECT_EQ(b.m.server.ran_on, (places{0, 0, 0, 0}));
    EXPECT_EQ(b.m.um.handed_on(0), 0U);
}

TEST(crossing, work_stays_where_nothing_waits_or_not_for_long) {
    busy_rig quick(hours(1));
    busy_rig alone(nanoseconds(1));
    busy_rig never(nanoseconds(0));
    alone.r.at(0).work_taken(8);
    for (busy_rig* const b : {&quick, &alone, &never}) {
        b->fall_asleep(1);
        for (std::size_t i = 0; i < 4; ++i) {
            b->read(i);
        }
        EXPECT_EQ(b->m.server.ran_on, (places{0, 0, 0, 0}));
        EXPECT_EQ(b->done, 4);
    }
}

TEST(crossing, work_of_serial_and_home_does_not_cross) {
    for (const policy p : {policy::serial, policy::home}) {
        busy_rig b(nanoseconds(1), p);
        b.fall_asleep(1);
        for (std::size_t i = 0; i < 4; ++i) {
            b.read(i);
        }
        EXPECT_EQ(b.m.um.handed_on(0), 0U) << name_of(p);
        EXPECT_EQ(b.done, 4);
    }
}

TEST(crossing, a_core_has_two_guests_at_most_and_the_next_one_is_asked_then) {
    busy_rig b(nanoseconds(1), policy::parallel, 3);
    b.fall_asleep(1);
    b.fall_asleep(2);
    b.read(0);
    b.m.server.ran_on.clear();
    b.m.server.waits = true;
    for (std::size_t i = 1; i < 8; ++i) {
        b.read(i);
    }
    EXPECT_EQ(b.done, 1);
    EXPECT_EQ(b.m.server.ran_on, (places{1, 1, 2, 2, 0, 0, 0}));
    b.open_gate();
    EXPECT_EQ(b.done, 8);
    b.fall_asleep(1);
    b.read(0); // the guests have gone
    EXPECT_EQ(b.m.server.ran_on.back(), 1);
}

TEST(crossing, an_error_comes_back_as_one) {
    busy_rig b(nanoseconds(1));
    b.fall_asleep(1);
    b.read(0);
    int rv = 0;
    b.on(0, [&] {
        client k(b.m.um);
        k.by_port = true;
        rv = k.read(static_cast<cookie>(99), 1).error().number();
    });
    EXPECT_EQ(rv, ESTALE);
    EXPECT_EQ(b.m.um.handed_on(0), 1U);
}

TEST(crossing, a_node_has_one_operation_wherever_it_runs) { // spec: X8
    busy_rig b(nanoseconds(1));
    b.fall_asleep(1);
    b.read(0);
    b.m.server.waits = true;
    b.m.server.ran_on.clear();
    for (int i = 0; i < 4; ++i) {
        b.read(5);
    }
    EXPECT_EQ(b.m.server.ran_on, (places{1}));
    EXPECT_EQ(b.m.um.handed_on(0), 2U);
    b.open_gate();
    EXPECT_EQ(b.done, 5);
    EXPECT_EQ(b.m.server.most, 1);
}

} // namespace
} // namespace puffs
