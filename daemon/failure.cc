#include "daemon/failure.hh"

#include <array>
#include <system_error>

namespace puffs::daemon {
namespace {

struct named_code {
    failure_code code;
    std::string_view name;
};

constexpr std::array codes{
    named_code{failure_code::bad_json, "bad_json"},
    named_code{failure_code::too_long, "too_long"},
    named_code{failure_code::too_many, "too_many"},
    named_code{failure_code::bad_request, "bad_request"},
    named_code{failure_code::unknown_op, "unknown_op"},
    named_code{failure_code::denied, "denied"},
    named_code{failure_code::no_such_mount, "no_such_mount"},
    named_code{failure_code::no_such_server, "no_such_server"},
    named_code{failure_code::exists, "exists"},
    named_code{failure_code::start_failed, "start_failed"},
    named_code{failure_code::start_timeout, "start_timeout"},
    named_code{failure_code::died, "died"},
    named_code{failure_code::stop_failed, "stop_failed"},
    named_code{failure_code::shutting_down, "shutting_down"},
    named_code{failure_code::bad_config, "bad_config"},
    named_code{failure_code::no_daemon, "no_daemon"},
    named_code{failure_code::system, "system"},
};

} // namespace

std::string_view name(failure_code code) {
    for (const auto& entry : codes) {
        if (entry.code == code) return entry.name;
    }
    return "system";
}

std::optional<failure_code> failure_code_from(std::string_view name) {
    for (const auto& entry : codes) {
        if (entry.name == name) return entry.code;
    }
    return std::nullopt;
}

std::unexpected<failure> fail_system(std::string_view what, int number) {
    return fail(failure_code::system,
                std::string(what) + ": " + std::generic_category().message(number));
}

std::string one_line(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
    }
    return out;
}

} // namespace puffs::daemon
