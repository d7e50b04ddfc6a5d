#include "stress/stack/world.hh"

#include "fuse/wire_init.hh"

#include <fmt/format.h>

namespace puffs::stress {

using namespace std::chrono_literals;
namespace wire = fuse::wire;

world::world(ipi::domain& d, const options& o)
    : asked_for(o), domain(d), mount(d), server(found, o.cores, o.seed),
      library(&server, ops, {.concurrency = o.how}, o.cores), transport(mount, ports()),
      map(mount, fuse::init_options{}, [this](const auto& granted) {
          if (!granted) found.add("INIT was refused");
          mount.set_running();
      }) {
    for (core_id c = 0; c < o.cores; ++c) {
        channels.push_back(std::make_unique<kernel_channel>(map, found, c, o.seed + 100 + c));
        helpers_.push_back(
            std::make_unique<helper>(helper{*this, c, std::mt19937_64(o.seed + 200 + c)}));
    }
    server.add_dir("one");
    server.add_dir("two");
    const std::uint64_t home = server.add_dir("home");
    for (unsigned i = 0; i < o.cores * o.clients_per_core; ++i) {
        server.add_dir(fmt::format("p{}", i), home);
        clients.push_back(std::make_unique<client>(*this, static_cast<core_id>(i % o.cores), i,
                                                   o.seed + 1000 + i));
    }
    working.store(static_cast<unsigned>(clients.size()), std::memory_order_relaxed);
    helping.store(o.cores + 1U, std::memory_order_relaxed);
    mount.set_mounting();
}

std::vector<msgport::port*> world::ports() {
    std::vector<msgport::port*> all;
    for (core_id c = 0; c < asked_for.cores; ++c) {
        all.push_back(&library.port(c));
    }
    return all;
}

void world::start() {
    lwkt::create_on(
        core_at(0), [](void* self) { static_cast<world*>(self)->boot(); }, this, "boot");
}

// The connection begins: INIT on core 0, then everybody.
void world::boot() {
    channels[0]->attach();
    fuse::test::frame_builder b(wire::opcode::init, 0);
    b.add(wire::init_in{.major = 7,
                        .minor = 45,
                        .max_readahead = 131072,
                        .flags = 0xffffffff,
                        .flags2 = 0xffffffff,
                        .unused = {}});
    asked init(b.done());
    init.caller = &lwkt::thread::current();
    channels[0]->submit(init);
    while (init.at.load(std::memory_order_relaxed) != asked::stage::over) {
        lwkt::yield();
    }
    phase.store("work", std::memory_order_relaxed);
    for (auto& h : helpers_) {
        lwkt::create_on(
            core_at(h->core),
            [](void* self) {
                auto& mine = *static_cast<helper*>(self);
                mine.w.run_helper(mine);
            },
            h.get(), "interrupts");
    }
    lwkt::create_on(
        core_at(0), [](void* self) { static_cast<world*>(self)->ring_bell(); }, this, "bell");
    for (auto& c : clients) {
        lwkt::create_on(
            core_at(c->core()), [](void* self) { static_cast<client*>(self)->run(); }, c.get(),
            "client");
    }
}

void world::run_helper(helper& h) {
    if (!channels[h.core]->attached()) channels[h.core]->attach();
    while (!quiet.load(std::memory_order_acquire)) {
        if (h.random() % 4 == 0) {
            lwkt::sleep_for(std::chrono::microseconds(1 + h.random() % 50));
        } else {
            lwkt::yield();
        }
        clients[h.random() % clients.size()]->interrupt(*channels[h.core]);
    }
    if (map.in_flight() != 0) found.add(fmt::format("core {} has requests in flight", h.core));
    helper_ended();
}

// Operations that wait for it go on, in the end too.
void world::ring_bell() {
    while (!quiet.load(std::memory_order_acquire)) {
        lwkt::sleep_for(20us);
        server.gate.signal();
    }
    helper_ended();
}

void world::helper_ended() {
    if (helping.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        ended.store(true, std::memory_order_release);
    }
}

void world::kill() {
    dying.store(true, std::memory_order_relaxed);
    mount.userdead();
}

void world::kill_on(core_id c) {
    helping.fetch_add(1, std::memory_order_acq_rel); // `ended` waits for it
    lwkt::create_on(
        core_at(c),
        [](void* self) {
            auto& w = *static_cast<world*>(self);
            w.kill();
            w.helper_ended();
        },
        this, "killer");
}

void world::client_ended(client& c) {
    if (working.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    end_round(c);
    quiet.store(true, std::memory_order_release);
}

// ---- the end, by the last client's thread

// Until nothing is on its way any more. What never comes is the watchdog's.
void world::settle() {
    const auto busy = [this] {
        std::size_t count = mount.totalpark() + interrupts_out.load(std::memory_order_seq_cst);
        for (const auto& c : channels) {
            count += c->frames_out();
        }
        return count;
    };
    while (busy() != 0) {
        lwkt::sleep_for(20us);
    }
}

// What the kernel half and the server count is what the clients hold, node by node. `all` holds it for all of them.
void world::audit(client& all) {
    const auto& held = all.lookups();
    for (const auto& [node, count] : held) {
        const auto counted = mount.references_of(static_cast<msg::cookie>(node));
        if (node != wire::root_id && counted != count) {
            found.add(fmt::format("node {:#x}: the clients hold {} lookups, the mount counts {}",
                                  node, count, counted));
        }
    }
    if (mount.live_nodes() != held.size()) {
        found.add(fmt::format("{} nodes are known, the mount counts {}", held.size(),
                              mount.live_nodes()));
    }
    if (library.live_nodes() != held.size() + 1) {
        found.add(fmt::format("{} nodes are known, the library keeps {} besides the root",
                              held.size(), library.live_nodes() - 1));
    }
    server.audits.store(true, std::memory_order_relaxed);
    all.look_at_all();
    for (const auto& [node, count] : held) {
        const std::uint64_t ino = all.object_of(node);
        if (server.audited[ino] != count) {
            found.add(fmt::format("object {}: the clients hold {} lookups, the library counts {}",
                                  ino, count, server.audited[ino]));
        }
    }
}

void world::end_round(client& last) {
    phase.store("requests on their way", std::memory_order_relaxed);
    calm.store(true, std::memory_order_seq_cst);
    settle();
    for (auto& c : clients) {
        if (c.get() != &last) last.take_over(*c);
    }
    const bool died = dying.load(std::memory_order_relaxed);
    if (!died) {
        phase.store("audit", std::memory_order_relaxed);
        audit(last);
        if (!server.opened.empty()) found.add("files stay open in the server");
    }
    phase.store("giving back", std::memory_order_relaxed);
    last.give_all_back();
    settle();
    if (mount.live_nodes() != 0) {
        found.add(fmt::format("{} nodes live in the mount at the end", mount.live_nodes()));
    }
    if (!died) {
        phase.store("destroy", std::memory_order_relaxed);
        if (const answer a = last.destroy(); a.error != 0) {
            found.add("DESTROY was answered " + std::string(error(a.error).name()));
        }
    }
    settle();
    phase.store("unmount", std::memory_order_relaxed);
    mount.userdead();
    server.ends.store(true, std::memory_order_relaxed);
    if (died) library.finish(true); // nothing was given back to the server
    if (library.live_nodes() != 1) {
        found.add(fmt::format("{} nodes live in the library at the end", library.live_nodes()));
    }
    library.finish(true);
    phase.store("end", std::memory_order_relaxed);
}

std::uint64_t world::replies() const {
    std::uint64_t count = 0;
    for (const auto& c : channels) {
        count += c->replies();
    }
    return count;
}

std::string world::describe() const {
    std::string text = fmt::format("phase: {}; {} parks; {} clients at work\n",
                                   phase.load(std::memory_order_relaxed), mount.totalpark(),
                                   working.load(std::memory_order_relaxed));
    for (const auto& c : clients) {
        text += c->doing() + "\n";
    }
    return text;
}

} // namespace puffs::stress
