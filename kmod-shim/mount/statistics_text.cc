#include "mount/statistics_text.hh"

#include <fmt/format.h>
#include <iterator>

namespace puffs::kmod {

namespace {

std::uint64_t get(const std::atomic<std::uint64_t>& v) {
    return v.load(std::memory_order_relaxed);
}

// Microseconds in three figures.
std::string microseconds(std::uint64_t ticks, double ns_per_tick) {
    const double us = static_cast<double>(ticks) * ns_per_tick / 1000;
    return fmt::format("{:.{}f}", us, us < 10 ? 2 : us < 100 ? 1 : 0);
}

std::string part_text(const histogram_sum& s, double ns_per_tick) {
    if (s.count() == 0) {
        return fmt::format("  {:>8} {:>8} {:>8}", "-", "-", "-");
    }
    return fmt::format("  {:>8} {:>8} {:>8}", microseconds(s.quantile(0.5), ns_per_tick),
                       microseconds(s.quantile(0.99), ns_per_tick),
                       microseconds(s.max(), ns_per_tick));
}

std::string times_text(std::span<const operation_statistics* const> cores, operation_kind k,
                       double ns_per_tick) {
    histogram_sum queued;
    histogram_sum run;
    histogram_sum reply;
    for (const operation_statistics* s : cores) {
        if (const operation_times* t = s->times_of(k)) {
            queued.add(t->queued);
            run.add(t->run);
            reply.add(t->reply);
        }
    }
    return part_text(queued, ns_per_tick) + part_text(run, ns_per_tick) +
           part_text(reply, ns_per_tick);
}

void add_lines(std::vector<std::string>& lines, const std::string& who,
               std::span<const operation_statistics* const> cores, double ns_per_tick) {
    for (std::uint32_t i = 0; i < kinds_count; ++i) {
        const auto k = static_cast<operation_kind>(i);
        std::uint64_t ended = 0;
        std::uint64_t errors = 0;
        for (const operation_statistics* s : cores) {
            ended += get(s->counts_of(k).ended);
            errors += get(s->counts_of(k).errors);
        }
        if (ended != 0) {
            lines.push_back(
                fmt::format("{:<8}{:<13} {:>10} {:>8}{}", who, name_of_kind(k), ended, errors,
                            cores.front()->timed() ? times_text(cores, k, ns_per_tick) : ""));
        }
    }
}

} // namespace

std::vector<std::string> operation_lines(std::span<const operation_statistics* const> cores,
                                         double ns_per_tick) {
    const bool timed = cores.front()->timed();
    std::vector<std::string> lines;
    if (timed) {
        lines.push_back(
            fmt::format("{:40}  {:<26}  {:<26}  {:<26}", "", "queued us", "run us", "reply us"));
    }
    std::string head = fmt::format("{:<8}{:<13} {:>10} {:>8}", "", "operation", "count", "errors");
    for (int part = 0; timed && part < 3; ++part) {
        fmt::format_to(std::back_inserter(head), "  {:>8} {:>8} {:>8}", "median", "99%", "max");
    }
    lines.push_back(head);
    add_lines(lines, "all", cores, ns_per_tick);
    for (std::size_t c = 0; cores.size() > 1 && c < cores.size(); ++c) {
        add_lines(lines, fmt::format("core {}", c), cores.subspan(c, 1), ns_per_tick);
    }
    return lines;
}

std::vector<std::string> statistics_lines(const lwkt::runtime& cores, const channels& channels,
                                          const puffs_mount& mount, const usermount& library) {
    std::vector<std::string> lines;
    std::vector<const operation_statistics*> operations;
    for (core_id c = 0; c < cores.size(); ++c) {
        const auto& m = mount.counters_of(c);
        const auto& s = cores.at(c).sched_stats();
        lines.push_back(
            fmt::format("core {} (CPU {}): {}; parks enqueued {} replied {} faf {} interrupted {}; "
                        "requests handed on {}; switches {} sleeps {} threads made {}",
                        c, cores.cpu_of(c), channels.stats_of(c), get(m.enqueued), get(m.replied),
                        get(m.faf), get(m.interrupted), library.handed_on(c), get(s.switches),
                        get(s.sleeps), get(s.created)));
        operations.push_back(&mount.statistics_of(c));
    }
    for (std::string& line : operation_lines(operations, mount.ns_per_tick())) {
        lines.push_back(std::move(line));
    }
    return lines;
}

} // namespace puffs::kmod
