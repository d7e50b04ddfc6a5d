#include "puffs/kmod/main.hh"

#include "mount/background.hh"
#include "mount/option_list.hh"
#include "puffs/base/log.hh"
#include "puffs/kmod/session.hh"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <memory>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <stdexcept>
#include <syslog.h>
#include <unistd.h>

#ifndef PUFFS_VERSION
#error "PUFFS_VERSION comes from the build"
#endif

namespace puffs::kmod {

namespace {

struct command_line {
    mount_options mount;
    server_arguments server;
};

int fail_with(const command_line& c, const std::string& text) {
    std::fprintf(stderr, "%s: %s\n", c.server.program.c_str(), text.c_str());
    if (c.mount.ready_fd >= 0) {
        report_error(c.mount.ready_fd, text);
    }
    return 1;
}

// The first policy that the server bears.
policy default_policy(const policy_set& borne) {
    const auto* first = std::ranges::find_if(all_policies, [&](policy p) { return borne.has(p); });
    return first == all_policies.end() ? policy::per_node : *first;
}

// Why the mount's policy cannot be: the server does not bear it.
std::optional<std::string> problem_of_policy(const command_line& c, const policy_set& borne) {
    if (borne.has(c.mount.user.concurrency)) {
        return std::nullopt;
    }
    std::string list;
    for (const policy p : all_policies) {
        if (borne.has(p)) {
            list += fmt::format("{}{}", list.empty() ? "" : ", ", name_of(p));
        }
    }
    return fmt::format("option 'policy={}': {} bears only {}", name_of(c.mount.user.concurrency),
                       c.server.program, list);
}

// What the command line says in words, which are read once all of them are there.
struct raw_arguments {
    std::vector<std::string> lists;
    std::optional<std::string> cores; // the word; an empty one is wrong, not absent
    std::string transport = "auto";
    std::vector<std::string> positional;
};

// What the options of these names say; a line for the user where they say nothing that can be.
std::optional<std::string> apply_words(mount_options& o, const std::string& transport,
                                       const std::optional<std::string>& cores) {
    if (transport == "auto") {
        o.transport = transport_kind::automatic;
    } else if (transport == "uring" || transport == "dev") {
        o.transport = transport == "uring" ? transport_kind::uring : transport_kind::dev;
    } else {
        return fmt::format("option '--transport={}': want auto, uring or dev", transport);
    }
    if (cores) {
        auto cpus = parse_cpu_list(*cores);
        if (!cpus) {
            return cpus.error();
        }
        o.cores = *cpus;
    }
    return std::nullopt;
}

void declare_arguments(CLI::App& app, command_line& c, raw_arguments& raw) {
    app.add_flag("-f,--foreground", c.mount.foreground, "stay in the foreground");
    app.add_flag("-d,--debug", c.mount.debug, "log each request and reply; implies -f");
    app.add_option("-o", raw.lists, "mount options, separated by commas")->allow_extra_args(false);
    app.add_option_function<std::string>(
        "--cores", [&raw](const std::string& list) { raw.cores = list; },
        "CPUs that serve, such as 0,2-5 (default: all that this process may use; at most "
        "4 on transport dev)");
    app.add_option("--transport", raw.transport,
                   "auto, uring or dev: how requests come (default auto: uring where the kernel "
                   "offers FUSE over io_uring)");
    app.add_option("--log-level", c.mount.log_level,
                   "trace, debug, info, warning, error or off (default info)");
    app.add_option("--ready-fd", c.mount.ready_fd,
                   "descriptor that gets one line when the mount answers")
        ->check(CLI::Range(0, 1 << 20));
    app.add_flag("--stats", c.mount.stats,
                 "keep times of operations, and print the statistics at unmount");
    app.set_version_flag("-V,--version",
                         fmt::format("{} (puffs {})", c.server.program, PUFFS_VERSION));
    app.add_option("MOUNTPOINT", raw.positional, "[SOURCE] MOUNTPOINT")->expected(1, 2)->required();
}

// Fills `c`; an exit status if the program is done (help, version, error).
std::optional<int> parse(int argc, char** argv, const server_class& what, command_line& c) {
    c.server.program = what.name.empty() ? std::filesystem::path(argv[0]).filename().string()
                                         : std::string(what.name);
    c.mount.subtype = c.server.program;
    c.mount.user.root_id = what.root_id;
    c.mount.user.concurrency = default_policy(what.policies);
    if (what.defaults != nullptr) {
        what.defaults(c.mount);
    }

    CLI::App app(fmt::format("{} - a puffs file server", c.server.program), c.server.program);
    raw_arguments raw;
    declare_arguments(app, c, raw);
    app.footer(option_help(c.mount) + std::string(what.help));
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& done) {
        return app.exit(done); // help, version
    } catch (const CLI::ParseError& wrong) {
        std::fprintf(stderr, "%s: %s\n", c.server.program.c_str(), wrong.what());
        return 1;
    }
    c.mount.mountpoint = raw.positional.back();
    if (raw.positional.size() == 2) {
        c.server.source = raw.positional.front();
    }
    if (c.mount.source.empty()) {
        c.mount.source = c.server.source.empty() || c.server.source == "none" ? c.server.program
                                                                              : c.server.source;
    }
    for (const std::string& list : raw.lists) {
        if (auto applied = apply_option_list(c.mount, list); !applied) {
            return fail_with(c, applied.error());
        }
    }
    if (auto problem = problem_of_policy(c, what.policies)) {
        return fail_with(c, *problem);
    }
    if (auto problem = apply_words(c.mount, raw.transport, raw.cores)) {
        return fail_with(c, *problem);
    }
    if (!c.mount.server.empty() && !what.takes_options) {
        return fail_with(
            c, fmt::format("unknown option '{}' in -o; see --help", c.mount.server.front().first));
    }
    c.server.options = c.mount.server;
    c.mount.user.trace = c.mount.debug;
    c.mount.foreground = c.mount.foreground || c.mount.debug;
    return std::nullopt;
}

// In the foreground to standard error, in the background to syslog. Errors flush at once: a log that is lost with the
// process helps nobody.
std::optional<std::string> set_up_log(const command_line& c) {
    auto level = spdlog::level::from_str(c.mount.log_level);
    if (level == spdlog::level::off && c.mount.log_level != "off") {
        return fmt::format(
            "option '--log-level={}': want trace, debug, info, warning, error or off",
            c.mount.log_level);
    }
    if (c.mount.debug && level > spdlog::level::debug) {
        level = spdlog::level::debug;
    }
    std::shared_ptr<spdlog::logger> log;
    if (c.mount.foreground) {
        log = std::make_shared<spdlog::logger>(c.server.program,
                                               std::make_shared<spdlog::sinks::stderr_sink_mt>());
        log->set_pattern("%H:%M:%S.%e %n[%P] %l: %v");
    } else {
        log = std::make_shared<spdlog::logger>(c.server.program,
                                               std::make_shared<spdlog::sinks::syslog_sink_mt>(
                                                   c.server.program, LOG_PID, LOG_DAEMON, true));
        log->set_pattern("%l: %v");
    }
    log->set_level(level);
    log->flush_on(spdlog::level::info);
    spdlog::set_default_logger(std::move(log));
    return std::nullopt;
}

int serve(command_line& c, const server_class& what, int parent) {
    const auto refuse = [&](const std::string& text) {
        if (parent >= 0) {
            report_error(parent, fmt::format("{}: {}", c.server.program, text));
            return c.mount.ready_fd >= 0 ? (report_error(c.mount.ready_fd, text), 1) : 1;
        }
        return fail_with(c, text);
    };
    std::shared_ptr<void> server;
    try {
        server = what.construct(c.server);
    } catch (const std::invalid_argument& wrong) {
        return refuse(wrong.what());
    } catch (const std::exception& failed) {
        return refuse(fmt::format("the file server failed to start: {}", failed.what()));
    } catch (...) {
        return refuse("the file server failed to start: unknown exception");
    }
    auto session = session::create(server.get(), what.ops, c.mount);
    if (!session) {
        return refuse(session.error());
    }
    bool told = false;
    const int status = (*session)->run([&] {
        told = true;
        if (c.mount.ready_fd >= 0) {
            report_ready(c.mount.ready_fd); // perhaps a standard stream
        }
        if (parent >= 0) {
            detach_streams();
            report_ready(parent);
        }
    });
    if (!told) {
        return refuse("ended before the mount answered; see the log");
    }
    return status;
}

} // namespace

int run_main(int argc, char** argv, const server_class& what) {
    // Whoever reads the log or waits for the mount may leave: a write to them fails then, and the mount goes on. A
    // server that died of it would leave a dead mount behind.
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGCHLD, SIG_DFL); // ignored by our parent, it would lose how fusermount3 ended
    command_line c;
    if (auto done = parse(argc, argv, what, c)) {
        return *done;
    }
    if (auto wrong = set_up_log(c)) {
        return fail_with(c, *wrong);
    }
    // The mount point is a path of the caller's working directory, which a server in the background leaves.
    std::error_code ignored;
    if (auto absolute = std::filesystem::absolute(c.mount.mountpoint, ignored); !ignored) {
        c.mount.mountpoint = absolute.string();
    }
    int parent = -1;
    if (!c.mount.foreground) {
        auto fd = go_to_background();
        if (!fd) {
            return fail_with(c, fd.error());
        }
        parent = *fd;
    }
    // Programs that are started keep the standard streams.
    if (c.mount.ready_fd >= 0 &&
        ::fcntl(c.mount.ready_fd, F_SETFD, c.mount.ready_fd > STDERR_FILENO ? FD_CLOEXEC : 0) < 0) {
        c.mount.ready_fd = -1;
        return fail_with(c, "option '--ready-fd': not an open descriptor");
    }
    const int status = serve(c, what, parent);
    spdlog::shutdown();
    return status;
}

} // namespace puffs::kmod
