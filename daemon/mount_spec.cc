#include "daemon/mount_spec.hh"

#include "daemon/limits.hh"
#include "daemon/mountpoint.hh"

#include <algorithm>
#include <sys/stat.h>
#include <unistd.h>

namespace puffs::daemon {
namespace {

std::unexpected<failure> refuse(std::string_view field, std::string_view why) {
    return fail(failure_code::bad_request, std::string(field) + ": " + std::string(why));
}

bool is_program(const std::string& path) {
    struct stat st {};
    return ::stat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode) &&
           ::access(path.c_str(), X_OK) == 0;
}

outcome<void> check_text(const mount_spec& spec) {
    for (const auto& field : mount_fields) {
        const std::string& value = spec.*field.value;
        const auto limit =
            field.value == &mount_spec::options ? limits::option_bytes : limits::path_bytes;
        if (value.size() > limit) return refuse(field.name, "too long");
        if (value != one_line(value)) return refuse(field.name, "has a control character in it");
    }
    return {};
}

} // namespace

outcome<void> check(const mount_spec& spec) {
    if (spec.server.empty()) return refuse("server", "missing");
    if (spec.mountpoint.empty()) return refuse("mountpoint", "missing");
    if (auto ok = check_text(spec); !ok) return ok;
    if (!spec.server.starts_with('/') && spec.server.find('/') != std::string::npos) {
        return refuse("server", "neither an absolute path nor a name");
    }
    if (auto ok = check_mountpoint(spec.mountpoint); !ok) return ok;
    // The server's command line has no word that ends its options.
    if (spec.source.starts_with('-')) return refuse("source", "begins with '-'");
    if (spec.cores.find_first_not_of("0123456789,-") != std::string::npos) {
        return refuse("cores", "not a list of numbers and ranges such as 0-3,8");
    }
    if (!spec.log_level.empty() &&
        std::ranges::find(log_levels, spec.log_level) == log_levels.end()) {
        return refuse("log_level", "not one of trace, debug, info, warning, error, off");
    }
    if (!spec.restart.empty() && spec.restart != "never" && spec.restart != "on-failure") {
        return refuse("restart", "neither 'never' nor 'on-failure'");
    }
    return {};
}

outcome<std::string> find_server(const std::string& server,
                                 std::span<const std::string> directories) {
    if (server.starts_with('/')) {
        if (is_program(server)) return server;
        return fail(failure_code::no_such_server, server + " is not an executable file");
    }
    std::string searched;
    for (const auto& directory : directories) {
        auto path = directory;
        path.append("/").append(server);
        if (is_program(path)) return path;
        searched += (searched.empty() ? "" : ", ") + directory;
    }
    return fail(failure_code::no_such_server,
                "no executable file named " + server + " in " + searched);
}

std::vector<std::string> server_command(const std::string& program, const mount_spec& spec,
                                        int ready_fd) {
    std::vector<std::string> words{program, "-f"};
    if (!spec.options.empty()) {
        words.emplace_back("-o");
        words.push_back(spec.options);
    }
    if (!spec.cores.empty()) words.push_back("--cores=" + spec.cores);
    if (!spec.log_level.empty()) words.push_back("--log-level=" + spec.log_level);
    words.push_back("--ready-fd=" + std::to_string(ready_fd));
    if (!spec.source.empty()) words.push_back(spec.source);
    words.push_back(spec.mountpoint);
    return words;
}

} // namespace puffs::daemon
