// hello - the smallest file server: one directory with one file, /hello, that greets.
//
// Limits: nothing can be written or made; times are those of the epoch.
// Run:    mkdir -p /tmp/m; hello /tmp/m; cat /tmp/m/hello; fusermount3 -u /tmp/m
//         hello -f -d /tmp/m stays in the foreground and tells of each request.
#include <puffs/puffs.hh>

#include <algorithm>
#include <cstring>

struct hello {
    static constexpr std::string_view greeting = "Hello, world!\n";
    static constexpr std::uint64_t root = 1, file = 2;

    puffs::result<puffs::new_node> lookup(puffs::cc&, puffs::node&, std::string_view name) {
        puffs::new_node found;
        found.id = file;
        return name == "hello" ? puffs::result<puffs::new_node>(found) : puffs::fail(ENOENT);
    }
    puffs::result<puffs::attr> getattr(puffs::cc&, puffs::node& n) {
        puffs::attr a;
        a.mode = n.id() == root ? 040755 : 0100444;
        a.nlink = n.id() == root ? 2 : 1;
        a.size = n.id() == root ? 0 : greeting.size();
        return a;
    }
    puffs::result<std::size_t> read(puffs::cc&, puffs::node&, std::span<std::byte> into,
                                    std::uint64_t offset) {
        const auto rest = greeting.substr(std::min<std::uint64_t>(offset, greeting.size()));
        const auto count = std::min(into.size(), rest.size());
        std::memcpy(into.data(), rest.data(), count);
        return count;
    }
    puffs::result<void> readdir(puffs::cc&, puffs::node&, puffs::dirents& out, std::uint64_t from) {
        using enum puffs::vtype;
        static_cast<void>((from >= 1 || out.add(".", root, dir, 1)) &&
                          (from >= 2 || out.add("..", root, dir, 2)) &&
                          (from >= 3 || out.add("hello", file, reg, 3)));
        return {};
    }
};

int main(int argc, char** argv) {
    return puffs::main<hello>(argc, argv);
}
