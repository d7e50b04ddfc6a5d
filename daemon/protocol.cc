#include "daemon/protocol.hh"

#include "daemon/limits.hh"

#include <algorithm>
#include <array>
#include <ctime>

namespace puffs::daemon {
namespace {

struct named_operation {
    operation op;
    std::string_view name;
    bool takes_spec;       // all fields of a mount
    bool takes_mountpoint; // that one only
};

constexpr std::array operations{
    named_operation{operation::mount, "mount", true, true},
    named_operation{operation::umount, "umount", false, true},
    named_operation{operation::list, "list", false, false},
    named_operation{operation::status, "status", false, true},
};

std::expected<request, refused_request> refuse(json id, failure_code code, std::string message) {
    return std::unexpected(refused_request{std::move(id), {code, std::move(message)}});
}

bool is_id(const json& value) {
    if (value.is_string()) return value.get_ref<const std::string&>().size() <= limits::id_bytes;
    return value.is_number_integer();
}

// Text with bytes that are not UTF-8 (a server may print any) is written with replacement characters.
std::string line_of(const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

} // namespace

std::string_view name(operation op) {
    return std::ranges::find(operations, op, &named_operation::op)->name;
}

std::expected<request, refused_request> parse_request(std::string_view line) {
    const json parsed = json::parse(line, nullptr, false);
    if (!parsed.is_object()) return refuse(nullptr, failure_code::bad_json, "not a JSON object");
    const auto bad = [&](json id, std::string message) {
        return refuse(std::move(id), failure_code::bad_request, std::move(message));
    };

    const auto id = parsed.find("id");
    if (id == parsed.end()) return bad(nullptr, "id: missing");
    if (!is_id(*id)) {
        return bad(nullptr, "id: neither an integer nor a string of at most " +
                                std::to_string(limits::id_bytes) + " bytes");
    }
    const auto op = parsed.find("op");
    if (op == parsed.end() || !op->is_string()) return bad(*id, "op: missing or not a string");
    const auto& op_name = op->get_ref<const std::string&>();
    const auto* known = std::ranges::find(operations, op_name, &named_operation::name);
    if (known == operations.end()) {
        return refuse(*id, failure_code::unknown_op, "unknown op '" + one_line(op_name) + "'");
    }

    request out{.id = *id, .op = known->op, .spec = {}};
    for (const auto& [key, value] : parsed.items()) {
        if (key == "id" || key == "op") continue;
        const auto* field = std::ranges::find(mount_fields, key, &mount_field::name);
        const bool taken = field != mount_fields.end() &&
                           (known->takes_spec ||
                            (known->takes_mountpoint && field->value == &mount_spec::mountpoint));
        if (!taken) return bad(*id, one_line(key) + ": unknown field");
        if (!value.is_string()) return bad(*id, key + ": not a string");
        out.spec.*field->value = value.get<std::string>();
    }
    if (out.op == operation::umount && out.spec.mountpoint.empty()) {
        return bad(*id, "mountpoint: missing");
    }
    return out;
}

std::string request_line(int id, operation op, const mount_spec& spec) {
    json out{{"id", id}, {"op", name(op)}};
    for (const auto& field : mount_fields) {
        if (!(spec.*field.value).empty()) out[std::string(field.name)] = spec.*field.value;
    }
    return line_of(out);
}

std::string reply_line(const json& id, json result) {
    result["id"] = id;
    result["ok"] = true;
    return line_of(result);
}

std::string reply_line(const json& id, const failure& why) {
    return line_of({{"id", id},
                    {"ok", false},
                    {"error", {{"code", name(why.code)}, {"message", one_line(why.message)}}}});
}

std::string utc_text(std::chrono::system_clock::time_point when) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(when);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    std::array<char, 32> text{};
    return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

json to_json(const mount_status& status) {
    json out{{"state", name(status.state)},
             {"since", utc_text(status.since)},
             {"restarts", status.restarts}};
    for (const auto& field : mount_fields) {
        if (!(status.spec.*field.value).empty()) {
            out[std::string(field.name)] = status.spec.*field.value;
        }
    }
    if (status.pid) out["pid"] = *status.pid;
    if (status.failed) {
        out["failure"] = {{"code", name(status.failed->code)},
                          {"message", one_line(status.failed->message)}};
    }
    if (status.last_exit) {
        out["last_exit"] = {
            {status.last_exit->by_signal ? "signal" : "status", status.last_exit->number},
            {"text", status.last_exit->text()}};
    }
    return out;
}

} // namespace puffs::daemon
