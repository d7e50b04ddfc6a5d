// null_puffs - the null file system of floor_proto.hh on puffs: what the framework itself costs.
//
// Takes the options of every file server, and -o file_bytes=N. Policy: the mount's; see --help.
#include "numbers.hh"
#include "puffs/puffs.hh"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <sys/stat.h>
#include <vector>

namespace puffs::bench {
namespace {

class null_fs {
  public:
    static constexpr std::string_view name = "null_puffs";
    static constexpr std::uint64_t root_id = 1;
    static constexpr policy_set policies = {policy::per_node, policy::serial, policy::parallel,
                                            policy::home};
    static std::string_view help() { return "  -o file_bytes=N    size of the file\n"; }

    explicit null_fs(const server_arguments& args) {
        for (const auto& [option, value] : args.options) {
            if (option != "file_bytes" || !parse_number(value, file_bytes_))
                throw std::invalid_argument("unknown or wrong option '" + option + "'");
        }
    }

    result<new_node> lookup(cc&, node& dir, std::string_view wanted) {
        if (!dir.is_dir() || wanted != file_name) return fail(ENOENT);
        new_node made;
        made.id = file_id;
        made.va = attributes(file_id);
        return made;
    }

    result<attr> getattr(cc&, node& n) { return attributes(n.id()); }

    result<void> setattr(cc&, node&, const setattr_request&) { return {}; }

    result<std::size_t> read(cc&, node&, std::span<std::byte> into, std::uint64_t offset) {
        const std::uint64_t left = offset < file_bytes_ ? file_bytes_ - offset : 0;
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left, into.size()));
        std::memset(into.data(), 0, size);
        return size;
    }

    result<std::size_t> write(cc&, node&, std::span<const std::byte> from, std::uint64_t) {
        return from.size();
    }

    result<void> readdir(cc&, node&, dirents& out, std::uint64_t cookie) {
        if (cookie < 1 && !out.add(".", root_id, msg::vtype::dir, 1)) return {};
        if (cookie < 2 && !out.add("..", root_id, msg::vtype::dir, 2)) return {};
        if (cookie < 3) (void)out.add(file_name, file_id, msg::vtype::reg, 3);
        return {};
    }

  private:
    static constexpr std::uint64_t file_id = 2;
    static constexpr std::string_view file_name = "file";

    [[nodiscard]] attr attributes(std::uint64_t id) const {
        attr va;
        va.ino = id;
        va.mode = id == root_id ? S_IFDIR | 0755 : S_IFREG | 0666;
        va.nlink = id == root_id ? 2 : 1;
        va.size = id == root_id ? 0 : file_bytes_;
        va.blocks = va.size / 512;
        return va;
    }

    std::uint64_t file_bytes_ = std::uint64_t{64} << 20;
};

} // namespace
} // namespace puffs::bench

int main(int argc, char** argv) {
    return puffs::main<puffs::bench::null_fs>(argc, argv);
}
