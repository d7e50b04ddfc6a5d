// The beginning and the end of a memfs: its options, its root, what is left when it is unmounted.
#include "memfs/memfs.hh"

#include <charconv>
#include <fmt/format.h>
#include <stdexcept>
#include <string>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace memfs {

namespace {

constexpr std::uint64_t size_min_bytes = 64 * 1024;

std::uint64_t number(const std::string& option, std::string_view text, int base) {
    std::uint64_t value = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (failed != std::errc() || end != text.data() + text.size()) {
        throw std::invalid_argument(fmt::format("option '{}={}': want {} number", option, text,
                                                base == 8 ? "an octal" : "a"));
    }
    return value;
}

std::uint64_t half_of_memory() {
    return static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
           static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) / 2;
}

// "512K", "64M", "2G", or a percentage of the machine's memory, as for tmpfs.
std::uint64_t size_of(const std::string& option, std::string_view text) {
    const std::string_view whole = text;
    unsigned shift = 0;
    bool percent = false;
    if (!text.empty()) {
        switch (text.back()) {
        case 'k':
        case 'K':
            shift = 10;
            break;
        case 'm':
        case 'M':
            shift = 20;
            break;
        case 'g':
        case 'G':
            shift = 30;
            break;
        case 't':
        case 'T':
            shift = 40;
            break;
        case '%':
            percent = true;
            break;
        default:
            break;
        }
        if (shift != 0 || percent) {
            text.remove_suffix(1);
        }
    }
    std::uint64_t value = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    const std::uint64_t value_max = percent ? 100 : ~std::uint64_t{0} >> 1 >> shift;
    if (failed != std::errc() || end != text.data() + text.size() || value > value_max) {
        value = 0;
    } else {
        value = percent ? half_of_memory() / 50 * value : value << shift;
    }
    if (value < size_min_bytes) {
        throw std::invalid_argument(
            fmt::format("option '{}={}': want {} bytes or more, such as 64M, 2G or 25%", option,
                        whole, size_min_bytes));
    }
    return value;
}

std::uint64_t size_option(const puffs::server_arguments& arguments) {
    for (const auto& [option, value] : arguments.options) {
        if (option == "size") {
            return size_of(option, value);
        }
    }
    return half_of_memory();
}

} // namespace

std::string_view memfs::help() {
    return R"(Options of memfs:
  size=BYTES               limit of all it holds: 64M, 2G, 25% (default: half of the memory)
  mode=OCTAL uid=N gid=N   of the root directory (default: 755, the user who mounts)
It is always mounted with default_permissions.
)";
}

void memfs::defaults(puffs::kmod::mount_options& o) {
    // All changes come through this mount, so the kernel may believe what it was told.
    constexpr auto long_time = std::chrono::hours(24 * 365);
    o.user.entry_timeout = o.user.attr_timeout = o.user.negative_timeout = long_time;
    o.user.sole_owner = true;
    o.clears_set_id = true;
    o.default_permissions = true;
}

memfs::memfs(const puffs::server_arguments& arguments) : space_(size_option(arguments)) {
    puffs::make_request r;
    r.mode = S_IFDIR | 0755;
    r.uid = ::getuid();
    r.gid = ::getgid();
    for (const auto& [option, value] : arguments.options) {
        if (option == "size") {
            continue;
        }
        if (option == "mode") {
            const std::uint64_t mode = number(option, value, 8);
            if (mode > 07777) {
                throw std::invalid_argument(
                    fmt::format("option 'mode={}': want an octal number up to 7777", value));
            }
            r.mode = S_IFDIR | static_cast<std::uint32_t>(mode);
        } else if (option == "uid" || option == "gid") {
            const std::uint64_t id = number(option, value, 10);
            if (id >= 0xffffffff) {
                throw std::invalid_argument(
                    fmt::format("option '{}={}': out of range", option, value));
            }
            (option == "uid" ? r.uid : r.gid) = static_cast<std::uint32_t>(id);
        } else {
            throw std::invalid_argument(
                fmt::format("unknown option '{}' in -o; see --help", option));
        }
    }
    reservation cost(space_, inode::cost_bytes); // less than any limit
    root_ = make_inode(nullptr, r).release();
    cost.keep();
    inodes_.store(1, std::memory_order_relaxed); // nobody else sees it yet
    root_->parent.store(root_, std::memory_order_relaxed);
}

// The framework has reclaimed every node it knew; what is left has names, and hangs below the root. Walked without
// recursion: a tree may be deeper than a stack.
memfs::~memfs() {
    std::vector<inode*> left = {root_};
    while (!left.empty()) {
        inode* i = left.back();
        left.pop_back();
        if (i->is_dir()) {
            for (auto it = i->names->after(0); it != i->names->end(); ++it) {
                inode* below = it->second.node;
                if (below->is_dir() || --below->nlink == 0) {
                    left.push_back(below);
                }
            }
        }
        delete i;
    }
}

} // namespace memfs
