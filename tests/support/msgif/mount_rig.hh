// support/msgif/mount_rig.hh - a mount on a few virtual cores, and a server that the test plays by hand.
#pragma once

#include "puffs/base/race_point.hh"
#include "puffs/kmod/msgif.hh"
#include "puffs/lwkt/sched.hh"
#include "puffs/msgport/simple_ports.hh"
#include "support/lwkt/rig.hh"

#include <algorithm>
#include <cstring>
#include <deque>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace puffs::test {

using kmod::mount_status;
using kmod::park;
using kmod::puffs_mount;
using msg::cookie;
using msg::opclass;
using msg::vfs_op;
using msg::vn_op;

// The cores and the mount. Destroyed last, when nothing may be left: the leak oracle (F7). While a core spins for
// another one, the others take turns.
class mount_rig {
  public:
    explicit mount_rig(core_id cores = 1, mount_status status = mount_status::running,
                       const kmod::wire_translation* older = nullptr)
        : machine(cores), mount(machine.domain, older) {
        if (status != mount_status::before_init) mount.set_mounting();
        if (status == mount_status::running) mount.set_running();
        stepped() = this;
        current_relax_hook() = [](unsigned) { stepped()->step_others(); };
    }
    ~mount_rig() {
        machine.settle();
        EXPECT_EQ(mount.totalpark(), 0U) << "parks leaked";
        current_relax_hook() = nullptr;
    }
    mount_rig(const mount_rig&) = delete;
    mount_rig& operator=(const mount_rig&) = delete;

    // Runs f on a light thread of the core, and everything else until nothing can go on.
    lwkt::thread* on(core_id c, std::function<void()> f) {
        lwkt::thread* td = machine.spawn(c, std::move(f));
        machine.settle();
        return td;
    }
    lwkt::thread* on(std::function<void()> f) { return on(0, std::move(f)); }

    park* make(vn_op op = vn_op::fsync, cookie node = cookie::root) {
        park* p = mount.msgmem_alloc(false);
        p->setinfo(opclass::vn, static_cast<std::uint32_t>(op), node);
        return p;
    }

    rig machine;
    puffs_mount mount;

  private:
    static mount_rig*& stepped() {
        static thread_local mount_rig* r = nullptr;
        return r;
    }
    // Called on the stack of a core that waits: it is current. Those that wait around it are on this stack too, and do
    // what a waiting core does: they serve their IPIs.
    void step_others() {
        ipi::cpu* const waits = ipi::cpu::current_or_null();
        spinning_.push_back(waits);
        for (auto& c : machine.cores) {
            if (c.get() == waits) continue;
            if (std::find(spinning_.begin(), spinning_.end(), c.get()) == spinning_.end()) {
                c->step();
                continue;
            }
            ipi::cpu::set_current(c.get());
            c->serve_ipis();
            ipi::cpu::set_current(waits);
        }
        spinning_.pop_back();
    }
    std::vector<ipi::cpu*> spinning_;
};

// How a park that calls back ended. It releases the park.
struct call_end {
    int count = 0;
    int rv = -1;
    static void told(park& p, int rv, void* arg) {
        auto& e = *static_cast<call_end*>(arg);
        ++e.count;
        e.rv = rv;
        static_cast<mount_rig*>(p.owner)->mount.msgmem_release(&p);
    }
    // Makes `p` call back to this.
    void expect(mount_rig& r, park& p) {
        p.owner = &r;
        p.setcall(told, this);
    }
};

// A light thread that asks something and waits for the answer.
struct caller {
    park* p = nullptr;
    lwkt::thread* td = nullptr;
    bool over = false;
    int rv = -1;
    std::uint32_t setbacks = 0;
    std::uint32_t flags = 0;
    std::size_t out_bytes = 0;
    msg::request request;
    // Starts it on the core; returns when it sleeps or is through.
    void start(mount_rig& r, core_id core, std::function<void(park&)> set_up) {
        r.on(core, [this, &r, set_up = std::move(set_up)] {
            td = &lwkt::thread::current();
            p = r.make();
            set_up(*p);
            r.mount.enqueue(*p, {});
            rv = r.mount.wait2(*p, setbacks);
            flags = p->flags();
            request = p->req();
            out_bytes = p->reply_out_bytes();
            r.mount.msgmem_release(p);
            over = true;
        });
    }
    void start(mount_rig& r) {
        start(r, 0, [](park&) {});
    }
};

// What the transport was told.
struct answer {
    msg::request request;
    std::string text;
};

// A request as the server has it.
struct taken {
    msg::request request;
    std::size_t length = 0;
    msg::delivery* handle = nullptr;
    core_id core = 0;
};

// The server's end of either transport (T16): takes requests oldest first, replies when told.
class test_server {
  public:
    virtual ~test_server() = default;
    virtual std::optional<taken> take(core_id core) = 0;
    // Replies as the server on `from` (no_core: an ordinary thread). `out`: bytes of the reply.
    virtual void reply(const taken& t, core_id from, const msg::request& r,
                       std::span<const std::byte> out) = 0;
    std::vector<answer> answers;
    unsigned notices = 0;
};

// Uses the putter half as a transport to another process would: getout, releaseout, frames back.
class frame_server final : public test_server, public kmod::transport {
  public:
    explicit frame_server(mount_rig& r) : rig_(r) { r.mount.attach(*this); }
    ~frame_server() override { rig_.mount.detach(); }

    std::optional<taken> take(core_id core) override {
        std::optional<taken> t;
        rig_.on(core, [&] {
            auto f = rig_.mount.getout(std::size_t{1} << 30, true);
            if (!f) {
                return;
            }
            t = taken{*f->handle->req, f->length, f->handle, core};
            rig_.mount.releaseout(*f->handle, 0);
        });
        return t;
    }
    void reply(const taken&, core_id from, const msg::request& r,
               std::span<const std::byte> out) override {
        rig_.on(from, [&] { rig_.mount.dispatch(r, out, sizeof r + out.size()); });
    }
    void notify(core_id) override { ++notices; }
    void respond(const msg::request& r, std::string_view text) override {
        answers.push_back({r, std::string(text)});
    }

  private:
    mount_rig& rig_;
};

// A port that keeps what it gets, under the in-process transport.
class inproc_server final : public test_server {
  public:
    explicit inproc_server(mount_rig& r)
        : rig_(r), queues_(r.machine.cores.size()), transport_(r.mount, make_ports()) {}

    std::optional<taken> take(core_id core) override {
        auto& q = queues_[core];
        if (q.empty()) {
            return std::nullopt;
        }
        msg::delivery* const d = q.front();
        q.pop_front();
        return taken{*d->req, sizeof(msg::request) + d->data.in.size(), d, core};
    }
    void reply(const taken& t, core_id from, const msg::request& r,
               std::span<const std::byte> out) override {
        std::memcpy(static_cast<void*>(t.handle->req), &r, sizeof r);
        if (!out.empty() && t.handle->data.out.size() >= out.size()) {
            std::memcpy(t.handle->data.out.data(), out.data(), out.size());
        }
        t.handle->result.u64 = out.size();
        if (from == no_core) {
            msgport::replymsg(*t.handle, 0);
            rig_.machine.settle();
            return;
        }
        rig_.on(from, [&] { msgport::replymsg(*t.handle, 0); });
    }
    // The server lets go of a request that wants no reply, or that nobody waits for any more.
    void let_go(const taken& t) {
        rig_.on(t.core, [&] { msgport::replymsg(*t.handle, 0); });
    }

  private:
    std::vector<msgport::port*> make_ports() {
        std::vector<msgport::port*> all;
        for (auto& q : queues_) {
            ports_.push_back(std::make_unique<msgport::putonly_port>(
                "server",
                [](msgport::port& self, msgport::msg& m) {
                    auto& queue = *static_cast<std::deque<msg::delivery*>*>(
                        static_cast<msgport::putonly_port&>(self).context());
                    queue.push_back(static_cast<msg::delivery*>(&m));
                    return msgport::easync;
                },
                &q));
            all.push_back(ports_.back().get());
        }
        return all;
    }

    mount_rig& rig_;
    std::vector<std::deque<msg::delivery*>> queues_;
    std::vector<std::unique_ptr<msgport::putonly_port>> ports_;
    kmod::inproc_transport transport_;
};

enum class transport_kind : std::uint8_t { frames, inproc };

inline std::unique_ptr<test_server> make_server(transport_kind k, mount_rig& r) {
    if (k == transport_kind::frames) {
        return std::make_unique<frame_server>(r);
    }
    return std::make_unique<inproc_server>(r);
}

inline std::string kind_name(const testing::TestParamInfo<transport_kind>& info) {
    return info.param == transport_kind::frames ? "frames" : "inproc";
}

} // namespace puffs::test
