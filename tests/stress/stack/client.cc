#include "stress/stack/client.hh"

#include "fuse/op_table.hh"
#include "stress/stack/world.hh"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace puffs::stress {

using fuse::test::frame_builder;
namespace wire = fuse::wire;

client::client(world& w, core_id core, unsigned number, std::uint64_t seed)
    : world_(w), core_(core), number_(number), channel_(*w.channels[core]), random_(seed) {}

std::string client::doing() const {
    const std::uint32_t op = doing_op_.load(std::memory_order_relaxed);
    return fmt::format("client {} on core {}: {}", number_, core_,
                       op == 0 ? std::string("nothing")
                               : fmt::format("waits for {} of node {:#x}, unique {}",
                                             fuse::row_of(op).name,
                                             doing_node_.load(std::memory_order_relaxed),
                                             doing_unique_.load(std::memory_order_relaxed)));
}

void client::run() {
    while (!channel_.attached()) {
        lwkt::yield();
    }
    shared_dirs_ = {wire::root_id, find_dir(wire::root_id, "one"), find_dir(wire::root_id, "two")};
    own_dir_ = find_dir(find_dir(wire::root_id, "home"), fmt::format("p{}", number_));
    for (std::uint64_t steps = 0; !dead_ && world_.goes_on(steps); ++steps) {
        if (pick(3) == 0) {
            step_private();
        } else {
            step_shared();
        }
    }
    while (!files_.empty()) {
        close(files_.size() - 1);
    }
    world_.client_ended(*this);
}

// The answer may be refused, or the caller interrupted: asks again. 0: the mount died.
std::uint64_t client::find_dir(std::uint64_t in, std::string_view name) {
    while (!dead_) {
        if (const auto e = take_entry(lookup(in, name)); e && e->node != 0) return e->node;
    }
    return 0;
}

// ---- asking

answer client::ask(const frame_builder& b) {
    std::vector<std::byte> request = b.done();
    auto& header = *reinterpret_cast<wire::in_header*>(request.data());
    header.unique = (std::uint64_t{number_ + 1} << 32 | ++sequence_) << 1;
    header.pid = number_;
    asked r(request);
    lwkt::thread& self = lwkt::thread::current();
    r.caller = &self;
    doing_node_.store(r.header.nodeid, std::memory_order_relaxed);
    doing_unique_.store(r.header.unique, std::memory_order_relaxed);
    doing_op_.store(r.header.opcode, std::memory_order_relaxed);
    if (r.wants_reply) r.readable = &read_unique_;
    channel_.submit(r);
    for (;;) {
        self.arm();
        if (r.at.load(std::memory_order_relaxed) == asked::stage::over) break;
        self.sleep(sleep_flags::none);
    }
    self.disarm();
    r.told.interrupted = interrupted_unique_.load(std::memory_order_seq_cst) == r.header.unique;
    doing_op_.store(0, std::memory_order_relaxed);
    return std::move(r.told);
}

void client::interrupt(kernel_channel& through) {
    const std::uint64_t unique = read_unique_.load(std::memory_order_acquire);
    if (unique == 0) return;
    world_.interrupts_out.fetch_add(1, std::memory_order_seq_cst);
    if (world_.calm.load(std::memory_order_seq_cst)) {
        world_.interrupts_out.fetch_sub(1, std::memory_order_seq_cst);
        return;
    }
    std::uint64_t before = interrupted_unique_.load(std::memory_order_seq_cst);
    while (before < unique &&
           !interrupted_unique_.compare_exchange_weak(before, unique, std::memory_order_seq_cst)) {
    }
    frame_builder b(opcode::interrupt, 0);
    b.add(wire::interrupt_in{.unique = unique});
    std::vector<std::byte> request = b.done();
    reinterpret_cast<wire::in_header*>(request.data())->unique = unique | wire::unique_interrupt;
    auto r = std::make_unique<asked>(request);
    r->out = &world_.interrupts_out;
    world_.interrupts.fetch_add(1, std::memory_order_relaxed);
    through.submit(*r.release());
}

void client::fail(const std::string& what) {
    world_.found.add(fmt::format("client {}: {}", number_, what));
}

// True if the server has done it. An error that is neither in the list nor explained by what the client knows is wrong.
bool client::expect(const answer& a, const char* what, std::initializer_list<int> errors) {
    if (a.error == 0) return true;
    if (a.error == ENOTCONN && world_.dying.load(std::memory_order_relaxed)) {
        dead_ = true;
    } else if (a.error == EINTR && a.interrupted) {
        world_.interrupted.fetch_add(1, std::memory_order_relaxed);
    } else if (std::find(errors.begin(), errors.end(), a.error) == errors.end()) {
        fail(fmt::format("{} answers {}", what, error(a.error).name()));
    }
    return false;
}

// The node that an answer names: the kernel holds one more lookup of it, unless it refused the answer.
std::optional<client::entry> client::take_entry(const answer& a) {
    if (!expect(a, "an operation that names a node", {ENOENT, EEXIST, EISDIR, EACCES, EPERM})) {
        return std::nullopt;
    }
    const auto out = a.as<wire::entry_out>();
    entry e{.node = out.nodeid,
            .ino = out.attr.ino,
            .size = out.attr.size,
            .dir = msg::vtype_of(out.attr.mode) == msg::vtype::dir};
    if (e.node == 0 || e.ino == 0) {
        fail("an answer names no node");
        return std::nullopt;
    }
    if (a.refused) {
        e.node = 0;
        return e;
    }
    ++lookups_[e.node];
    known_[e.node] = e;
    return e;
}

std::optional<std::uint64_t> client::take_handle(const answer& a, std::uint64_t node,
                                                 std::size_t at) {
    if (a.error != 0 || a.refused) return std::nullopt;
    const auto out = a.as<wire::open_out>(at);
    files_.push_back({node, out.fh});
    return out.fh;
}

answer client::lookup(std::uint64_t dir, std::string_view name) {
    return ask(frame_builder(opcode::lookup, dir).add_string(name));
}

answer client::create(std::uint64_t dir, std::string_view name) {
    return ask(frame_builder(opcode::create, dir)
                   .add(wire::create_in{.flags = 2, .mode = 0100644, .umask = 0, .open_flags = 0})
                   .add_string(name));
}

answer client::make(opcode op, std::uint64_t dir, std::string_view name) {
    frame_builder b(op, dir);
    if (op == opcode::mkdir) {
        b.add(wire::mkdir_in{.mode = 0755, .umask = 0});
    } else {
        b.add(wire::mknod_in{.mode = 0100644, .rdev = 0, .umask = 0, .padding = 0});
    }
    return ask(b.add_string(name));
}

answer client::remove(opcode op, std::uint64_t dir, std::string_view name) {
    return ask(frame_builder(op, dir).add_string(name));
}

answer client::rename(std::uint64_t dir, std::string_view name, std::uint64_t to_dir,
                      std::string_view to, std::uint32_t flags) {
    frame_builder b(flags == 0 ? opcode::rename : opcode::rename2, dir);
    if (flags == 0) {
        b.add(wire::rename_in{.newdir = to_dir});
    } else {
        b.add(wire::rename2_in{.newdir = to_dir, .flags = flags, .padding = 0});
    }
    return ask(b.add_string(name).add_string(to));
}

answer client::link(std::uint64_t node, std::uint64_t dir, std::string_view name) {
    return ask(
        frame_builder(opcode::link, dir).add(wire::link_in{.oldnodeid = node}).add_string(name));
}

answer client::set(std::uint64_t node, std::uint32_t valid, std::uint64_t size) {
    wire::setattr_in in{};
    in.valid = valid;
    in.size = size;
    in.mode = 0600 | static_cast<std::uint32_t>(pick(64));
    return ask(frame_builder(opcode::setattr, node).add(in));
}

answer client::read(std::uint64_t node, std::uint64_t at, std::uint32_t size) {
    wire::read_in in{};
    in.fh = handle_of(node);
    in.offset = at;
    in.size = size;
    return ask(frame_builder(opcode::read, node).add(in));
}

answer client::write(std::uint64_t node, std::uint64_t at, std::string_view data) {
    wire::write_in in{};
    in.fh = handle_of(node);
    in.offset = at;
    in.size = static_cast<std::uint32_t>(data.size());
    return ask(frame_builder(opcode::write, node).add(in).add_text(data));
}

answer client::readdir(std::uint64_t dir, std::uint64_t from, bool plus) {
    wire::read_in in{};
    in.offset = from;
    in.size = asked::room_bytes;
    return ask(frame_builder(plus ? opcode::readdirplus : opcode::readdir, dir).add(in));
}

std::vector<client::listed> client::take_entries(const answer& a, bool plus) {
    std::vector<listed> all;
    for (std::size_t at = 0; at < a.body.size();) {
        const std::size_t head = plus ? offsetof(wire::direntplus, dirent) : 0;
        const auto d = a.as<wire::dirent>(at + head);
        const std::size_t name_at = at + head + sizeof(wire::dirent);
        if (d.namelen == 0 || name_at + d.namelen > a.body.size()) {
            fail("a listing is cut off");
            return all;
        }
        all.push_back({{reinterpret_cast<const char*>(a.body.data()) + name_at, d.namelen}, d.ino});
        const auto e = plus ? a.as<wire::entry_out>(at) : wire::entry_out{};
        if (e.nodeid != 0 && !a.refused) {
            ++lookups_[e.nodeid];
            known_[e.nodeid] = {.node = e.nodeid,
                                .ino = e.attr.ino,
                                .size = e.attr.size,
                                .dir = msg::vtype_of(e.attr.mode) == msg::vtype::dir};
            if (e.attr.ino != d.ino) fail("an entry of a listing names another node");
        }
        at = name_at + wire::record_align(d.namelen);
    }
    return all;
}

// ---- what the kernel keeps

std::uint64_t client::handle_of(std::uint64_t node) const {
    const auto file = std::find_if(files_.begin(), files_.end(),
                                   [node](const open_file& f) { return f.node == node; });
    return file != files_.end() ? file->handle : 0;
}

void client::close(std::size_t index) {
    const open_file f = files_[index];
    files_.erase(files_.begin() + static_cast<std::ptrdiff_t>(index));
    wire::release_in in{};
    in.fh = f.handle;
    expect(ask(frame_builder(opcode::release, f.node).add(in)), "release", {});
}

// Gives lookups back; the kernel does not while a file of the node is open.
void client::forget(const std::vector<std::pair<std::uint64_t, std::uint64_t>>& counts) {
    for (const auto& [node, count] : counts) {
        std::uint64_t& held = lookups_[node];
        held -= count;
        if (held == 0) {
            lookups_.erase(node);
            known_.erase(node);
        }
    }
    if (counts.size() == 1) {
        ask(frame_builder(opcode::forget, counts[0].first)
                .add(wire::forget_in{.nlookup = counts[0].second}));
        return;
    }
    frame_builder b(opcode::batch_forget, 0);
    b.add(wire::batch_forget_in{.count = static_cast<std::uint32_t>(counts.size()), .dummy = 0});
    for (const auto& [node, count] : counts) {
        b.add(wire::forget_one{.nodeid = node, .nlookup = count});
    }
    ask(b);
}

void client::forget_some() {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> counts;
    const std::uint64_t wanted = pick(2) == 0 ? 1 : 1 + pick(6);
    for (const auto& [node, count] : lookups_) {
        const bool kept =
            node == own_dir_ || handle_of(node) != 0 ||
            std::find(shared_dirs_.begin(), shared_dirs_.end(), node) != shared_dirs_.end();
        if (!kept && pick(3) == 0 && counts.size() < wanted) {
            counts.emplace_back(node, pick(2) == 0 ? count : 1 + pick(count));
        }
    }
    if (!counts.empty()) forget(counts);
}

void client::take_over(client& other) {
    for (const auto& [node, count] : other.lookups_) {
        lookups_[node] += count;
    }
    known_.merge(other.known_);
    other.lookups_.clear();
    other.known_.clear();
}

void client::give_all_back() {
    while (!lookups_.empty()) {
        std::vector<std::pair<std::uint64_t, std::uint64_t>> counts;
        for (const auto& one : lookups_) {
            if (counts.size() < 64) counts.push_back(one);
        }
        forget(counts);
    }
}

void client::look_at_all() {
    for (const auto& [node, e] : known_) {
        const answer a = ask(frame_builder(opcode::getattr, node).add(wire::getattr_in{}));
        if (expect(a, "getattr of a node that the kernel knows", {}) &&
            a.as<wire::attr_out>().attr.ino != e.ino) {
            fail(fmt::format("node {:#x} is another object than it was", node));
        }
    }
}

answer client::destroy() {
    return ask(frame_builder(opcode::destroy, 0));
}

} // namespace puffs::stress
