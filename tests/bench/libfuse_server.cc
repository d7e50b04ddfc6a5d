#include "libfuse_server.hh"

#include <array>
#include <cerrno>
#include <cstdio>
#include <map>
#include <memory>

namespace puffs::bench {
namespace {

int run_loop(fuse_session* session, loop_kind loop) {
    if (loop == loop_kind::single) return fuse_session_loop(session);
    const std::unique_ptr<fuse_loop_config, decltype(&fuse_loop_cfg_destroy)> config(
        fuse_loop_cfg_create(), fuse_loop_cfg_destroy);
    fuse_loop_cfg_set_clone_fd(config.get(), loop == loop_kind::mt_clone);
    return fuse_session_loop_mt(session, config.get());
}

} // namespace

void declare_server(CLI::App& app, server_options& out) {
    const std::map<std::string, loop_kind> loops{
        {"single", loop_kind::single}, {"mt", loop_kind::mt}, {"mt-clone", loop_kind::mt_clone}};
    app.add_option("--loop", out.loop, "libfuse's loop")->transform(CLI::CheckedTransformer(loops));
    app.add_option("--core", out.core, "where all threads are bound to")
        ->check(CLI::Range(0, CPU_SETSIZE - 1));
    app.add_option("MOUNTPOINT", out.mount_point)->required();
}

int serve(const server_options& opts, const fuse_lowlevel_ops& ops, void* userdata,
          std::string mount_options) {
    errno = pin(opts.core);
    if (errno != 0) {
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
