#include "mount/transport.hh"

#include "mount/option_list.hh"
#include "puffs/base/limits.hh"

#include <algorithm>
#include <fmt/format.h>
#include <fstream>

namespace puffs::kmod {

namespace {

constexpr const char* parameter_path = "/sys/module/fuse/parameters/enable_uring";
constexpr const char* possible_path = "/sys/devices/system/cpu/possible";

// More entries do not make a single caller faster, and a core serves one request at a time: these are for callers that
// wait inside the server, and for what the kernel sends ahead.
constexpr unsigned entries_usual = 8;
constexpr unsigned entries_least = 2;
// All entries of a mount together take no more than this, unless entries_least of each queue do.
constexpr std::size_t memory_usual_bytes = std::size_t{256} << 20;

std::string line_of(const char* path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

} // namespace

uring_support uring_support_here() {
    const std::string value = line_of(parameter_path);
    if (value.empty()) {
        return uring_support::absent;
    }
    return value == "Y" || value == "1" ? uring_support::on : uring_support::off;
}

std::expected<transport_choice, std::string>
choose_transport(transport_kind asked, uring_support kernel, const std::vector<int>& possible) {
    if (asked == transport_kind::dev) {
        return transport_choice{.uring = false, .why = "asked for"};
    }
    std::string why;
    switch (kernel) {
    case uring_support::on:
        if (possible.empty()) {
            why = fmt::format("{} names no CPUs, or more than {}", possible_path, limits::cores);
            break;
        }
        return transport_choice{.uring = true,
                                .why = asked == transport_kind::uring ? "asked for"
                                                                      : "the kernel offers it"};
    case uring_support::off:
        why = std::string("the kernel's FUSE over io_uring is switched off; to use it: echo Y > ") +
              parameter_path;
        break;
    case uring_support::absent:
        why = "the kernel has no FUSE over io_uring (Linux 6.14 or later has)";
        break;
    }
    if (asked == transport_kind::uring) {
        return std::unexpected("option '--transport=uring': " + why);
    }
    return transport_choice{.uring = false, .why = std::move(why)};
}

std::vector<std::vector<std::uint16_t>> queues_of_cores(const std::vector<int>& cpu_of_core,
                                                        const std::vector<int>& possible) {
    std::vector<std::vector<std::uint16_t>> queues(cpu_of_core.size());
    std::size_t next = 0;
    for (const int cpu : possible) {
        const auto at = std::find(cpu_of_core.begin(), cpu_of_core.end(), cpu);
        const std::size_t core = at != cpu_of_core.end()
                                     ? static_cast<std::size_t>(at - cpu_of_core.begin())
                                     : next++ % cpu_of_core.size();
        queues[core].push_back(static_cast<std::uint16_t>(cpu));
    }
    return queues;
}

std::vector<int> possible_cpus() {
    auto cpus = parse_cpu_list(line_of(possible_path));
    return cpus ? *cpus : std::vector<int>{};
}

unsigned entries_of_queue(unsigned asked, std::size_t queues, std::size_t payload_bytes) {
    if (asked != 0) {
        return asked;
    }
    const std::size_t fit = memory_usual_bytes / (queues * payload_bytes);
    return static_cast<unsigned>(std::clamp<std::size_t>(fit, entries_least, entries_usual));
}

} // namespace puffs::kmod
