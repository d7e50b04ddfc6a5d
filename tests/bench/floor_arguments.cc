#include "floor_arguments.hh"

#include <algorithm>
#include <iterator>
#include <liburing.h>
#include <string_view>
#include <utility>

namespace puffs::bench {
namespace {

bool parse_ring_flags(std::string_view list, unsigned& out) {
    constexpr std::pair<std::string_view, unsigned> names[] = {
        {"none", 0},
        {"coop", IORING_SETUP_COOP_TASKRUN},
        {"single", IORING_SETUP_SINGLE_ISSUER},
        {"defer", IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN},
        {"taskrun", IORING_SETUP_TASKRUN_FLAG}};
    out = 0;
    for (;;) {
        const auto plus = list.find('+');
        const auto* const known =
            std::find_if(std::begin(names), std::end(names),
                         [&](const auto& n) { return n.first == list.substr(0, plus); });
        if (known == std::end(names)) return false;
        out |= known->second;
        if (plus == std::string_view::npos) return true;
        list.remove_prefix(plus + 1);
    }
}

} // namespace

void declare_floor(CLI::App& app, floor_arguments& a, bool may_be_any_core) {
    app.add_option_function<std::string>(
           "--flags",
           [&a](const std::string& list) {
               if (!parse_ring_flags(list, a.ring_flags))
                   throw CLI::ValidationError("--flags", list + " is not known");
           },
           "of io_uring_setup: none, or of coop, single, defer (brings single with it) and taskrun "
           "(needs coop or defer), joined by +")
        ->type_name("WORDS");
    app.add_flag("--counters", a.counters, "print at the end what each core did");
    app.add_flag("--keep", a.keep, "give the file memory");
    declare_cores(app, a.cores, may_be_any_core,
                  may_be_any_core ? "one pinned thread on each, or any: not pinned"
                                  : "one pinned thread on each");
    app.add_option("--file-bytes", a.file_bytes, "size of the file");
    app.add_option("MOUNTPOINT", a.mount_point)->required();
}

} // namespace puffs::bench
