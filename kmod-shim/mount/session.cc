#include "puffs/kmod/session.hh"

#include "fuse/opmap.hh"
#include "mount/asking.hh"
#include "mount/channels.hh"
#include "mount/core_watch.hh"
#include "mount/cpus.hh"
#include "mount/init_of.hh"
#include "mount/mount_point.hh"
#include "mount/own_mount.hh"
#include "mount/statistics_text.hh"
#include "mount/transport.hh"
#include "puffs/base/log.hh"
#include "puffs/kmod/msgif.hh"
#include "puffs/lwkt/runtime.hh"
#include "puffs/lwkt/sched.hh"
#include "puffs/server/usermount.hh"

#include <algorithm>
#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <fmt/format.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace puffs::kmod {

namespace {

// Requests that may still run when the mount is gone get this long to end.
constexpr auto drain_limit = std::chrono::seconds(10);
// The same where the mount never answered: nobody uses it.
constexpr auto start_drain_limit = std::chrono::seconds(1);
constexpr auto drain_poll = std::chrono::milliseconds(2);

} // namespace

struct session::implementation {
    enum class state { created, running, draining, ended };

    mount_options options;
    std::string mount_point;

    // Order of members is order of construction; destruction is the reverse: channels before what they use.
    boost::asio::io_context io;
    boost::asio::signal_set signals{io};
    boost::asio::steady_timer drain_timer{io};
    boost::asio::posix::stream_descriptor question{io}; // see asking.hh
    std::unique_ptr<lwkt::runtime> runtime;
    std::unique_ptr<core_watch> watch; // null: nobody watches
    std::unique_ptr<usermount> library;
    std::unique_ptr<puffs_mount> mount;
    std::unique_ptr<inproc_transport> transport;
    std::unique_ptr<fuse::opmap> map;
    transport_choice transport_asked;
    std::unique_ptr<own_mount> own;
    std::unique_ptr<channels> connection_channels;

    // owned by the thread in run()
    state now = state::created;
    std::size_t channels_open = 0;
    std::size_t closes_pending = 0; // of channels, on their way to their cores
    bool library_started = false;
    bool close_asked = false;
    bool stop_asked = false;
    bool answers = false;   // the mount did, and whoever waits for it was told
    bool loss_told = false; // the log has the reason why the connection ended
    bool forced = false;    // it ended before its users were gone
    int statfs_said = 0;
    int exit_status = 0;
    std::chrono::steady_clock::time_point drain_until;
    std::function<void()> ready;

    // The steps of create(), in this order.
    std::expected<void, std::string> start_cores();
    std::expected<void, std::string> start_server(void* server, const operations& ops);
    std::expected<void, std::string> open_channels();
    void hold_signals();

    void on_init(const std::expected<fuse::init_grant, std::string>& granted);
    void connection_is_up(bool uring);
    void answered(bool heard);
    void channel_ended(channels::end e);
    void on_signal();
    void stop();
    void stop_at_once();
    void take_away();
    void begin_drain();
    void drain();
    void close_channels();
    void finish();
    void print_stats() const;
};

session::session() : impl_(std::make_unique<implementation>()) {}

std::expected<std::unique_ptr<session>, std::string>
session::create(void* server, const operations& ops, const mount_options& o) {
    auto mount_point = check_mount_point(o.mountpoint);
    if (!mount_point) {
        return std::unexpected(mount_point.error());
    }
    if (ops.getattr == nullptr) {
        return std::unexpected(
            fmt::format("file server '{}': has no getattr operation", o.subtype));
    }
    std::unique_ptr<session> s(new session);
    implementation& im = *s->impl_;
    im.options = o;
    im.mount_point = std::move(*mount_point);
    auto done = im.start_cores();
    if (done) {
        done = im.start_server(server, ops);
    }
    if (done) {
        done = im.open_channels();
    }
    if (!done) {
        return std::unexpected(std::move(done.error()));
    }
    return s;
}

std::expected<void, std::string> session::implementation::start_cores() {
    auto chosen = choose_transport(options.transport, uring_support_here(), possible_cpus());
    if (!chosen) {
        return std::unexpected(chosen.error());
    }
    transport_asked = std::move(*chosen);
    auto cpus = cpus_of_cores(options.cores, transport_asked.uring);
    if (!cpus) {
        return std::unexpected(cpus.error());
    }
    lwkt::runtime_options r;
    r.ring.big_entries = transport_asked.uring;
    r.cpus = std::move(*cpus);
    auto made = lwkt::runtime::create(r);
    if (!made) {
        return std::unexpected(
            fmt::format("starting {} cores: {}", r.cpus.size(), made.error().name()));
    }
    runtime = std::move(*made);
    return {};
}

std::expected<void, std::string> session::implementation::start_server(void* server,
                                                                       const operations& ops) {
    const core_id cores = runtime->size();
    const fuse::init_options init = init_of(options, cores, transport_asked.uring);
    if (auto problem = fuse::problem_of(init)) {
        return std::unexpected(*problem);
    }
    library = std::make_unique<usermount>(server, ops, options.user, cores);
    if (auto started = library->start(); !started) {
        return std::unexpected(
            fmt::format("file server '{}': start: {}", options.subtype, started.error().name()));
    }
    library_started = true;
    mount = std::make_unique<puffs_mount>(runtime->domain());
    if (options.stats) {
        mount->keep_times();
    }
    std::vector<msgport::port*> ports;
    ports.reserve(cores);
    for (core_id c = 0; c < cores; ++c) {
        ports.push_back(&library->port(c));
    }
    transport = std::make_unique<inproc_transport>(*mount, std::move(ports));
    map = std::make_unique<fuse::opmap>(*mount, init,
                                        [this](const auto& granted) { on_init(granted); });
    return {};
}

// From here on they wait for run(): one that ended the process in between would leave a mount that nobody serves. Not
// earlier: a server whose start takes for ever can be ended by them.
void session::implementation::hold_signals() {
    boost::system::error_code ignored;
    for (const int number : {SIGINT, SIGTERM, SIGUSR1}) {
        signals.add(number, ignored);
    }
    struct sigaction hang_up {};
    if (::sigaction(SIGHUP, nullptr, &hang_up) == 0 && hang_up.sa_handler != SIG_IGN) { // nohup(1)
        signals.add(SIGHUP, ignored);
    }
}

std::expected<void, std::string> session::implementation::open_channels() {
    hold_signals();
    auto mounted = own_mount::make(mount_point, options);
    if (!mounted) {
        return std::unexpected(mounted.error());
    }
    own = std::move(*mounted);
    auto made = channels::create(
        own->connection(), *runtime, *map, options, transport_asked.uring,
        [this](channels::end e) { boost::asio::post(io, [this, e] { channel_ended(e); }); });
    if (!made) {
        return std::unexpected(made.error());
    }
    connection_channels = std::move(*made);
    return {};
}

session::~session() {
    implementation& im = *impl_;
    im.own
        .reset(); // after a creation that failed half way nobody serves the mount, so it must not stay
    if (im.library_started) {
        im.library->finish(
            true); // the server has started, so that it hears of the end, which it cannot refuse
    }
}

int session::run(const std::function<void()>& ready) {
    implementation& im = *impl_;
    im.ready = ready;
    im.on_signal();
    auto work = boost::asio::make_work_guard(im.io);
    im.mount->set_mounting();
    if (auto started = im.runtime->start(); !started) {
        PUFFS_LOG(err, "starting the cores: {}", started.error().name());
        return 1;
    }
    im.now = implementation::state::running;
    if (im.options.watchdog > std::chrono::nanoseconds::zero()) {
        im.watch = std::make_unique<core_watch>(
            im.io, *im.runtime, fmt::format("{} on {}", im.options.subtype, im.mount_point),
            im.options.watchdog);
        im.watch->start();
    }
    im.channels_open = im.connection_channels->open_first();
    while (im.now != implementation::state::ended) {
        im.io.run_one();
    }
    return im.exit_status;
}

void session::request_stop() noexcept {
    boost::asio::post(impl_->io, [im = impl_.get()] { im->stop(); });
}

// On core 0, before INIT's reply is sent.
void session::implementation::on_init(const std::expected<fuse::init_grant, std::string>& granted) {
    if (!granted) {
        PUFFS_LOG(err, "mount '{}': {}", mount_point, granted.error());
        boost::asio::post(io, [this] {
            exit_status = 1;
            stop();
        });
        return;
    }
    const bool uring = granted->has(fuse::wire::init_flag::over_io_uring);
    if (transport_asked.uring && !uring) {
        transport_asked.why = "the kernel did not offer io_uring to this connection";
    }
    PUFFS_LOG(info, "{} on {}: transport {} ({}{}{}), {} cores, {}", options.subtype, mount_point,
              uring ? "uring" : "dev", transport_asked.why, uring ? ", " : "",
              uring ? connection_channels->uring_size() : "", runtime->size(), granted->describe());
    mount->set_running();
    boost::asio::post(io, [this, uring] { connection_is_up(uring); });
}

void session::implementation::connection_is_up(bool uring) {
    if (stop_asked) {
        return; // before anybody was told; channels opened from here on would not be closed
    }
    channels_open += connection_channels->open_others(uring);
    // The promise of `ready` is that the mount answers: ask it.
    auto asked = ask_statfs(mount_point);
    if (!asked) {
        PUFFS_LOG(err, "{}", asked.error());
        exit_status = 1;
        stop();
        return;
    }
    question.assign(*asked);
    boost::asio::async_read(
        question, boost::asio::buffer(&statfs_said, sizeof statfs_said),
        [this](const boost::system::error_code& failed, std::size_t) { answered(!failed); });
}

void session::implementation::answered(bool heard) {
    question.close();
    if (stop_asked || now != state::running) {
        return; // it was not the mount that answered, or not for long
    }
    if (!heard || statfs_said != 0) {
        PUFFS_LOG(err, "mount '{}': does not answer: {}", mount_point,
                  heard ? error(statfs_said).name() : "could not be asked");
        exit_status = 1;
        stop();
        return;
    }
    answers = true;
    if (ready) {
        std::exchange(ready, nullptr)();
    }
}

void session::implementation::on_signal() {
    signals.async_wait([this](const boost::system::error_code& failed, int number) {
        if (failed) {
            return;
        }
        if (number == SIGUSR1) {
            print_stats();
        } else {
            stop();
        }
        on_signal();
    });
}

// The first time: unmount; if it is in use, take the mount point away and serve who is still there.
// The second time: end the connection now; who is still there gets errors. So also the first time when the mount has
// never answered: then nobody but ourselves is there.
void session::implementation::stop() {
    if (now == state::ended) {
        return;
    }
    const bool again = std::exchange(stop_asked, true);
    if (again || !answers) {
        if (again) {
            PUFFS_LOG(warn, "stopping '{}' at once", mount_point);
        }
        stop_at_once();
        return;
    }
    unmount_report report = own->unmount(false);
    if (report.outcome == unmount_outcome::busy) {
        PUFFS_LOG(warn,
                  "{}: detached, serving until its last user is gone; another signal stops at once",
                  report.text);
        report = own->unmount(true);
    }
    if (report.outcome == unmount_outcome::done) {
        return; // the channels end by themselves
    }
    exit_status = 1;
    stop_at_once(); // says why, unless it can take away what could not be unmounted
}

void session::implementation::take_away() {
    if (const auto report = own->take_away(); report.outcome != unmount_outcome::done) {
        PUFFS_LOG(err, "{}; ending the connection, the mount stays", report.text);
        exit_status = 1;
    }
}

// A core that an operation blocks must not block this: nothing waits for it but the drain, which has a limit.
void session::implementation::stop_at_once() {
    forced = true;
    take_away();
    close_channels();
    if (now == state::running) {
        begin_drain();
    }
}

void session::implementation::close_channels() {
    if (std::exchange(close_asked, true)) {
        return;
    }
    closes_pending = connection_channels->close_all(
        [this] { boost::asio::post(io, [this] { --closes_pending; }); });
}

// How an unmounted connection ends is no loss: by enodev, and after a detach under load now and then by econnaborted
// (seen on Linux 6.18). Nor is what the queues say of one that was aborted, because the device says it too. Whatever
// else ends a queue leaves its callers without anybody.
void session::implementation::channel_ended(channels::end e) {
    --channels_open;
    const bool detached = e.cause == ECONNABORTED && stop_asked && own->gone();
    const bool expected = e.cause == 0 || (e.uring ? e.cause == ENOTCONN || e.cause == ECONNABORTED
                                                   : e.cause == ENODEV || detached);
    if (!expected) {
        forced = true;
        exit_status = 1;
        if (!std::exchange(loss_told, true)) {
            PUFFS_LOG(err, "mount '{}': {}", mount_point,
                      e.cause == ECONNABORTED
                          ? "the connection was aborted"
                          : fmt::format("{}: {}",
                                        e.uring ? "FUSE over io_uring" : "reading /dev/fuse",
                                        error(e.cause).name()));
        }
        if (e.uring) {
            stop_at_once();
        }
    }
    if (channels_open == 0 && now == state::running) {
        begin_drain();
    }
}

void session::implementation::begin_drain() {
    now = state::draining;
    drain_until = std::chrono::steady_clock::now() + (answers ? drain_limit : start_drain_limit);
    drain();
}

// The connection is gone, but operations may still run: their memory must outlive them.
void session::implementation::drain() {
    // Parks without a frame are on their way too: what is fired and forgotten.
    const std::size_t left = std::max(connection_channels->frames_out(), mount->totalpark());
    const std::size_t channels_left = std::max(channels_open, closes_pending);
    if (left == 0 && channels_left == 0) {
        finish();
        return;
    }
    if (std::chrono::steady_clock::now() >= drain_until) {
        take_away();
        PUFFS_LOG(err,
                  "mount '{}': {} operations and {} cores did not end in time after the mount was "
                  "gone; leaving them",
                  mount_point, left, channels_left);
        // Not shutdown(): the cores run on, and may log.
        spdlog::default_logger()->flush();
        ::_exit(1);
    }
    drain_timer.expires_after(drain_poll);
    drain_timer.async_wait([this](const boost::system::error_code&) { drain(); });
}

void session::implementation::finish() {
    take_away(); // aborted by somebody, it is still listed
    runtime->run_on(0, [this] {
        mount->userdead();
        library->finish(forced);
    });
    if (options.stats) {
        print_stats();
    }
    runtime->stop();
    PUFFS_LOG(info, "{} on {}: {}", options.subtype, mount_point,
              own->gone() ? "unmounted" : "ended");
    now = state::ended;
}

void session::implementation::print_stats() const {
    PUFFS_LOG(info, "{} on {}:", options.subtype, mount_point);
    for (const std::string& line :
         statistics_lines(*runtime, *connection_channels, *mount, *library)) {
        PUFFS_LOG(info, "  {}", line);
    }
}

} // namespace puffs::kmod
