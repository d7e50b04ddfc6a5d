// tree_server.hh - a small file server for tests: a tree of objects whose ids are numbers.
//
// It keeps no lock of its own: under per_node and serial the framework's promise protects it, and a
// broken promise is a data race that the thread sanitizer sees. Only the map of all objects, which
// belongs to no node, has a lock. Derived servers hide operations to add what they test.
//
// Threading:  as the policy of the mount.
#pragma once

#include "puffs/server/ops.hh"
#include "puffs/server/usermount.hh"

#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace puffs::testing {

struct object {
    std::uint64_t id = 0;
    attr va;
    std::map<std::string, std::uint64_t, std::less<>> names; // of a directory
    std::string data;
};

inline new_node named(std::uint64_t id) {
    new_node n;
    n.id = id;
    return n;
}

class tree_server {
  public:
    tree_server() { add(vtype::dir); }

    object& at(std::uint64_t id) {
        std::lock_guard g(mu);
        return *objects.at(id);
    }
    object& at(const node& n) { return at(n.id()); }
    std::uint64_t add(vtype type, std::uint32_t mode = 0644) {
        std::lock_guard g(mu);
        const std::uint64_t id = ++last;
        auto o = std::make_unique<object>();
        o->id = id;
        o->va.mode = msg::mode_of(type) | mode;
        objects.emplace(id, std::move(o));
        return id;
    }
    std::uint64_t add(std::uint64_t dir, std::string_view name, vtype type) {
        const std::uint64_t id = add(type);
        at(dir).names.emplace(name, id);
        return id;
    }

    result<new_node> lookup(cc&, node& dir, std::string_view name) {
        object& d = at(dir);
        const auto found = d.names.find(name);
        if (found == d.names.end()) {
            return fail(ENOENT);
        }
        return named(found->second);
    }
    result<attr> getattr(cc&, node& n) { return at(n).va; }
    result<new_node> mknod(cc&, node& dir, std::string_view name, const make_request& r) {
        if (at(dir).names.contains(name)) {
            return fail(EEXIST);
        }
        const std::uint64_t id = add(msg::vtype_of(r.mode), r.mode & 07777);
        at(dir).names.emplace(name, id);
        return named(id);
    }
    result<new_node> mkdir(cc& c, node& dir, std::string_view name, const make_request& r) {
        return mknod(c, dir, name, r);
    }
    result<void> remove(cc&, node& dir, node& target, std::string_view name) {
        --at(target).va.nlink;
        at(dir).names.erase(std::string(name));
        return {};
    }
    result<void> rmdir(cc&, node& dir, node& target, std::string_view name) {
        if (!at(target).names.empty()) {
            return fail(ENOTEMPTY);
        }
        at(target).va.nlink = 0;
        at(dir).names.erase(std::string(name));
        return {};
    }
    result<void> link(cc&, node& dir, node& target, std::string_view name) {
        if (!at(dir).names.emplace(name, target.id()).second) {
            return fail(EEXIST);
        }
        ++at(target).va.nlink;
        return {};
    }
    static constexpr std::uint32_t rename_flags = 2; // RENAME_EXCHANGE
    result<void> rename(cc&, const rename_request& r) {
        object& from_dir = at(r.from_dir);
        object& to_dir = at(r.to_dir);
        if ((r.flags & rename_flags) != 0) {
            std::swap(from_dir.names.find(r.from_name)->second,
                      to_dir.names.find(r.to_name)->second);
            return {};
        }
        if (r.to != nullptr) {
            if (!at(*r.to).names.empty()) {
                return fail(ENOTEMPTY);
            }
            --at(*r.to).va.nlink;
        }
        from_dir.names.erase(std::string(r.from_name));
        to_dir.names.insert_or_assign(std::string(r.to_name), r.from.id());
        return {};
    }
    result<std::size_t> read(cc&, node& n, std::span<std::byte> into, std::uint64_t offset) {
        const std::string& data = at(n).data;
        const std::size_t from = std::min<std::uint64_t>(offset, data.size());
        const std::size_t count = std::min(into.size(), data.size() - from);
        std::memcpy(into.data(), data.data() + from, count);
        return count;
    }
    result<std::size_t> write(cc&, node& n, std::span<const std::byte> from, std::uint64_t offset) {
        std::string& data = at(n).data;
        data.resize(std::max<std::size_t>(data.size(), offset + from.size()));
        std::memcpy(data.data() + offset, from.data(), from.size());
        at(n).va.size = data.size();
        return from.size();
    }
    result<void> readdir(cc&, node& dir, dirents& out, std::uint64_t cookie) {
        std::uint64_t position = 0;
        const auto add_entry = [&](std::string_view name, std::uint64_t id, vtype type) {
            ++position;
            return position <= cookie || out.add(name, id, type, position);
        };
        if (!add_entry(".", dir.id(), vtype::dir) || !add_entry("..", 1, vtype::dir)) {
            return {};
        }
        for (const auto& [name, id] : at(dir).names) {
            if (!add_entry(name, id, msg::vtype_of(at(id).va.mode))) {
                break;
            }
        }
        return {};
    }
    void reclaim(cc&, node& n) {
        std::lock_guard g(mu);
        ++reclaims[n.id()];
        if (objects.at(n.id())->va.nlink == 0) {
            objects.erase(n.id());
        }
    }

    std::mutex mu;
    std::map<std::uint64_t, std::unique_ptr<object>> objects;
    std::map<std::uint64_t, int> reclaims;
    std::uint64_t last = 0;
};

} // namespace puffs::testing
