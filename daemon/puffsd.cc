// puffsd - starts file servers, watches them, and answers puffsctl. It runs no file-system code of its own.
#include "daemon/config.hh"
#include "daemon/control.hh"
#include "daemon/listener.hh"
#include "daemon/mount_table.hh"
#include "puffs/base/log.hh"

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <spdlog/sinks/stdout_sinks.h>
#include <unistd.h>

namespace {

namespace asio = boost::asio;
using namespace puffs::daemon;

struct command_line {
    std::string config;
    std::string socket;
    std::string log_level;
    bool check_only = false;
};

constexpr const char* description =
    "puffsd starts the file servers named in its configuration and those that puffsctl asks for,\n"
    "watches them, and unmounts all of them when it gets SIGTERM, SIGINT or SIGHUP. A second\n"
    "signal kills the servers that have not stopped yet. It stays in the foreground and logs to\n"
    "standard error.";

constexpr const char* footer =
    "\nFiles:\n"
    "  /etc/puffs/puffsd.toml, ~/.config/puffs/puffsd.toml   configuration of root, of others\n"
    "  /run/puffsd.sock, $XDG_RUNTIME_DIR/puffsd.sock        control socket of root, of others\n"
    "\nExit status:\n"
    "  0  everything is unmounted\n"
    "  1  it could not start, or something could not be unmounted\n"
    "  2  wrong usage";

outcome<config> configure(const command_line& wanted) {
    const auto path = wanted.config.empty() ? default_config() : wanted.config;
    config settings;
    // The default file need not exist; a file that was asked for must.
    if (!wanted.config.empty() || (!path.empty() && ::access(path.c_str(), F_OK) == 0)) {
        auto read = read_config(path);
        if (!read) return read;
        settings = std::move(*read);
    }
    if (!wanted.log_level.empty()) settings.log_level = wanted.log_level;
    if (!wanted.socket.empty()) settings.socket = wanted.socket;
    if (settings.socket.empty()) settings.socket = default_socket();
    if (settings.socket.empty()) {
        return fail(failure_code::bad_config,
                    "no socket: XDG_RUNTIME_DIR is not set; use --socket or the configuration");
    }
    if (settings.server_dirs.empty()) settings.server_dirs = default_server_dirs();
    return settings;
}

void set_up_log(const std::string& level) {
    auto logger = spdlog::stderr_logger_st("puffsd");
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e puffsd[%P] %l: %v");
    logger->set_level(spdlog::level::from_str(level));
    spdlog::set_default_logger(std::move(logger));
}

// The parts of the daemon.
struct service {
    explicit service(const config& settings)
        : table(context, {.server_dirs = settings.server_dirs,
                          .start_timeout = settings.start_timeout,
                          .stop_timeout = settings.stop_timeout}),
          answers(table, {.own_uid = ::geteuid(),
                          .allow_uids = settings.allow_uids,
                          .others_may_list = settings.others_may_list}),
          clients(context, answers) {}

    awaitable<void> live(std::vector<mount_spec> mounts);

    asio::io_context context{1};
    mount_table table;
    control answers;
    listener clients;
};

// The life of the daemon: serves until a signal comes, then unmounts everything.
awaitable<void> service::live(std::vector<mount_spec> mounts) {
    asio::signal_set signals(context, SIGTERM, SIGINT, SIGHUP);
    asio::co_spawn(context, clients.accept(), asio::detached);
    asio::co_spawn(context, table.start_all(std::move(mounts)), asio::detached);
    const int number = co_await signals.async_wait(boost::asio::use_awaitable);
    PUFFS_LOG(info, "signal {}: unmounting everything", number);
    signals.async_wait([this](boost::system::error_code cancelled, int) {
        if (!cancelled) table.hurry();
    });
    co_await table.stop_all();
    co_await clients.close();
    context.stop();
}

int run(const config& settings) {
    service daemon(settings);
    if (const auto opened = daemon.clients.open(settings.socket); !opened) {
        PUFFS_LOG(critical, "{}", opened.error().message);
        return EXIT_FAILURE;
    }
    PUFFS_LOG(info, "version {} listens on {}", PUFFS_VERSION, settings.socket);
    asio::co_spawn(daemon.context, daemon.live(settings.mounts),
                   [](const std::exception_ptr& thrown) {
                       if (thrown) std::rethrow_exception(thrown);
                   });
    daemon.context.run();

    int left = 0;
    for (const auto& status : daemon.table.list()) {
        if (status.failed && status.failed->code == failure_code::stop_failed) ++left;
    }
    if (left > 0) PUFFS_LOG(critical, "{} mounts could not be unmounted", left);
    return left == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

} // namespace

int main(int argc, char** argv) {
    command_line wanted;
    CLI::App app(description, "puffsd");
    app.footer(footer);
    app.add_option("-c,--config", wanted.config, "configuration file")->type_name("FILE");
    app.add_option("-s,--socket", wanted.socket, "control socket")->type_name("PATH");
    app.add_option("-l,--log-level", wanted.log_level, "trace, debug, info, warning, error or off")
        ->check(CLI::IsMember(std::vector<std::string>(log_levels.begin(), log_levels.end())))
        ->type_name("LEVEL");
    app.add_flag("--check", wanted.check_only, "check the configuration and exit");
    app.set_version_flag("--version", "puffsd " PUFFS_VERSION);
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& done) {
        return app.exit(done); // help, version
    } catch (const CLI::ParseError& wrong) {
        std::fprintf(stderr, "puffsd: %s; see --help\n", wrong.what());
        return 2;
    }
    const auto settings = configure(wanted);
    if (!settings) {
        std::fprintf(stderr, "puffsd: %s\n", settings.error().message.c_str());
        return EXIT_FAILURE;
    }
    if (wanted.check_only) return EXIT_SUCCESS;
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGCHLD, SIG_DFL); // ignored by our parent, it would lose every exit status
    try {
        set_up_log(settings->log_level);
        return run(*settings);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "puffsd: %s\n", e.what());
        return EXIT_FAILURE;
    }
}
