// kmod/main.hh - main() of a file server: command line, daemonizing, signals, mount, serve,
// unmount.
//
// puffs::main<Server>(argc, argv) understands -f, -d, -o LIST, --cores=LIST, --log-level=L,
// --ready-fd=N, --stats, --help, --version and one or two arguments ([SOURCE] MOUNTPOINT). It
// constructs Server, from `const server_arguments&` if it has such a constructor, else by default.
// Without -f it goes to the background, and the parent returns only when the mount answers. SIGINT,
// SIGTERM and SIGHUP (unless it was ignored, as with nohup) unmount, or detach a mount in use; a second one ends the
// connection at once. SIGPIPE is ignored, so also in programs that the server starts.
//
// A server class may have:
//   static constexpr std::string_view name       default: the program's name
//   static constexpr std::uint64_t root_id       default: 1
//   static std::string_view help()               text about its own -o options
//   static void defaults(kmod::mount_options&)   its defaults, before the command line is applied
//   static constexpr puffs::policy_set policies  the concurrency policies that it bears
//                                                (usermount.hh); default: all but parallel, so
//                                                that a server without locks of its own need say
//                                                nothing. -o policy= refuses others. The first of
//                                                them in the order per_node, serial, parallel, home
//                                                is the default, unless defaults() says another.
//
// Errors:     exit status 1 and one line on standard error: usage, mount and start errors;
//             exceptions of the constructor.
#pragma once

#include "puffs/kmod/mount_options.hh"
#include "puffs/server/make_operations.hh"

#include <cstdio>
#include <exception>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace puffs {

// What the command line says to the server itself.
struct server_arguments {
    std::string program;
    std::string source; // SOURCE, or empty
    // -o options that the framework does not know; the server throws std::invalid_argument for one
    // that it does not know either.
    std::vector<std::pair<std::string, std::string>> options;
};

namespace kmod {
// What main<> needs to know of a server class.
struct server_class {
    std::string_view name;
    std::string_view help;
    std::uint64_t root_id = 1;
    policy_set policies = {policy::per_node, policy::serial, policy::home};
    bool takes_options = false; // otherwise unknown -o options are refused before construction
    void (*defaults)(mount_options&) = nullptr;
    std::function<std::shared_ptr<void>(const server_arguments&)> construct;
    operations ops;
};
int run_main(int argc, char** argv, const server_class& c);
} // namespace kmod

template <class Server>
int main(int argc, char** argv) {
    kmod::server_class c;
    if constexpr (requires { Server::name; }) {
        c.name = Server::name;
    }
    if constexpr (requires { Server::root_id; }) {
        c.root_id = Server::root_id;
    }
    if constexpr (requires { Server::policies; }) {
        c.policies = Server::policies;
    }
    if constexpr (requires { Server::help(); }) {
        c.help = Server::help();
    }
    if constexpr (requires(kmod::mount_options & o) { Server::defaults(o); }) {
        c.defaults = [](kmod::mount_options& o) { Server::defaults(o); };
    }
    c.takes_options = std::is_constructible_v<Server, const server_arguments&>;
    c.construct = [](const server_arguments& a) -> std::shared_ptr<void> {
        if constexpr (std::is_constructible_v<Server, const server_arguments&>) {
            return std::make_shared<Server>(a);
        } else {
            return std::make_shared<Server>();
        }
    };
    c.ops = make_operations<Server>();
    return kmod::run_main(argc, argv, c);
}

} // namespace puffs
