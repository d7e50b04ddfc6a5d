// home_rig.hh - a mount under the policy home on stepped cores, and a server that checks what it was promised.
#pragma once

#include "client.hh"
#include "puffs/lwkt/wait_queue.hh"
#include "support/lwkt/rig.hh"
#include "tree_server.hh"

#include <fmt/format.h>

namespace puffs::testing {

// Who asks for operations on several nodes: the server is asked for names and attributes where such an operation runs.
constexpr std::uint32_t several_pid = 8;
inline client several(usermount& um) {
    client c(um);
    c.who.pid = several_pid;
    return c;
}

// Counters without atomics: what is not promised shows in them.
struct homely_server : tree_server {
    std::map<std::uint64_t, core_id> home; // by id, of those whose attributes were asked
    std::map<std::uint64_t, int> inside;
    std::string broken; // promises
    std::vector<std::string> log;
    lwkt::wait_queue gate;
    bool waits = false; // read, link and rename do, at the gate

    class turn { // of one operation on its nodes
      public:
        turn(homely_server& s, cc& c, const char* what, std::vector<node*> nodes)
            : server_(s), nodes_(std::move(nodes)) {
            const core_id here = ipi::cpu::current().id();
            bool at_home = false;
            std::string line = what;
            for (const node* n : nodes_) {
                at_home = at_home || c.mount().home_of(*n) == here;
                line += fmt::format(" {}", n->id());
                if (++s.inside[n->id()] != 1) s.broken += fmt::format("{}: two at once\n", line);
            }
            const bool part = c.caller().pid == several_pid && (line[0] == 'l' || line[0] == 'g') &&
                              nodes_.size() == 1; // a lookup or getattr of another operation
            if (!at_home && !part) s.broken += fmt::format("{} on core {}\n", line, here);
            s.log.push_back(fmt::format("{} on {}", line, here));
        }
        ~turn() {
            for (const node* n : nodes_) {
                --server_.inside[n->id()];
            }
        }
        turn(const turn&) = delete;
        turn& operator=(const turn&) = delete;
        void wait() {
            if (server_.waits) {
                std::uint64_t generation = server_.gate.generation();
                server_.gate.block(generation);
            } else {
                lwkt::yield();
            }
        }

      private:
        homely_server& server_;
        std::vector<node*> nodes_;
    };

    result<new_node> lookup(cc& c, node& dir, std::string_view name) {
        const turn t(*this, c, "lookup", {&dir});
        return tree_server::lookup(c, dir, name);
    }
    result<attr> getattr(cc& c, node& n) {
        const turn t(*this, c, "getattr", {&n});
        home[n.id()] = c.mount().home_of(n);
        if (throws == n.id()) throw std::runtime_error("told to");
        return tree_server::getattr(c, n);
    }
    result<new_node> mknod(cc& c, node& dir, std::string_view name, const make_request& r) {
        const turn t(*this, c, "mknod", {&dir});
        return tree_server::mknod(c, dir, name, r);
    }
    result<std::size_t> read(cc& c, node& n, std::span<std::byte>, std::uint64_t) {
        turn t(*this, c, "read", {&n});
        t.wait();
        return std::size_t{0};
    }
    result<std::size_t> write(cc& c, node& n, std::span<const std::byte> from, std::uint64_t at) {
        const turn t(*this, c, "write", {&n});
        writes.push_back(at);
        lwkt::yield();
        return from.size();
    }
    result<void> remove(cc& c, node& dir, node& target, std::string_view name) {
        turn t(*this, c, "remove", {&dir, &target});
        t.wait();
        return tree_server::remove(c, dir, target, name);
    }
    result<void> link(cc& c, node& dir, node& target, std::string_view name) {
        turn t(*this, c, "link", {&dir, &target});
        t.wait();
        return tree_server::link(c, dir, target, name);
    }
    result<void> rename(cc& c, const rename_request& r) {
        std::vector<node*> nodes{&r.from_dir, &r.from};
        if (&r.to_dir != &r.from_dir) nodes.push_back(&r.to_dir);
        if (r.to != nullptr) nodes.push_back(r.to);
        turn t(*this, c, "rename", std::move(nodes));
        t.wait();
        return tree_server::rename(c, r);
    }
    void reclaim(cc& c, node& n) {
        const turn t(*this, c, "reclaim", {&n});
        tree_server::reclaim(c, n);
    }

    std::uint64_t throws = 0; // getattr of this id
    std::vector<std::uint64_t> writes;
};

struct home_rig {
    static constexpr core_id cores = 3;
    static usermount_options options() {
        usermount_options o;
        o.concurrency = policy::home;
        return o;
    }
    struct file {
        std::uint64_t id = 0;
        msg::cookie node = msg::cookie::none;
        std::string name;
    };

    // Two files and two directories in the root for each core.
    explicit home_rig(const lwkt::core_options& o = {}) : r(cores, o) {
        on(0, [this] {
            for (int i = 0; i < 64; ++i) {
                const vtype type = i % 2 == 0 ? vtype::reg : vtype::dir;
                file f{0, {}, fmt::format("n{}", i)};
                f.id = m.server.add(1, f.name, type);
                f.node = client(m.um).lookup(msg::cookie::root, f.name)->node;
                (type == vtype::reg ? files : dirs)[m.server.home.at(f.id)].push_back(f);
            }
        });
        m.server.log.clear();
    }
    ~home_rig() {
        r.settle();
        EXPECT_EQ(m.server.broken, "");
        on(0, [this] { m.um.finish(true); });
    }

    // Starts f on a light thread of the core; returns when nothing can go on.
    void on(core_id c, std::function<void()> f) {
        r.spawn(c, std::move(f));
        r.settle();
    }
    void open_gate() {
        m.server.waits = false;
        m.server.gate.signal();
        r.settle();
    }
    std::uint64_t ipis() const {
        std::uint64_t n = 0;
        for (const auto& c : r.cores) {
            n += c->stats().handled.load(std::memory_order_relaxed);
        }
        return n;
    }

    test::rig r;
    mounted<homely_server> m{options(), cores};
    std::map<core_id, std::vector<file>> files, dirs;
};

} // namespace puffs::testing
