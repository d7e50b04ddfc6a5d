#include "daemon/config.hh"

#include "daemon/limits.hh"
#include "daemon/mountpoint.hh"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <set>
#include <toml++/toml.h>
#include <unistd.h>

namespace puffs::daemon {
namespace {

using milliseconds = std::chrono::milliseconds;

// Reads one file; every error names the file and the line of the node at fault.
class reader {
  public:
    explicit reader(const std::string& path) : path_(path) {}

    outcome<config> read();

  private:
    outcome<void> read_key(std::string_view key, const toml::node& value);
    outcome<void> read_mounts(const toml::node& value);
    outcome<mount_spec> read_mount(const toml::table& table);
    outcome<void> read_others(const toml::node& value);

    outcome<void> text(const toml::node& value, std::string& into) const;
    outcome<void> texts(const toml::node& value, std::vector<std::string>& into) const;
    outcome<void> uids(const toml::node& value, std::vector<uid_t>& into) const;
    outcome<void> duration(const toml::node& value, milliseconds& into) const;

    std::unexpected<failure> refuse(const toml::source_position& where,
                                    std::string_view why) const {
        return fail(failure_code::bad_config,
                    path_ + ":" + std::to_string(where.line) + ": " + one_line(why));
    }
    std::unexpected<failure> refuse(const toml::node& at, std::string_view why) const {
        return refuse(at.source().begin, why);
    }

    const std::string& path_;
    config config_;
    std::set<std::string> mountpoints_;
};

outcome<config> reader::read() {
    toml::table table;
    try {
        table = toml::parse_file(path_);
    } catch (const toml::parse_error& e) {
        if (e.source().begin.line > 0) return refuse(e.source().begin, e.description());
        return fail(failure_code::bad_config, path_ + ": " + one_line(e.description()));
    }
    for (const auto& [key, value] : table) {
        if (auto ok = read_key(key.str(), value); !ok) return std::unexpected(ok.error());
    }
    return std::move(config_);
}

outcome<void> reader::read_key(std::string_view key, const toml::node& value) {
    if (key == "socket") return text(value, config_.socket);
    if (key == "log_level") {
        auto ok = text(value, config_.log_level);
        if (ok && std::ranges::find(log_levels, config_.log_level) == log_levels.end()) {
            return refuse(value, "log_level is not one of trace, debug, info, warning, "
                                 "error, off");
        }
        return ok;
    }
    if (key == "server_dirs") return texts(value, config_.server_dirs);
    if (key == "start_timeout_ms") return duration(value, config_.start_timeout);
    if (key == "stop_timeout_ms") return duration(value, config_.stop_timeout);
    if (key == "allow_uids") return uids(value, config_.allow_uids);
    if (key == "others") return read_others(value);
    if (key == "mount") return read_mounts(value);
    return refuse(value, "unknown key '" + std::string(key) + "'");
}

outcome<void> reader::read_others(const toml::node& value) {
    std::string word;
    if (auto ok = text(value, word); !ok) return ok;
    if (word != "list" && word != "nothing") {
        return refuse(value, "others is neither 'list' nor 'nothing'");
    }
    config_.others_may_list = word == "list";
    return {};
}

outcome<void> reader::read_mounts(const toml::node& value) {
    const auto* list = value.as_array();
    if (list == nullptr || !list->is_homogeneous(toml::node_type::table)) {
        return refuse(value, "mount is not written as [[mount]]");
    }
    if (list->size() > limits::mounts) {
        return refuse(value, "more than " + std::to_string(limits::mounts) + " mounts");
    }
    for (const auto& element : *list) {
        auto spec = read_mount(*element.as_table());
        if (!spec) return std::unexpected(spec.error());
        config_.mounts.push_back(std::move(*spec));
    }
    return {};
}

outcome<mount_spec> reader::read_mount(const toml::table& table) {
    mount_spec spec;
    for (const auto& [key, value] : table) {
        const auto* field = std::ranges::find(mount_fields, key.str(), &mount_field::name);
        if (field == mount_fields.end()) {
            return refuse(value, "unknown key '" + std::string(key.str()) + "' in a mount");
        }
        if (auto ok = text(value, spec.*field->value); !ok) return std::unexpected(ok.error());
    }
    if (spec.mountpoint.starts_with('/')) spec.mountpoint = canonical_mountpoint(spec.mountpoint);
    if (auto ok = check(spec); !ok) return refuse(table, ok.error().message);
    if (!mountpoints_.insert(spec.mountpoint).second) {
        return refuse(table, "a second mount at " + spec.mountpoint);
    }
    return spec;
}

outcome<void> reader::text(const toml::node& value, std::string& into) const {
    const auto* string = value.as_string();
    if (string == nullptr) return refuse(value, "a string is expected here");
    into = string->get();
    return {};
}

outcome<void> reader::texts(const toml::node& value, std::vector<std::string>& into) const {
    const auto* list = value.as_array();
    if (list == nullptr) return refuse(value, "a list of strings is expected here");
    for (const auto& element : *list) {
        if (auto ok = text(element, into.emplace_back()); !ok) return ok;
    }
    return {};
}

outcome<void> reader::uids(const toml::node& value, std::vector<uid_t>& into) const {
    const auto* list = value.as_array();
    if (list == nullptr) return refuse(value, "a list of user ids is expected here");
    for (const auto& element : *list) {
        const auto* number = element.as_integer();
        // The largest uid_t means "no user" to the kernel.
        if (number == nullptr || number->get() < 0 ||
            number->get() >= std::numeric_limits<uid_t>::max()) {
            return refuse(element, "a user id is expected here");
        }
        into.push_back(static_cast<uid_t>(number->get()));
    }
    return {};
}

outcome<void> reader::duration(const toml::node& value, milliseconds& into) const {
    constexpr std::int64_t most = 3'600'000;
    const auto* number = value.as_integer();
    if (number == nullptr || number->get() < 1 || number->get() > most) {
        return refuse(value,
                      "milliseconds from 1 to " + std::to_string(most) + " are expected here");
    }
    into = milliseconds(number->get());
    return {};
}

std::string from_environment(const char* variable, std::string_view rest) {
    const char* value = std::getenv(variable);
    return value != nullptr && *value == '/' ? std::string(value) + std::string(rest) : "";
}

} // namespace

outcome<config> read_config(const std::string& path) {
    return reader(path).read();
}

std::string default_socket() {
    if (::geteuid() == 0) return "/run/puffsd.sock";
    return from_environment("XDG_RUNTIME_DIR", "/puffsd.sock");
}

std::string default_config() {
    if (::geteuid() == 0) return "/etc/puffs/puffsd.toml";
    const auto own = from_environment("XDG_CONFIG_HOME", "/puffs/puffsd.toml");
    return own.empty() ? from_environment("HOME", "/.config/puffs/puffsd.toml") : own;
}

std::vector<std::string> default_server_dirs() {
    std::vector<std::string> directories;
    std::error_code failed;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", failed);
    if (!failed) directories.push_back(self.parent_path().string());
    directories.emplace_back(PUFFS_SERVER_DIR);
    return directories;
}

} // namespace puffs::daemon
