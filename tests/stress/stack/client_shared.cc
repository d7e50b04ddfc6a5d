// What a client does in directories that it shares: names come and go, but a node that it knows stays, and its own slot
// of a file keeps what it wrote there.
#include "stress/stack/client.hh"
#include "stress/stack/world.hh"

#include <algorithm>
#include <fmt/format.h>
#include <linux/fs.h>

namespace puffs::stress {

namespace {

constexpr std::uint32_t exchange = RENAME_EXCHANGE, noreplace = RENAME_NOREPLACE;

struct block { // a client's slot of a shared file
    std::uint64_t ino, client, sequence;
    std::array<std::uint64_t, 5> check;

    static block of(std::uint64_t ino, std::uint64_t client, std::uint64_t sequence) {
        block b{.ino = ino, .client = client, .sequence = sequence, .check = {}};
        std::uint64_t x = ino * 31 + client * 7 + sequence;
        for (std::uint64_t& c : b.check) {
            c = x = x * 6364136223846793005U + 1442695040888963407U;
        }
        return b;
    }
};
static_assert(sizeof(block) == client::block_bytes);

} // namespace

std::string client::any_name() {
    return std::string(1, "abcdDE"[pick(6)]);
}

void client::step_shared() {
    switch (pick(16)) {
    case 0:
        return list_shared();
    case 1:
    case 2:
        return forget_some();
    case 3:
    case 4:
    case 5:
    case 6:
    case 7:
        return use_shared();
    default:
        return names_shared();
    }
}

void client::names_shared() {
    std::uint64_t dir = shared_dirs_[pick(shared_dirs_.size())];
    if (pick(4) == 0) { // perhaps one that was removed
        const auto any =
            std::next(known_.begin(), static_cast<std::ptrdiff_t>(pick(known_.size())));
        if (any->second.dir && any->first != own_dir_) dir = any->first;
    }
    if (pick(10) == 0) {
        if (!world_.dirs.try_exclusive(dir)) return;
        make_shared(dir);
        return world_.dirs.unlock_exclusive(dir);
    }
    if (!world_.dirs.try_shared(dir)) return;
    change_shared(dir);
    world_.dirs.unlock_shared(dir);
}

void client::make_shared(std::uint64_t dir) {
    const opcode op = pick(2) == 0 ? opcode::mkdir : opcode::mknod;
    const answer a = make(op, dir, any_name());
    if (expect(a, "mknod or mkdir", {ENOENT, EEXIST})) take_entry(a);
}

void client::change_shared(std::uint64_t dir) {
    const std::string name = any_name();
    switch (pick(9)) {
    case 0:
    case 1: {
        const answer a = lookup(dir, name);
        if (expect(a, "lookup", {ENOENT})) take_entry(a);
        return;
    }
    case 2:
    case 3: {
        const answer a = create(dir, name);
        if (!expect(a, "create", {ENOENT, EEXIST, EISDIR, EACCES})) return;
        if (const auto e = take_entry(a)) {
            take_handle(a, e->node, sizeof(fuse::wire::entry_out));
        }
        if (files_.size() > 4) close(pick(files_.size()));
        return;
    }
    case 4:
        expect(remove(opcode::unlink, dir, name), "unlink", {ENOENT, EISDIR, EBUSY});
        return;
    case 5:
        expect(remove(opcode::rmdir, dir, name), "rmdir", {ENOENT, ENOTDIR, ENOTEMPTY, EBUSY});
        return;
    default:
        // Between directories that stay where they are: nothing comes to stand below itself.
        if (std::find(shared_dirs_.begin(), shared_dirs_.end(), dir) != shared_dirs_.end()) {
            rename_shared(dir, name);
        }
    }
}

void client::rename_shared(std::uint64_t dir, const std::string& name) {
    const std::uint64_t to_dir = shared_dirs_[pick(shared_dirs_.size())];
    if (!world_.dirs.try_shared(to_dir)) return;
    const std::uint32_t flags = pick(2) == 0 ? 0 : pick(2) == 0 ? exchange : noreplace;
    const answer a = rename(dir, name, to_dir, any_name(), flags);
    world_.dirs.unlock_shared(to_dir);
    expect(a, "rename", {ENOENT, EEXIST, EISDIR, ENOTDIR, ENOTEMPTY, EBUSY, EINVAL});
}

void client::list_shared() {
    const bool plus = pick(2) == 0;
    const std::uint64_t dir = shared_dirs_[pick(shared_dirs_.size())];
    if (!world_.dirs.try_shared(dir)) return;
    const answer a = readdir(dir, 0, plus);
    world_.dirs.unlock_shared(dir);
    if (expect(a, "readdir", {})) take_entries(a, plus);
}

void client::use_shared() {
    std::vector<std::uint64_t> files;
    for (const auto& [node, e] : known_) {
        if (!e.dir && !own_inos_.contains(e.ino)) files.push_back(node);
    }
    if (files.empty()) return;
    const std::uint64_t node = files[pick(files.size())];
    const std::uint64_t ino = known_.at(node).ino;
    switch (pick(6)) {
    case 0:
    case 1:
        return write_shared(node, ino);
    case 2:
        return read_shared(node, ino);
    case 3:
        return attributes_shared(node, ino);
    case 4:
        return open_shared(node);
    default: {
        const answer a = link(node, shared_dirs_[pick(3)], std::string(1, "abcd"[pick(4)]));
        if (expect(a, "link", {ENOENT, EEXIST})) take_entry(a);
        return;
    }
    }
}

void client::write_shared(std::uint64_t node, std::uint64_t ino) {
    const block b = block::of(ino, number_, ++sequence_);
    const std::string_view data(reinterpret_cast<const char*>(&b), sizeof b);
    const answer a = write(node, number_ * sizeof b, data);
    if (expect(a, "write of a node that the kernel knows", {})) written_[ino] = b.sequence;
}

void client::read_shared(std::uint64_t node, std::uint64_t ino) {
    const answer a = read(node, 0, static_cast<std::uint32_t>(world_.clients.size() * block_bytes));
    if (!expect(a, "read of a node that the kernel knows", {})) return;
    const std::string_view got(reinterpret_cast<const char*>(a.body.data()), a.body.size());
    if (got.size() % block_bytes != 0) fail("a read gives half a block");
    for (std::size_t slot = 0; (slot + 1) * block_bytes <= got.size(); ++slot) {
        check_block(got.substr(slot * block_bytes, block_bytes), slot, ino);
    }
    if (written_.contains(ino) && got.size() < (number_ + 1) * block_bytes) {
        fail("a file is shorter than what was written to it");
    }
}

void client::check_block(std::string_view text, std::size_t slot, std::uint64_t ino) {
    block b{};
    std::memcpy(&b, text.data(), sizeof b);
    const bool never = text.find_first_not_of('\0') == std::string_view::npos;
    const block right = block::of(ino, slot, b.sequence);
    if (!never && std::memcmp(&b, &right, sizeof b) != 0) {
        fail(fmt::format("slot {} of object {} has what nobody wrote there", slot, ino));
    }
    if (slot != number_) return;
    const auto mine = written_.find(ino);
    if (mine == written_.end() ? !never : b.sequence != mine->second) {
        fail(fmt::format("the own slot of object {} has not what was written there", ino));
    }
}

void client::attributes_shared(std::uint64_t node, std::uint64_t ino) {
    const answer a =
        pick(2) == 0
            ? set(node, fuse::wire::fattr::mode, 0)
            : ask(fuse::test::frame_builder(opcode::getattr, node).add(fuse::wire::getattr_in{}));
    if (expect(a, "attributes of a node that the kernel knows", {}) &&
        a.as<fuse::wire::attr_out>().attr.ino != ino) {
        fail("a node has become another object");
    }
}

void client::open_shared(std::uint64_t node) {
    const answer a = ask(fuse::test::frame_builder(opcode::open, node)
                             .add(fuse::wire::open_in{.flags = 2, .open_flags = 0}));
    if (!expect(a, "open", {EACCES})) return;
    take_handle(a, node, 0);
    if (files_.size() > 4) close(pick(files_.size()));
}

} // namespace puffs::stress
