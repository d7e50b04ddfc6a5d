#include "mount/core_watch.hh"

#include "puffs/base/log.hh"
#include "puffs/kmod/statistics.hh"
#include "puffs/msg/work_note.hh"

#include <fmt/format.h>
#include <utility>
#include <vector>

namespace puffs::kmod {

namespace {

std::vector<const lwkt::core*> all_of(const lwkt::runtime& cores) {
    std::vector<const lwkt::core*> all;
    for (core_id c = 0; c < cores.size(); ++c) {
        all.push_back(&cores.at(c));
    }
    return all;
}

} // namespace

std::string offence_text(const std::string& name, const lwkt::watchdog::offence& o, int cpu) {
    const auto opclass = static_cast<std::uint32_t>(msg::opclass_of_note(o.what));
    const auto node = static_cast<msg::cookie>(o.on);
    return fmt::format("{}: {}{} has held core {} (CPU {}) for {:.2g} s", name,
                       name_of_kind(kind_of(opclass, msg::optype_of_note(o.what))),
                       node == msg::cookie::none ? ""
                                                 : fmt::format(" of node {}.{}", msg::slot_of(node),
                                                               msg::generation_of(node)),
                       o.on_core, cpu, std::chrono::duration<double>(o.held).count());
}

core_watch::core_watch(boost::asio::io_context& io, const lwkt::runtime& cores, std::string name,
                       std::chrono::nanoseconds limit)
    : cores_(cores), name_(std::move(name)), timer_(io), dog_(all_of(cores), limit) {}

void core_watch::start() {
    timer_.expires_after(dog_.interval());
    timer_.async_wait([this](const boost::system::error_code& stopped) {
        if (!stopped) {
            look();
            start();
        }
    });
}

void core_watch::look() {
    dog_.look(clock_.now(), [this](const lwkt::watchdog::offence& o) { report(o); });
}

void core_watch::report(const lwkt::watchdog::offence& o) {
    if (!limit_.take(clock_.now())) {
        return;
    }
    if (const std::uint64_t untold = limit_.take_refused(); untold != 0) {
        PUFFS_LOG(warn, "{}: {} more operations have held their cores", name_, untold);
    }
    PUFFS_LOG(warn, "{}", offence_text(name_, o, cores_.cpu_of(o.on_core)));
}

} // namespace puffs::kmod
