#include "libfuse_server.hh"

#include "numbers.hh"

#include <array>
#include <cstdio>
#include <memory>
#include <sched.h>

namespace puffs::bench {
namespace {

bool parse_loop(std::string_view name, loop_kind& out) {
    if (name == "single")
        out = loop_kind::single;
    else if (name == "mt")
        out = loop_kind::mt;
    else if (name == "mt-clone")
        out = loop_kind::mt_clone;
    else
        return false;
    return true;
}

bool pin(int core) {
    if (core == server_options::any_core) return true;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<unsigned>(core), &set);
    return sched_setaffinity(0, sizeof set, &set) == 0;
}

int run_loop(fuse_session* session, loop_kind loop) {
    if (loop == loop_kind::single) return fuse_session_loop(session);
    const std::unique_ptr<fuse_loop_config, decltype(&fuse_loop_cfg_destroy)> config(
        fuse_loop_cfg_create(), fuse_loop_cfg_destroy);
    fuse_loop_cfg_set_clone_fd(config.get(), loop == loop_kind::mt_clone);
    return fuse_session_loop_mt(session, config.get());
}

} // namespace

bool parse_server(int argc, char** argv, server_options& out,
                  const std::function<bool(std::string_view, std::string_view)>& other) {
    for (int i = 1; i < argc; ++i) {
        const std::string_view arg = argv[i];
        if (!arg.starts_with("--")) {
            if (!out.mount_point.empty()) return false;
            out.mount_point = arg;
            continue;
        }
        const std::string_view value = ++i < argc ? argv[i] : "";
        const bool ok = (arg == "--loop" && parse_loop(value, out.loop)) ||
                        (arg == "--core" && parse_number(value, out.core)) ||
                        (other && other(arg, value));
        if (!ok) return false;
    }
    return !out.mount_point.empty();
}

int serve(const server_options& opts, const fuse_lowlevel_ops& ops, void* userdata,
          std::string mount_options) {
    if (!pin(opts.core)) {
        std::perror("pinning to a core");
        return 1;
    }
    std::string program = "peer";
    std::string option = "-o";
    std::array<char*, 4> argv{program.data(), option.data(), mount_options.data(), nullptr};
    fuse_args args = FUSE_ARGS_INIT(3, argv.data());
    fuse_session* session = fuse_session_new(&args, &ops, sizeof ops, userdata);
    fuse_opt_free_args(&args); // libfuse works on a copy of its own
    if (session == nullptr) return 1;
    int result = 1;
    if (fuse_set_signal_handlers(session) == 0) {
        if (fuse_session_mount(session, opts.mount_point.c_str()) == 0) {
            result = run_loop(session, opts.loop);
            fuse_session_unmount(session);
        }
        fuse_remove_signal_handlers(session);
    }
    fuse_session_destroy(session);
    return result == 0 ? 0 : 1;
}

} // namespace puffs::bench
