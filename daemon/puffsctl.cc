// puffsctl - asks puffsd to mount, unmount and report.
#include "daemon/client.hh"
#include "daemon/config.hh"
#include "daemon/mountpoint.hh"
#include "daemon/protocol.hh"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <unistd.h>
#include <vector>

namespace {

using namespace puffs::daemon;

constexpr const char* footer = "\nThe socket is /run/puffsd.sock for root, and for others "
                               "$XDG_RUNTIME_DIR/puffsd.sock if it exists.\n"
                               "\nExit status:\n"
                               "  0  done\n"
                               "  1  puffsd could not do it\n"
                               "  2  wrong usage\n"
                               "  3  no puffsd listens on the socket\n"
                               "  4  permission denied\n"
                               "  5  no such mount";

int exit_status_for(failure_code code) {
    switch (code) {
    case failure_code::bad_request:
        return 2;
    case failure_code::no_daemon:
        return 3;
    case failure_code::denied:
        return 4;
    case failure_code::no_such_mount:
        return 5;
    case failure_code::bad_json:
    case failure_code::too_long:
    case failure_code::too_many:
    case failure_code::unknown_op:
    case failure_code::no_such_server:
    case failure_code::exists:
    case failure_code::start_failed:
    case failure_code::start_timeout:
    case failure_code::died:
    case failure_code::stop_failed:
    case failure_code::shutting_down:
    case failure_code::bad_config:
    case failure_code::system:
        return 1;
    }
    return 1;
}

std::string usual_socket() {
    constexpr const char* of_root = "/run/puffsd.sock";
    const auto own = default_socket();
    return own.empty() || ::access(own.c_str(), F_OK) != 0 ? of_root : own;
}

// The member `key` of a reply as text, whatever its type; "-" when it is not there.
std::string text_of(const json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end()) return "-";
    return found->is_string() ? found->get<std::string>() : found->dump();
}

std::string remark(const json& mount) {
    const auto failed = mount.find("failure");
    if (failed != mount.end()) return text_of(*failed, "message");
    const auto restarts = text_of(mount, "restarts");
    return restarts == "0" || restarts == "-" ? "" : "restarts: " + restarts;
}

void print_table(const json& mounts) {
    constexpr std::size_t columns = 6;
    using row = std::array<std::string, columns>;
    std::vector<row> rows{{"MOUNTPOINT", "SERVER", "SOURCE", "STATE", "PID", "SINCE"}};
    std::vector<std::string> remarks{""};
    for (const auto& mount : mounts) {
        rows.push_back({text_of(mount, "mountpoint"), text_of(mount, "server"),
                        text_of(mount, "source"), text_of(mount, "state"), text_of(mount, "pid"),
                        text_of(mount, "since")});
        remarks.push_back(remark(mount));
    }
    std::array<std::size_t, columns> widths{};
    for (const auto& cells : rows) {
        for (std::size_t i = 0; i < columns; ++i)
            widths[i] = std::max(widths[i], cells[i].size());
    }
    for (std::size_t r = 0; r < rows.size(); ++r) {
        std::string line;
        for (std::size_t i = 0; i < columns; ++i) {
            line += rows[r][i] + std::string(widths[i] - rows[r][i].size() + 2, ' ');
        }
        line += remarks[r];
        line.resize(line.find_last_not_of(' ') + 1);
        std::printf("%s\n", line.c_str());
    }
}

// "key: value" lines; what is inside an object gets the outer key in front.
void print_object(const json& object, const std::string& prefix) {
    for (const auto& [key, value] : object.items()) {
        if (value.is_object()) {
            print_object(value, prefix + key + ".");
        } else {
            std::printf("%-20s %s\n", (prefix + key + ":").c_str(),
                        text_of(object, key.c_str()).c_str());
        }
    }
}

void print_reply(operation op, const json& reply) {
    switch (op) {
    case operation::list:
        print_table(reply.value("mounts", json::array()));
        return;
    case operation::status:
        print_object(
            reply.contains("mount") ? reply["mount"] : reply.value("daemon", json::object()), "");
        return;
    case operation::mount:
    case operation::umount:
        return;
    }
}

struct command_line {
    std::string socket;
    bool as_json = false;
    double patience_s = 120;
    operation op = operation::list;
    std::vector<std::string> words; // SERVER [SOURCE] MOUNTPOINT
    mount_spec spec;
};

void declare_mount(CLI::App& app, command_line& wanted) {
    auto* mount = app.add_subcommand("mount", "start a file server and wait until it serves");
    mount
        ->add_option("SERVER", wanted.words,
                     "SERVER [SOURCE] MOUNTPOINT; the server is a name or an absolute path")
        ->type_name("")
        ->required()
        ->expected(2, 3);
    mount->add_option("-o,--options", wanted.spec.options, "mount options, separated by commas")
        ->type_name("LIST");
    mount->add_option("--cores", wanted.spec.cores, "cores of the server, such as 0-3")
        ->type_name("LIST")
        ->check([](const std::string& list) {
            return list.empty() ? "not a list of numbers and ranges such as 0-3,8" : "";
        });
    mount->add_option("--log-level", wanted.spec.log_level, "log level of the server")
        ->type_name("LEVEL");
    mount->add_option("--restart", wanted.spec.restart, "never or on-failure")->type_name("WHEN");
    mount->callback([&wanted] {
        wanted.op = operation::mount;
        wanted.spec.server = wanted.words.front();
        wanted.spec.mountpoint = wanted.words.back();
        if (wanted.words.size() == 3) wanted.spec.source = wanted.words[1];
    });
}

void declare(CLI::App& app, command_line& wanted) {
    app.require_subcommand(1);
    app.fallthrough();
    app.footer(footer);
    app.add_option("-s,--socket", wanted.socket, "puffsd's socket")->type_name("PATH");
    app.add_flag("-j,--json", wanted.as_json, "print puffsd's reply as it is");
    app.add_option("--patience", wanted.patience_s, "how long to wait for the reply")
        ->type_name("SECONDS")
        ->check(CLI::Range(0.001, 86400.0));
    app.set_version_flag("--version", "puffsctl " PUFFS_VERSION);
    declare_mount(app, wanted);
    auto* umount = app.add_subcommand("umount", "unmount, or remove a failed mount from the table");
    umount->add_option("mountpoint", wanted.spec.mountpoint, "where")->type_name("")->required();
    umount->callback([&wanted] { wanted.op = operation::umount; });
    app.add_subcommand("list", "show all mounts");
    auto* status = app.add_subcommand("status", "show everything about one mount, or about puffsd");
    status->add_option("mountpoint", wanted.spec.mountpoint, "where")->type_name("");
    status->callback([&wanted] { wanted.op = operation::status; });
}

} // namespace

int main(int argc, char** argv) {
    command_line wanted;
    CLI::App app(
        "puffsctl asks puffsd to mount and unmount file servers, and shows what it serves.",
        "puffsctl");
    declare(app, wanted);
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& done) {
        return app.exit(done); // help, version
    } catch (const CLI::ParseError& wrong) {
        const auto unknown =
            app.get_subcommands().empty() ? app.remaining() : std::vector<std::string>{};
        if (unknown.empty()) {
            std::fprintf(stderr, "puffsctl: %s; see --help\n", wrong.what());
        } else {
            std::fprintf(stderr, "puffsctl: unknown subcommand '%s'; see --help\n",
                         unknown.front().c_str());
        }
        return 2;
    }
    if (!wanted.spec.mountpoint.empty()) {
        wanted.spec.mountpoint = canonical_mountpoint(wanted.spec.mountpoint);
    }
    const auto socket = wanted.socket.empty() ? usual_socket() : wanted.socket;
    const auto reply = ask(socket, request_line(1, wanted.op, wanted.spec),
                           std::chrono::milliseconds(static_cast<long>(wanted.patience_s * 1000)));
    if (!reply) {
        std::fprintf(stderr, "puffsctl: %s\n", reply.error().message.c_str());
        return exit_status_for(reply.error().code);
    }
    if (wanted.as_json) {
        std::printf("%s\n", reply->dump().c_str());
    } else {
        print_reply(wanted.op, *reply);
    }
    return 0;
}
