// unruly - a file server that misbehaves on request, for the tests of what the framework does then.
//
//   /fine      reads "fine\n"
//   /throws    its read throws std::runtime_error, its write throws a number
//   /slow      its read takes -o slow_ms= milliseconds, as a light thread
//   /hogs      its read of the beginning takes as long, and holds its core
//   /refuses   its read answers a number that is no errno of Linux
// -o throw_at_start: the constructor throws. -o fail_at_start: start() answers EIO.
// -o spoil_at_start=DIRECTORY: start() removes it, so that mounting there fails.
// -o tell_unmount=FILE: unmount writes a line there, "unmount" or "unmount by force".
// -o hang=thread|core: statvfs never returns, and holds its light thread, or its whole core.
#include "puffs/lwkt/sched.hh"
#include "puffs/puffs.hh"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace {

struct file {
    const char* name;
    const char* text;
};
constexpr std::array files = {file{"fine", "fine\n"}, file{"throws", "never\n"},
                              file{"slow", "slow\n"}, file{"refuses", "never\n"},
                              file{"hogs", "hogs\n"}};
constexpr std::uint64_t first_id = 2;
enum which : std::uint64_t { fine = first_id, throws, slow, refuses, hogs };

struct unruly {
    std::chrono::milliseconds slow_time{1000};
    bool fail_at_start = false;
    std::string spoil;
    std::string tell_unmount;
    std::string hang;

    explicit unruly(const puffs::server_arguments& arguments) {
        for (const auto& [option, value] : arguments.options) {
            if (option == "slow_ms") {
                slow_time = std::chrono::milliseconds(std::stoi(value));
            } else if (option == "throw_at_start") {
                throw std::runtime_error("told to throw");
            } else if (option == "fail_at_start") {
                fail_at_start = true;
            } else if (option == "spoil_at_start") {
                spoil = value;
            } else if (option == "tell_unmount") {
                tell_unmount = value;
            } else if (option == "hang") {
                hang = value;
            } else {
                throw std::invalid_argument("unknown option '" + option + "' in -o; see --help");
            }
        }
    }

    puffs::result<void> start(puffs::usermount&) {
        if (fail_at_start) {
            return puffs::fail(EIO);
        }
        if (!spoil.empty() && ::rmdir(spoil.c_str()) < 0) {
            return puffs::fail(errno);
        }
        return {};
    }
    void unmount(bool force) const {
        if (!tell_unmount.empty()) {
            std::ofstream(tell_unmount, std::ios::app)
                << (force ? "unmount by force\n" : "unmount\n");
        }
    }
    puffs::result<puffs::fs_stats> statvfs(puffs::cc&) const {
        while (hang == "thread") {
            puffs::lwkt::sleep_for(std::chrono::hours(1));
        }
        while (hang == "core") {
            ::pause();
        }
        return puffs::fs_stats{};
    }
    puffs::result<puffs::new_node> lookup(puffs::cc&, puffs::node&, std::string_view name) {
        for (std::size_t i = 0; i < files.size(); ++i) {
            if (name == files[i].name) {
                puffs::new_node n;
                n.id = first_id + i;
                n.type = puffs::vtype::reg;
                return n;
            }
        }
        return puffs::fail(ENOENT);
    }
    puffs::result<puffs::attr> getattr(puffs::cc&, puffs::node& n) {
        puffs::attr a;
        a.mode = n.is_dir() ? S_IFDIR | 0755 : S_IFREG | 0666;
        a.nlink = n.is_dir() ? 2 : 1;
        a.size = n.is_dir() ? 0 : std::strlen(files[n.id() - first_id].text);
        return a;
    }
    puffs::result<puffs::open_reply> open(puffs::cc&, puffs::node&, int) {
        puffs::open_reply r;
        r.bits = puffs::msg::open_direct_io; // every read comes here
        return r;
    }
    puffs::result<std::size_t> read(puffs::cc&, puffs::node& n, std::span<std::byte> into,
                                    std::uint64_t offset) {
        if (n.id() == throws) {
            throw std::runtime_error("told to throw");
        }
        if (n.id() == slow) {
            puffs::lwkt::sleep_for(slow_time);
        }
        if (n.id() == hogs && offset == 0) {
            std::this_thread::sleep_for(slow_time);
        }
        if (n.id() == refuses) {
            return puffs::fail(4000);
        }
        const std::string_view text = files[n.id() - first_id].text;
        if (offset >= text.size()) {
            return std::size_t{0};
        }
        const std::size_t bytes =
            std::min(into.size(), text.size() - static_cast<std::size_t>(offset));
        std::memcpy(into.data(), text.data() + offset, bytes);
        return bytes;
    }
    puffs::result<std::size_t> write(puffs::cc&, puffs::node& n, std::span<const std::byte> from,
                                     std::uint64_t) {
        if (n.id() == throws) {
            throw 42;
        }
        return from.size();
    }
    // A slow read must not hold up another.
    static constexpr puffs::policy_set policies = {puffs::policy::parallel};
};

} // namespace

int main(int argc, char** argv) {
    return puffs::main<unruly>(argc, argv);
}
