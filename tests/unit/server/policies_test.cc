// What the policies promise: each test would fail, or race under the thread sanitizer, if it were broken.
#include "client.hh"
#include "support/race_watch.hh"
#include "tree_server.hh"

#include <atomic>
#include <condition_variable>
#include <gtest/gtest.h>
#include <thread>

namespace puffs {
namespace {

using namespace testing;
using msg::cookie;
using msg::vn_op;
using namespace std::chrono_literals;

constexpr cookie root = cookie::root;

// Two operations meet inside the server, or one of them waits in vain.
struct meeting {
    std::mutex mu;
    std::condition_variable cv;
    int inside = 0, most = 0;
    bool open = false;
    // Returns whether another operation was inside at the same time.
    bool attend(std::chrono::milliseconds patience) {
        std::unique_lock l(mu);
        most = std::max(most, ++inside);
        cv.notify_all();
        const bool met = cv.wait_for(l, patience, [this] { return most > 1; });
        --inside;
        return met;
    }
};

struct meeting_server : tree_server {
    meeting m;
    std::atomic<std::chrono::milliseconds> patience{200ms};
    result<std::size_t> read(cc&, node&, std::span<std::byte>, std::uint64_t) {
        return m.attend(patience.load(std::memory_order_relaxed)) ? std::size_t{1} : std::size_t{0};
    }
    result<std::size_t> write(cc& c, node& n, std::span<const std::byte> from, std::uint64_t at) {
        return read(c, n, {}, from.size() + at);
    }
    result<fs_stats> statvfs(cc&) {
        m.attend(patience.load(std::memory_order_relaxed));
        return fs_stats{};
    }
};

struct pair_of_files {
    explicit pair_of_files(policy p, std::chrono::milliseconds patience)
        : m([p] {
              usermount_options o;
              o.concurrency = p;
              return o;
          }()) {
        m.server.patience.store(patience, std::memory_order_relaxed);
        m.server.add(1, "f", vtype::reg);
        m.server.add(1, "g", vtype::reg);
        client c(m.um);
        f = c.lookup(root, "f")->node;
        g = c.lookup(root, "g")->node;
    }
    // The most operations that were inside the server at once when both ran.
    template <class A, class B>
    int run(A&& a, B&& b) {
        std::thread other([&] {
            client c(m.um);
            a(c);
        });
        client c(m.um);
        b(c);
        other.join();
        return m.server.m.most;
    }
    mounted<meeting_server> m;
    cookie f, g;
};

TEST(policies, per_node_runs_one_operation_at_a_time_on_a_node) { // spec: X8
    pair_of_files p(policy::per_node, 100ms);
    EXPECT_EQ(p.run([&](client& c) { EXPECT_TRUE(c.read(p.f, 1)); },
                    [&](client& c) { EXPECT_TRUE(c.write(p.f, "x")); }),
              1);
}

TEST(policies, per_node_runs_operations_on_two_nodes_at_once) { // spec: X8
    pair_of_files p(policy::per_node, 10s);
    EXPECT_EQ(p.run([&](client& c) { EXPECT_TRUE(c.read(p.f, 1)); },
                    [&](client& c) { EXPECT_TRUE(c.read(p.g, 1)); }),
              2);
}

TEST(policies, serial_runs_one_operation_at_a_time_in_the_mount) { // spec: X8
    pair_of_files p(policy::serial, 100ms);
    EXPECT_EQ(p.run([&](client& c) { EXPECT_TRUE(c.read(p.f, 1)); },
                    [&](client& c) { EXPECT_EQ(c.vfs(msg::vfs_op::statvfs), 0); }),
              1);
}

TEST(policies, parallel_runs_operations_on_one_node_at_once) { // spec: X8
    pair_of_files p(policy::parallel, 10s);
    EXPECT_EQ(p.run([&](client& c) { EXPECT_TRUE(c.read(p.f, 1)); },
                    [&](client& c) { EXPECT_TRUE(c.write(p.f, "x")); }),
              2);
}

// Counters without atomics: lost updates show broken promises even where the sanitizer does not look.
struct counters_server : tree_server {
    void reclaim(cc&, node&) {}
    std::uint64_t counts[64] = {};
    void bump(node& n) {
        volatile std::uint64_t& count = counts[n.id()];
        const std::uint64_t seen = count;
        std::this_thread::yield();
        count = seen + 1;
    }
    result<std::size_t> write(cc&, node& n, std::span<const std::byte> from, std::uint64_t) {
        bump(n);
        return from.size();
    }
    result<void> setattr(cc&, node& n, const setattr_request&) {
        bump(n);
        return {};
    }
    result<void> link(cc&, node& dir, node& target, std::string_view) {
        bump(dir);
        bump(target);
        return {};
    }
    result<void> remove(cc&, node& dir, node& target, std::string_view) {
        bump(dir);
        bump(target);
        return {};
    }
    result<void> rename(cc&, const rename_request& r) {
        bump(r.from);
        bump(*r.to);
        bump(r.from_dir);
        if (&r.to_dir != &r.from_dir) {
            bump(r.to_dir);
        }
        return {};
    }
};

TEST(policies, per_node_holds_every_node_of_an_operation) { // spec: X8
    mounted<counters_server> m;
    const auto d = m.server.add(1, "d", vtype::dir), f = m.server.add(1, "f", vtype::reg),
               g = m.server.add(d, "g", vtype::reg);
    client setup(m.um);
    const cookie dc = setup.lookup(root, "d")->node, fc = setup.lookup(root, "f")->node,
                 gc = setup.lookup(dc, "g")->node;
    constexpr std::uint64_t rounds = 300;
    std::vector<std::thread> threads;
    const auto run = [&](auto op) {
        threads.emplace_back([&m, op] {
            client c(m.um);
            for (std::uint64_t i = 0; i < rounds; ++i) {
                op(c);
            }
        });
    };
    run([&](client& c) { EXPECT_EQ(c.rename(root, "f", dc, "g"), 0); });
    run([&](client& c) { EXPECT_EQ(c.rename(dc, "g", root, "f"), 0); });
    run([&](client& c) { EXPECT_TRUE(c.link(dc, fc, "x")); });
    run([&](client& c) { EXPECT_TRUE(c.write(gc, "x")); });
    run([&](client& c) { EXPECT_EQ(c.remove(dc, "g"), 0); });
    run([&](client& c) { EXPECT_EQ(c.remove(root, "f"), 0); });
    run([&](client& c) { EXPECT_EQ(c.setattr(root, msg::set_mode, {}), 0); });
    for (auto& t : threads) {
        t.join();
    }
    EXPECT_EQ(m.server.counts[f], rounds * 4);
    EXPECT_EQ(m.server.counts[g], rounds * 4);
    EXPECT_EQ(m.server.counts[d], rounds * 4);
    EXPECT_EQ(m.server.counts[1], rounds * 4);
}

// A server in which a name comes to mean another file by itself, as on a network.
struct drifting_server : tree_server {
    std::atomic<std::uint64_t> current{0}, removed{0};
    std::atomic<int> lookups{0};
    std::atomic<bool> reading{false}, go_on{false};
    result<new_node> lookup(cc&, node&, std::string_view) {
        new_node n = named(current.load(std::memory_order_acquire));
        lookups.fetch_add(1, std::memory_order_relaxed);
        return n;
    }
    result<std::size_t> read(cc&, node&, std::span<std::byte>, std::uint64_t) {
        reading.store(true, std::memory_order_release);
        while (!go_on.load(std::memory_order_acquire)) {
            std::this_thread::yield();
        }
        return std::size_t{0};
    }
    result<void> remove(cc&, node&, node& target, std::string_view) {
        removed.store(target.id(), std::memory_order_relaxed);
        return {};
    }
};

TEST(policies, a_name_is_looked_up_again_after_its_target_was_waited_for) { // spec: X8
    if (!sim::race_points) {
        GTEST_SKIP() << "built without race points: nobody knows when the remover waits";
    }
    mounted<drifting_server> m;
    const auto f = m.server.add(vtype::reg), g = m.server.add(vtype::reg);
    client c(m.um);
    m.server.current.store(f, std::memory_order_release);
    const cookie fc = c.lookup(root, "f")->node;
    std::thread reader([&] { EXPECT_TRUE(client(m.um).read(fc, 1)); }); // has f
    while (!m.server.reading.load(std::memory_order_acquire)) {
        std::this_thread::yield();
    }
    m.server.lookups.store(0, std::memory_order_relaxed);
    const sim::race_watch waits("lwkt.mutex.queued");
    std::thread remover([&] {
        waits.begin();
        EXPECT_EQ(client(m.um).remove(root, "f"), 0);
    });
    waits.wait();
    m.server.current.store(
        g, std::memory_order_release); // the remover has found f, and cannot have it
    m.server.go_on.store(true, std::memory_order_release);
    reader.join();
    remover.join();
    EXPECT_EQ(m.server.removed.load(std::memory_order_relaxed), g);
    EXPECT_EQ(m.server.lookups.load(std::memory_order_relaxed), 2);
}

} // namespace
} // namespace puffs
