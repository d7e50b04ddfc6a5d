#include "mount/channels.hh"

#include "fuse/dev_channel.hh"
#include "fuse/uring_channel.hh"
#include "mount/init_of.hh"
#include "mount/mount_point.hh"
#include "mount/transport.hh"
#include "puffs/lwkt/sched.hh"

#include <fmt/format.h>
#include <new>
#include <utility>
#include <vector>

namespace puffs::kmod {

struct channels::implementation {
    lwkt::runtime& cores;
    fuse::opmap& map;
    const std::function<void(end)> ended;
    // One a core.
    std::vector<std::unique_ptr<fuse::dev_channel>> dev;
    std::vector<std::unique_ptr<fuse::uring_channel>> uring;
    std::string uring_size;

    std::expected<void, std::string> make_dev(int fd, std::vector<int>& fds);
    std::expected<void, std::string> make_uring(const std::vector<int>& fds,
                                                const mount_options& options);
};

channels::channels() = default;
channels::~channels() = default;

std::expected<std::unique_ptr<channels>, std::string>
channels::create(int fd, lwkt::runtime& cores, fuse::opmap& map, const mount_options& o, bool uring,
                 std::function<void(end)> ended) {
    std::unique_ptr<channels> made(new channels);
    made->impl_ =
        std::make_unique<implementation>(implementation{cores, map, std::move(ended), {}, {}, {}});
    std::vector<int> fds;
    auto done = made->impl_->make_dev(fd, fds);
    if (done && uring) {
        done = made->impl_->make_uring(fds, o);
    }
    if (!done) {
        return std::unexpected(done.error());
    }
    return made;
}

std::expected<void, std::string> channels::implementation::make_dev(int fd, std::vector<int>& fds) {
    for (core_id c = 0; c < cores.size(); ++c) {
        auto clone = c == 0 ? fd : clone_connection(fd);
        if (!clone) {
            return std::unexpected(clone.error());
        }
        fds.push_back(*clone);
        try {
            dev.push_back(std::make_unique<fuse::dev_channel>(
                *clone, cores.at(c), cores.ring_of(c), map, fuse::dev_channel_options{},
                [this](int cause) { ended({.uring = false, .cause = cause}); }));
        } catch (const std::bad_alloc&) {
            return std::unexpected(std::string("no memory for request buffers"));
        }
    }
    return {};
}

std::expected<void, std::string>
channels::implementation::make_uring(const std::vector<int>& fds, const mount_options& options) {
    std::vector<int> cpus;
    cpus.reserve(cores.size());
    for (core_id c = 0; c < cores.size(); ++c) {
        cpus.push_back(cores.cpu_of(c));
    }
    const std::vector<int> possible = possible_cpus();
    const auto queues = queues_of_cores(cpus, possible);
    fuse::uring_channel_options o;
    o.payload_bytes = fuse::uring_payload_bytes(init_of(options, cores.size(), true));
    o.entries = entries_of_queue(options.uring_entries, possible.size(), o.payload_bytes);
    const std::size_t memory_bytes = possible.size() * o.entries * o.payload_bytes;
    uring_size = fmt::format("{} queues of {} entries, {:.3g} MiB", possible.size(), o.entries,
                             static_cast<double>(memory_bytes) / (1 << 20));
    for (core_id c = 0; c < cores.size(); ++c) {
        o.queues = queues[c];
        auto made = fuse::uring_channel::create(
            fds[c], cores.at(c), cores.ring_of(c), map, o,
            [this](int cause) { ended({.uring = true, .cause = cause}); });
        if (!made) {
            return std::unexpected(fmt::format("memory for FUSE over io_uring ({}): {}", uring_size,
                                               made.error().name()));
        }
        uring.push_back(std::move(*made));
    }
    return {};
}

std::size_t channels::open_first() {
    impl_->cores.run_on(0, [this] { impl_->dev[0]->open(); });
    return 1;
}

std::size_t channels::open_others(bool uring) {
    implementation& im = *impl_;
    std::size_t count = 0;
    if (uring) {
        // Behind the reply to INIT, before which the kernel takes no entries.
        im.cores.run_on(0, [] {});
        for (; count < im.uring.size(); ++count) {
            im.cores.run_on(static_cast<core_id>(count),
                            [channel = im.uring[count].get()] { channel->open(); });
        }
        return count;
    }
    for (; count + 1 < im.dev.size(); ++count) {
        im.cores.run_on(static_cast<core_id>(count + 1),
                        [channel = im.dev[count + 1].get()] { channel->open(); });
    }
    return count;
}

std::size_t channels::close_all(const std::function<void()>& closed) {
    struct closing {
        fuse::dev_channel& dev;
        fuse::uring_channel* uring;
        std::function<void()> closed;
        static void run(void* arg) {
            const std::unique_ptr<closing> c(static_cast<closing*>(arg));
            c->dev.close();
            if (c->uring != nullptr) {
                c->uring->close();
            }
            c->closed();
        }
    };
    implementation& im = *impl_;
    for (std::size_t c = 0; c < im.dev.size(); ++c) {
        auto one = std::make_unique<closing>(
            closing{*im.dev[c], im.uring.empty() ? nullptr : im.uring[c].get(), closed});
        lwkt::create_on(im.cores.at(static_cast<core_id>(c)), closing::run, one.release(),
                        "close_channel");
    }
    return im.dev.size();
}

std::size_t channels::frames_out() const noexcept {
    std::size_t count = 0;
    for (const auto& c : impl_->dev) {
        count += c->frames_out();
    }
    for (const auto& c : impl_->uring) {
        count += c->frames_out();
    }
    return count;
}

const std::string& channels::uring_size() const noexcept {
    return impl_->uring_size;
}

std::string channels::stats_of(core_id c) const {
    const auto text = [](const char* name, const fuse::channel_counters& s) {
        const auto get = [](const std::atomic<std::uint64_t>& v) {
            return v.load(std::memory_order_relaxed);
        };
        return fmt::format("{}: requests {} replies {} gone {} refused {} stalls {} waits {} "
                           "interrupts lost {}",
                           name, get(s.requests), get(s.replies), get(s.gone), get(s.refused),
                           get(s.stalls), get(s.waits), get(s.interrupts_lost));
    };
    std::string all = text("dev", impl_->dev[c]->stats());
    if (!impl_->uring.empty()) {
        all += "; " + text("uring", impl_->uring[c]->stats());
    }
    return all;
}

} // namespace puffs::kmod
