// caching - a file server whose answers differ in what the kernel may keep; each file is a page of zeros.
//
//   /plain       open answers nothing
//   /kept        open answers open_keep_cache
//   /direct      open answers open_direct_io
//   /stream      open answers open_stream and open_nonseekable
//   /brief       its attributes are good for no time, whatever the mount says
//   /forgotten   its name is good for no time
//   /listed      a directory whose open answers open_cache_dir and open_keep_cache
//   /unlisted    a directory whose open answers nothing
#include "puffs/puffs.hh"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

namespace {

using namespace std::chrono_literals;
using puffs::vtype;
namespace msg = puffs::msg;

struct object {
    std::string_view name;
    std::uint32_t bits = 0;
    bool directory = false;
    bool brief = false;
    bool forgotten = false;
};
constexpr std::array objects = {
    object{.name = "plain"},
    object{.name = "kept", .bits = msg::open_keep_cache},
    object{.name = "direct", .bits = msg::open_direct_io},
    object{.name = "stream", .bits = msg::open_stream | msg::open_nonseekable},
    object{.name = "brief", .brief = true},
    object{.name = "forgotten", .forgotten = true},
    object{.name = "listed", .bits = msg::open_cache_dir | msg::open_keep_cache, .directory = true},
    object{.name = "unlisted", .directory = true},
};
constexpr std::uint64_t root_id = 1, first_id = 2, file_bytes = 4096;

struct caching {
    static constexpr std::uint64_t root_id = ::root_id;

    static const object& of(const puffs::node& n) {
        static constexpr object root{.name = "/", .directory = true};
        return n.id() == root_id ? root : objects.at(n.id() - first_id);
    }

    puffs::result<puffs::new_node> lookup(puffs::cc&, puffs::node&, std::string_view name) {
        const auto* const found = std::ranges::find(objects, name, &object::name);
        if (found == objects.end()) {
            return puffs::fail(ENOENT);
        }
        puffs::new_node n;
        n.id = first_id + static_cast<std::uint64_t>(found - objects.begin());
        n.type = found->directory ? vtype::dir : vtype::reg;
        if (found->forgotten) {
            n.entry_timeout = 0s;
        }
        return n;
    }
    puffs::result<puffs::attr> getattr(puffs::cc& c, puffs::node& n) {
        const object& o = of(n);
        if (o.brief) {
            c.attr_timeout(0s);
        }
        puffs::attr a;
        a.mode = o.directory ? 040755 : 0100644;
        a.size = o.directory ? 0 : file_bytes;
        return a;
    }
    puffs::result<puffs::open_reply> open(puffs::cc&, puffs::node& n, int) {
        return puffs::open_reply{.handle = 0, .bits = of(n).bits};
    }
    puffs::result<std::size_t> read(puffs::cc&, puffs::node&, std::span<std::byte> into,
                                    std::uint64_t offset) {
        const std::size_t count =
            std::min<std::uint64_t>(into.size(), offset < file_bytes ? file_bytes - offset : 0);
        std::memset(into.data(), 0, count);
        return count;
    }
    puffs::result<void> readdir(puffs::cc&, puffs::node& n, puffs::dirents& out,
                                std::uint64_t from) {
        static_cast<void>((from >= 1 || out.add(".", n.id(), vtype::dir, 1)) &&
                          (from >= 2 || out.add("..", root_id, vtype::dir, 2)));
        return {};
    }
};

} // namespace

int main(int argc, char** argv) {
    return puffs::main<caching>(argc, argv);
}
