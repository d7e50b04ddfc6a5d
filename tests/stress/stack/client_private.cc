// What a client does in the directory that is its own: it knows exactly what every answer has to be.
#include "stress/stack/client.hh"
#include "stress/stack/world.hh"

#include <fmt/format.h>
#include <linux/fs.h>

namespace puffs::stress {

namespace {

constexpr std::size_t file_bytes_max = 8192;

std::string name_of(std::uint64_t n) {
    return std::string(1, static_cast<char>('f' + n % 5));
}

} // namespace

void client::step_private() {
    const std::string name = name_of(pick(5)), other = name_of(pick(5));
    const bool there = own_.contains(name);
    switch (pick(12)) {
    case 0:
        return find_private(name);
    case 1:
    case 2:
        return there ? write_private(name) : create_private(name);
    case 3:
        return there && !own_.contains(other) ? link_private(name, other) : find_private(other);
    case 4:
        return there ? rename_private(name, other) : create_private(name);
    case 5:
        return remove_private(name);
    case 6:
    case 7:
        return there ? read_private(name) : create_private(name);
    case 8:
        return there ? cut_private(name) : find_private(name);
    case 9:
        return list_private(pick(2) == 0);
    case 10:
        return forget_some();
    default:
        return there ? write_private(name) : find_private(name);
    }
}

void client::find_private(const std::string& name) {
    const auto mine = own_.find(name);
    const answer a = lookup(own_dir_, name);
    if (!expect(a, "lookup in the own directory", {ENOENT})) {
        if (a.error == ENOENT && mine != own_.end()) {
            fail(fmt::format("'{}' is gone from the own directory", name));
        }
        return;
    }
    const auto e = take_entry(a);
    if (mine == own_.end()) {
        fail(fmt::format("'{}' is found, though it was removed", name));
    } else if (e && (e->ino != mine->second->ino || e->size != mine->second->data.size())) {
        fail(fmt::format("'{}' is object {} of {} bytes, not {} of {}", name, e->ino, e->size,
                         mine->second->ino, mine->second->data.size()));
    }
}

std::uint64_t client::node_of(const std::string& name) {
    const std::uint64_t ino = own_.at(name)->ino;
    for (const auto& [node, e] : known_) {
        if (e.ino == ino) return node;
    }
    const auto e = take_entry(lookup(own_dir_, name));
    return e ? e->node : 0;
}

void client::create_private(const std::string& name) {
    const answer a = create(own_dir_, name);
    if (!expect(a, "create in the own directory", {EACCES})) return; // and then it is not there
    const auto e = take_entry(a);
    if (!e) return;
    take_handle(a, e->node, sizeof(fuse::wire::entry_out));
    own_inos_.insert(e->ino);
    own_[name] = std::make_shared<private_file>(private_file{.ino = e->ino, .data = {}});
    if (files_.size() > 4) close(pick(files_.size()));
}

void client::link_private(const std::string& from, const std::string& to) {
    const std::uint64_t node = node_of(from);
    if (node == 0) return;
    const answer a = link(node, own_dir_, to);
    if (!expect(a, "link in the own directory", {})) return;
    const auto e = take_entry(a);
    own_[to] = own_.at(from);
    if (e && e->ino != own_.at(to)->ino) fail("a link leads to another object");
}

void client::rename_private(const std::string& from, const std::string& to) {
    const bool there = own_.contains(to);
    const std::uint32_t flags = there ? static_cast<std::uint32_t>(pick(2)) * RENAME_EXCHANGE
                                      : static_cast<std::uint32_t>(pick(2)) * RENAME_NOREPLACE;
    const answer a = rename(own_dir_, from, own_dir_, to, flags);
    if (!expect(a, "rename in the own directory", {})) return;
    const auto moved = own_.at(from);
    if (there && own_.at(to) == moved) return; // two links of one file: nothing happens
    if (flags == RENAME_EXCHANGE) {
        std::swap(own_.at(from), own_.at(to));
    } else {
        own_.erase(from);
        own_[to] = moved;
    }
}

void client::remove_private(const std::string& name) {
    const bool there = own_.contains(name);
    const answer a = remove(opcode::unlink, own_dir_, name);
    if (!expect(a, "unlink in the own directory", {ENOENT})) {
        if (a.error == ENOENT && there) fail(fmt::format("'{}' cannot be removed", name));
        return;
    }
    if (!there) fail(fmt::format("'{}' was removed twice", name));
    own_.erase(name);
}

void client::write_private(const std::string& name) {
    const std::uint64_t node = node_of(name);
    if (node == 0) return;
    std::string data(1 + pick(2000), '\0');
    for (char& c : data) {
        c = static_cast<char>(random_());
    }
    const std::uint64_t at = pick(file_bytes_max - data.size());
    const answer a = write(node, at, data);
    if (!expect(a, "write to an own file", {})) return;
    if (a.as<fuse::wire::write_out>().size != data.size()) fail("a write is cut short");
    std::string& mine = own_.at(name)->data;
    mine.resize(std::max<std::size_t>(mine.size(), at + data.size()));
    mine.replace(at, data.size(), data);
}

void client::read_private(const std::string& name) {
    const std::uint64_t node = node_of(name);
    if (node == 0) return;
    const std::uint64_t at = pick(file_bytes_max);
    const auto size = static_cast<std::uint32_t>(1 + pick(file_bytes_max));
    const answer a = read(node, at, size);
    if (!expect(a, "read of an own file", {})) return;
    const std::string& mine = own_.at(name)->data;
    const std::string_view got(reinterpret_cast<const char*>(a.body.data()), a.body.size());
    if (got != (at < mine.size() ? std::string_view(mine).substr(at, size) : std::string_view())) {
        fail(fmt::format("a read of '{}' does not give what was written", name));
    }
}

void client::cut_private(const std::string& name) {
    const std::uint64_t node = node_of(name);
    if (node == 0) return;
    const std::uint64_t size = pick(file_bytes_max);
    const answer a = set(node, fuse::wire::fattr::size, size);
    if (!expect(a, "setattr of an own file", {})) return;
    own_.at(name)->data.resize(size);
    if (a.as<fuse::wire::attr_out>().attr.size != size) fail("a file has another size than set");
}

void client::list_private(bool plus) {
    const answer a = readdir(own_dir_, 0, plus);
    if (!expect(a, "readdir of the own directory", {})) return;
    std::map<std::string, std::uint64_t> seen;
    for (const listed& e : take_entries(a, plus)) {
        if (!seen.emplace(e.name, e.ino).second) fail("a listing has a name twice");
    }
    seen.erase(".");
    seen.erase("..");
    std::map<std::string, std::uint64_t> mine;
    for (const auto& [name, file] : own_) {
        mine.emplace(name, file->ino);
    }
    if (seen != mine) {
        fail(fmt::format("the own directory lists {} names, not {}", seen.size(), mine.size()));
    }
}

} // namespace puffs::stress
