// Many threads on one small tree: names that move in circles, nodes that come and go. Under the thread
// sanitizer a broken promise of per_node is a race in the server, which keeps no locks; a deadlock is
// the test's time-out.
#include "client.hh"
#include "support/seed.hh"
#include "tree_server.hh"

#include <atomic>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <random>
#include <thread>

namespace puffs {
namespace {

using namespace testing;
using msg::cookie;
using msg::vn_op;

constexpr int threads_count = 4;

// Of one test: a third of PUFFS_STRESS_SECONDS (9), because there are three.
std::chrono::milliseconds duration() {
    const char* const asked = std::getenv("PUFFS_STRESS_SECONDS");
    return std::chrono::milliseconds(asked != nullptr ? std::atoi(asked) * 1000 / 3 : 3000);
}

// Checks that the framework keeps the life of nodes: reclaimed once, never in use, never twice alive.
struct watched_server : tree_server {
    std::map<std::uint64_t, std::atomic<int>> users; // operations and reclaims inside, by id
    std::mutex users_mu;
    std::atomic<int> broken{0};

    struct inside {
        std::atomic<int>& count;
        explicit inside(watched_server& s, const node& n) : count(s.user(n.id())) {
            if (count.fetch_add(1, std::memory_order_acq_rel) != 0) {
                s.broken.fetch_add(1, std::memory_order_relaxed);
            }
        }
        ~inside() { count.fetch_sub(1, std::memory_order_acq_rel); }
    };
    std::atomic<int>& user(std::uint64_t id) {
        std::lock_guard g(users_mu);
        return users[id];
    }
    result<attr> getattr(cc& c, node& n) {
        const inside i(*this, n);
        return tree_server::getattr(c, n);
    }
    result<std::size_t> write(cc& c, node& n, std::span<const std::byte> from, std::uint64_t at) {
        const inside i(*this, n);
        return tree_server::write(c, n, from, at);
    }
    result<void> remove(cc& c, node& dir, node& target, std::string_view name) {
        const inside i(*this, dir), j(*this, target);
        return tree_server::remove(c, dir, target, name);
    }
    result<void> rename(cc& c, const rename_request& r) {
        const inside i(*this, r.from_dir), j(*this, r.from);
        return tree_server::rename(c, r);
    }
    void reclaim(cc& c, node& n) {
        const inside i(*this, n);
        tree_server::reclaim(c, n);
    }
};

struct one_thread {
    usermount& um;
    std::mt19937_64 random;
    const std::array<cookie, 3>& dirs;
    client c{um};
    std::map<cookie, std::uint64_t> known{}; // lookups that the kernel would hold

    std::uint64_t pick(std::uint64_t n) { return random() % n; }
    std::string name() { return std::string(1, static_cast<char>('a' + pick(4))); }
    cookie dir() { return dirs[pick(dirs.size())]; }

    // Only these answers are right when others work on the same names.
    void expect(int rv) {
        EXPECT_TRUE(rv == 0 || rv == ENOENT || rv == EEXIST) << error(rv).name();
    }
    void note(const result<msg::newinfo>& made) {
        expect(errno_of(made));
        if (made) {
            ++known[made->node];
        }
    }
    void step() {
        switch (pick(9)) {
        case 0:
        case 1:
            note(c.lookup(dir(), name()));
            break;
        case 2:
            note(c.make(vn_op::mknod, dir(), name(), 0100644));
            break;
        case 3:
            expect(c.remove(dir(), name()));
            break;
        case 4:
            expect(c.rename(dir(), name(), dir(), name()));
            break;
        case 5:
            expect(c.rename(dir(), name(), dir(), name(), RENAME_EXCHANGE));
            break;
        case 6:
            expect(c.readdir(dir(), 2000, true));
            c.take_back();
            break;
        default:
            use_known();
        }
    }
    void use_known() {
        if (known.empty()) {
            return;
        }
        auto it = known.begin();
        std::advance(it, static_cast<std::ptrdiff_t>(pick(known.size())));
        const auto [node, count] = *it;
        if (pick(2) == 0) {
            EXPECT_EQ(c.give_back(node, count), 0);
            known.erase(it);
        } else if (pick(2) == 0) {
            EXPECT_TRUE(c.getattr(node)); // a node that the kernel knows is never stale
        } else if (pick(2) == 0) {
            EXPECT_TRUE(c.write(node, "xy", pick(10)));
        } else {
            const auto made = c.link(dir(), node, name());
            note(made);
        }
    }
    void give_all_back() {
        for (const auto& [node, count] : known) {
            EXPECT_EQ(c.give_back(node, count), 0);
        }
    }
};

void churn(policy p) {
    const std::uint64_t seed = sim::test_seed();
    usermount_options o;
    o.concurrency = p;
    mounted<watched_server> m(o);
    m.server.add(1, "one", vtype::dir);
    m.server.add(1, "two", vtype::dir);
    client setup(m.um);
    const std::array<cookie, 3> dirs{cookie::root, setup.lookup(cookie::root, "one")->node,
                                     setup.lookup(cookie::root, "two")->node};
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> steps{0};
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < threads_count; ++t) {
        threads.emplace_back([&, t] {
            one_thread me{.um = m.um, .random = std::mt19937_64(seed + t), .dirs = dirs};
            std::uint64_t done = 0;
            for (; !stop.load(std::memory_order_relaxed); ++done) {
                me.step();
            }
            me.give_all_back();
            steps.fetch_add(done, std::memory_order_relaxed);
        });
    }
    std::this_thread::sleep_for(duration());
    stop.store(true, std::memory_order_relaxed);
    for (auto& t : threads) {
        t.join();
    }
    EXPECT_EQ(m.server.broken.load(std::memory_order_relaxed), 0);
    EXPECT_EQ(m.um.live_nodes(), 3U); // the directories, which the setup still knows
    EXPECT_GT(steps.load(std::memory_order_relaxed), 100U);
    std::printf("%llu operations\n",
                static_cast<unsigned long long>(steps.load(std::memory_order_relaxed)));
}

TEST(server_stress, per_node_keeps_its_promises) { // spec: X6 X8
    churn(policy::per_node);
}

TEST(server_stress, serial_keeps_its_promises) { // spec: X6 X8
    churn(policy::serial);
}

// Ids are addresses of objects that reclaim frees: a lookup that crosses a reclaim must never lead to one
// that is gone. The address sanitizer sees what the checks do not.
struct recycling_server {
    struct thing {
        std::uint64_t name = 0;
    };
    std::mutex mu;
    std::array<thing*, 4> known{};

    result<new_node> lookup(cc&, node&, std::string_view name) {
        new_node n;
        n.type = vtype::reg;
        std::lock_guard g(mu);
        thing*& t = known[static_cast<std::size_t>(name[0] - 'a')];
        if (t == nullptr) {
            t = new thing{static_cast<std::uint64_t>(name[0])};
        }
        n.id = reinterpret_cast<std::uintptr_t>(t);
        return n;
    }
    result<attr> getattr(cc&, node& n) {
        attr va;
        va.mode = n.is_dir() ? 040755 : 0100644;
        va.size = n.is_dir() ? 0 : n.as<thing>().name;
        return va;
    }
    void reclaim(cc&, node& n) {
        std::lock_guard g(mu);
        for (thing*& t : known) {
            if (t == &n.as<thing>()) {
                t = nullptr;
                delete &n.as<thing>();
                return;
            }
        }
        ADD_FAILURE() << "reclaimed twice";
    }
};

TEST(server_stress, lookups_that_cross_reclaims_name_the_right_object) { // spec: X6
    const std::uint64_t seed = sim::test_seed();
    usermount_options o;
    o.concurrency = policy::parallel;
    mounted<recycling_server> m(o);
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> steps{0};
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < threads_count; ++t) {
        threads.emplace_back([&, t] {
            std::mt19937_64 random(seed + t);
            client c(m.um);
            std::uint64_t done = 0;
            for (; !stop.load(std::memory_order_relaxed); ++done) {
                const char name = static_cast<char>('a' + random() % 4);
                const auto made = c.lookup(cookie::root, std::string_view(&name, 1));
                if (!made) { // crossed again and again
                    EXPECT_EQ(made.error(), error(ESTALE));
                    continue;
                }
                EXPECT_EQ(made->va.size, static_cast<std::uint64_t>(name));
                EXPECT_EQ(c.getattr(made->node)->size, static_cast<std::uint64_t>(name));
                EXPECT_EQ(c.give_back(made->node, 1), 0);
            }
            steps.fetch_add(done, std::memory_order_relaxed);
        });
    }
    std::this_thread::sleep_for(duration());
    stop.store(true, std::memory_order_relaxed);
    for (auto& t : threads) {
        t.join();
    }
    EXPECT_EQ(m.um.live_nodes(), 1U);
    EXPECT_GT(steps.load(std::memory_order_relaxed), 100U);
    std::printf("%llu lookups\n",
                static_cast<unsigned long long>(steps.load(std::memory_order_relaxed)));
}

} // namespace
} // namespace puffs
