// stress/stack/server.hh - the file server under stress: a tree whose operations now and then block, that checks what
// the framework promises it.
//
// It keeps no lock for its nodes: a broken promise of per_node or home is a finding, and a race for the thread
// sanitizer.
//
// Threading:  as the policies per_node and home say.
#pragma once

#include "puffs/lwkt/sched.hh"
#include "puffs/lwkt/wait_queue.hh"
#include "stress/stack/kernel.hh"
#include "unit/server/tree_server.hh"

#include <fmt/format.h>
#include <set>

namespace puffs::stress {

class server : public testing::tree_server {
  public:
    server(findings& f, core_id cores, std::uint64_t seed) : findings_(f) {
        for (core_id c = 0; c < cores; ++c) {
            random_.emplace_back(seed + c);
        }
        dirs_.insert(1);
    }
    std::uint64_t add_dir(std::string_view name, std::uint64_t in = 1) {
        const std::uint64_t id = add(in, name, vtype::dir);
        dirs_.insert(id);
        return id;
    }
    lwkt::wait_queue gate; // some operations wait here until somebody rings

    // While set, getattr notes what the framework counts. Atomic, relaxed: nothing else runs then.
    std::atomic<bool> audits{false};
    std::map<std::uint64_t, std::uint64_t> audited; // lookups by id, under mu
    std::set<std::uint64_t> opened;                 // handles, under mu
    std::atomic<bool> ends{false};                  // the library is being finished; relaxed

    result<new_node> lookup(cc& c, node& dir, std::string_view name) {
        const inside i(*this, dir);
        return tree_server::lookup(c, dir, name);
    }
    result<attr> getattr(cc& c, node& n) {
        const inside i(*this, n);
        if (audits.load(std::memory_order_relaxed)) {
            const std::lock_guard lock(mu);
            audited[n.id()] = n.lookup_count();
        }
        return tree_server::getattr(c, n);
    }
    result<void> setattr(cc& c, node& n, const setattr_request& r) {
        const inside i(*this, n, &c);
        testing::object& o = at(n);
        if ((r.valid & msg::set_mode) != 0) {
            o.va.mode = (o.va.mode & ~std::uint32_t{07777}) | (r.va.mode & 07777);
        }
        if ((r.valid & msg::set_size) != 0) {
            o.data.resize(r.va.size);
            o.va.size = r.va.size;
        }
        return {};
    }
    result<new_node> mknod(cc& c, node& dir, std::string_view name, const make_request& r) {
        const inside i(*this, dir, &c);
        return make(c, dir, name, r);
    }
    result<new_node> mkdir(cc& c, node& dir, std::string_view name, const make_request& r) {
        const inside i(*this, dir, &c);
        return make(c, dir, name, r);
    }
    // Two creates of one name may cross: the second finds the file of the first.
    result<new_node> create(cc& c, node& dir, std::string_view name, const make_request& r) {
        const inside i(*this, dir, &c);
        const auto found = tree_server::lookup(c, dir, name);
        if (!found) return make(c, dir, name, r);
        return is_dir(found->id) ? result<new_node>(fail(EISDIR)) : found;
    }
    result<open_reply> open(cc& c, node& n, int) {
        const inside i(*this, n, &c);
        if (random() % 16 == 0) return fail(EACCES);
        const std::lock_guard lock(mu);
        opened.insert(++last_handle_);
        return open_reply{.handle = last_handle_, .bits = 0};
    }
    result<void> close(cc& c, node& n, int) {
        const inside i(*this, n, &c);
        const std::lock_guard lock(mu);
        if (opened.erase(c.handle()) != 1) findings_.add("a file is closed that is not open");
        return {};
    }
    result<void> remove(cc& c, node& dir, node& target, std::string_view name) {
        const inside i(*this, dir), j(*this, target);
        return tree_server::remove(c, dir, target, name);
    }
    result<void> rmdir(cc& c, node& dir, node& target, std::string_view name) {
        const inside i(*this, dir), j(*this, target);
        return tree_server::rmdir(c, dir, target, name);
    }
    result<void> link(cc& c, node& dir, node& target, std::string_view name) {
        const inside i(*this, dir), j(*this, target);
        if (at(target).va.nlink == 0 || at(dir).va.nlink == 0) return fail(ENOENT);
        return tree_server::link(c, dir, target, name);
    }
    result<void> rename(cc& c, const rename_request& r) {
        const inside i(*this, r.from_dir), k(*this, r.from);
        std::optional<inside> j, l;
        if (&r.to_dir != &r.from_dir) j.emplace(*this, r.to_dir);
        if (r.to != nullptr) l.emplace(*this, *r.to);
        if (at(r.to_dir).va.nlink == 0) return fail(ENOENT);
        return tree_server::rename(c, r);
    }
    result<std::size_t> read(cc& c, node& n, std::span<std::byte> into, std::uint64_t offset) {
        const inside i(*this, n, &c);
        return tree_server::read(c, n, into, offset);
    }
    result<std::size_t> write(cc& c, node& n, std::span<const std::byte> from,
                              std::uint64_t offset) {
        const inside i(*this, n, &c);
        return tree_server::write(c, n, from, offset);
    }
    result<void> readdir(cc& c, node& dir, dirents& out, std::uint64_t from) {
        const inside i(*this, dir, &c);
        std::uint64_t position = 0;
        const auto told = [&](std::string_view name, std::uint64_t id, vtype type) {
            return ++position <= from || out.add(name, id, type, position);
        };
        if (!told(".", dir.id(), vtype::dir) || !told("..", 1, vtype::dir)) return {};
        for (const auto& [name, id] : at(dir).names) {
            if (!told(name, id, is_dir(id) ? vtype::dir : vtype::reg)) break;
        }
        return {};
    }
    void reclaim(cc& c, node& n) {
        // At the end, when nothing else runs, whoever ends it reclaims what is left.
        const bool at_end =
            c.mount().options().concurrency == policy::home && ends.load(std::memory_order_relaxed);
        const inside i(*this, n, at_end ? nullptr : &c);
        tree_server::reclaim(c, n);
    }

  private:
    // An operation has its node to itself, under home on the node's core, and may take its time.
    class inside {
      public:
        // `only`: the context of an operation that has no other node, and is no part of one that has.
        inside(server& s, const node& n, const cc* only = nullptr) : count_(s.users_of(n.id())) {
            if (only != nullptr && only->mount().options().concurrency == policy::home &&
                only->mount().home_of(n) != ipi::cpu::current().id()) {
                s.findings_.add(fmt::format("an operation on node {} is not at home", n.id()));
            }
            if (count_.fetch_add(1, std::memory_order_relaxed) != 0) {
                s.findings_.add(fmt::format("two operations at once on node {}", n.id()));
            }
            s.take_time();
        }
        ~inside() { count_.fetch_sub(1, std::memory_order_relaxed); }
        inside(const inside&) = delete;
        inside& operator=(const inside&) = delete;

      private:
        std::atomic<int>& count_;
    };

    std::uint64_t random() { return random_[ipi::cpu::current().id()](); }
    void take_time() {
        const std::uint64_t n = random() % 64;
        if (n < 2) {
            lwkt::sleep_for(std::chrono::microseconds(random() % 60));
        } else if (n == 2) {
            std::uint64_t generation = gate.generation();
            gate.block(generation);
        } else if (n < 6) {
            lwkt::yield();
        }
    }
    std::atomic<int>& users_of(std::uint64_t id) {
        const std::lock_guard lock(users_mu_);
        return users_[id];
    }
    bool is_dir(std::uint64_t id) {
        const std::lock_guard lock(mu);
        return dirs_.contains(id);
    }
    result<new_node> make(cc& c, node& dir, std::string_view name, const make_request& r) {
        if (at(dir).va.nlink == 0) return fail(ENOENT);
        auto made = tree_server::mknod(c, dir, name, r);
        if (made && msg::vtype_of(r.mode) == vtype::dir) {
            const std::lock_guard lock(mu);
            dirs_.insert(made->id);
        }
        return made;
    }

    findings& findings_;
    std::vector<std::mt19937_64> random_; // each used by its core only
    std::mutex users_mu_;
    std::map<std::uint64_t, std::atomic<int>> users_; // operations inside, by id; under users_mu_
    std::set<std::uint64_t> dirs_;                    // ids never change their type; under mu
    std::uint64_t last_handle_ = 0;                   // under mu
};

} // namespace puffs::stress
