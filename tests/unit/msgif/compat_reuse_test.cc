// A server that speaks an older layout: parks that are used again, and memory.
#include "puffs/base/limits.hh"
#include "support/sanitized.hh"
#include "unit/memfs/failing_memory.hh"
#include "unit/msgif/older_server.hh"

#include <csignal>

namespace puffs::test {
namespace {

constexpr std::size_t whole = sizeof(msg::request);

const auto nothing = [](msg::arguments&) {};

// A park that its owner keeps over several requests.
class kept_park {
  public:
    explicit kept_park(mount_rig& r) : rig_(r) {
        rig_.on([&] { p = rig_.make(); });
    }
    ~kept_park() {
        rig_.on([&] { rig_.mount.msgmem_release(p); });
    }
    kept_park(const kept_park&) = delete;
    kept_park& operator=(const kept_park&) = delete;
    lwkt::thread* ask(vn_op op, const std::function<void(msg::arguments&)>& set_up,
                      int signal = 0) {
        rv = -1;
        return rig_.on([this, op, set_up, signal] {
            if (signal != 0) lwkt::thread::current().post_signal(signal);
            p->req().head.id = 0;
            p->setinfo(opclass::vn, static_cast<std::uint32_t>(op), dir);
            set_up(p->req().args);
            rig_.mount.enqueue(*p, {});
            rv = rig_.mount.wait(*p);
        });
    }
    park* p = nullptr;
    int rv = -1; // -1: it waits

  private:
    mount_rig& rig_;
};

const auto asks_name = [](msg::arguments& a) { a.lookup = {.name_bytes = 5, .made = {}}; };

// Asks for a name and gets `fresh`.
void look_up(kept_park& k, older_server& server) {
    k.ask(vn_op::lookup, asks_name);
    const auto w = server.take();
    ASSERT_TRUE(w);
    ASSERT_EQ(w->bytes.size(), older::bytes_of<older::lookup_args>);
    auto o = w->args<older::lookup_args>();
    EXPECT_EQ(o.name_bytes, 5U);
    EXPECT_EQ(o.made.node, 0U);
    EXPECT_EQ(o.made.va.size, 0U);
    o.made = some_node(fresh);
    server.send(answer_to(*w, o));
    EXPECT_EQ(k.rv, 0);
    expect_some_node(k.p->req().args.lookup.made, fresh);
}

// Asks for something that both layouts say alike.
void synchronise(kept_park& k, older_server& server) {
    k.ask(vn_op::fsync, [](msg::arguments& a) { a.fsync = {.handle = 0x77, .datasync = 1}; });
    const auto w = server.take();
    ASSERT_TRUE(w);
    ASSERT_EQ(w->bytes.size(), whole);
    EXPECT_EQ(w->args<msg::arguments>().fsync.handle, 0x77U);
    server.send(answer_to(*w, w->args<msg::arguments>()));
    EXPECT_EQ(k.rv, 0);
}

// spec: F28 F2 F16 B34
TEST(older_layout_reuse, starts_from_the_request_of_the_park_each_time) {
    older_rig rig;
    older_server server(rig);
    kept_park k(rig);
    const std::size_t maxlen = k.p->maxlen();
    for (int round = 0; round < 3; ++round) {
        SCOPED_TRACE(round);
        look_up(k, server);
        synchronise(k, server);
        look_up(k, server);
        k.ask(vn_op::getattr,
              [](msg::arguments& a) { a.getattr = {.handle = 1, .va = {}, .attr_ttl = {}}; });
        const auto w = server.take();
        ASSERT_TRUE(w);
        // Nothing of the answers before is in it.
        const auto bytes = std::span(w->bytes).subspan(sizeof(msg::header) + sizeof(std::uint64_t));
        EXPECT_EQ(bytes.size(), sizeof(older::getattr_args) - sizeof(std::uint64_t));
        EXPECT_TRUE(std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{}; }));
        auto o = w->args<older::getattr_args>();
        o.va = some_attr();
        const frame_bytes frame = answer_to(*w, o);
        server.send(frame);
        EXPECT_EQ(k.rv, 0);
        expect_some_attr(k.p->req().args.getattr.va);
        EXPECT_TRUE(std::ranges::equal(w->fixed, frame)); // the raw reply is kept
        EXPECT_EQ(k.p->maxlen(), maxlen);
        EXPECT_EQ(k.p->copylen(), maxlen);
    }
}

// to_old writes what it has; what it leaves out must not be what the server said last.
// spec: F2
TEST(older_layout_reuse, zeroes_what_a_translation_does_not_write) {
    older_rig rig;
    older_server server(rig);
    for (int round = 0; round < 2; ++round) {
        caller c;
        c.start(rig, 0, [](park& p) {
            p.setinfo(opclass::vfs, static_cast<std::uint32_t>(vfs_op::statvfs), cookie::none);
        });
        const auto w = server.take();
        ASSERT_TRUE(w);
        EXPECT_TRUE(std::ranges::all_of(std::span(w->bytes).subspan(sizeof(msg::header)),
                                        [](std::byte b) { return b == std::byte{}; }));
        older::statvfs_args o;
        std::memset(static_cast<void*>(&o), 0xff, sizeof o);
        server.send(answer_to(*w, o));
        EXPECT_EQ(c.rv, 0);
    }
}

// spec: F28 F18 B34
TEST(older_layout_reuse, after_a_signal_before_it_was_queued) {
    older_rig rig;
    older_server server(rig);
    kept_park k(rig);
    look_up(k, server);
    k.ask(vn_op::lookup, asks_name, SIGINT);
    EXPECT_EQ(k.rv, EINTR);
    EXPECT_FALSE(server.take());
    EXPECT_EQ(k.p->req().args.lookup.name_bytes, 5U);
    synchronise(k, server);
    k.ask(vn_op::lookup, asks_name, SIGINT);
    EXPECT_EQ(k.rv, EINTR);
    look_up(k, server);
}

// spec: F28 F19 B34
TEST(older_layout_reuse, after_the_mount_did_not_run) {
    older_rig rig(1, mount_status::mounting);
    older_server server(rig);
    kept_park k(rig);
    k.ask(vn_op::lookup, asks_name);
    EXPECT_EQ(k.rv, ENXIO);
    rig.mount.set_running();
    synchronise(k, server);
    look_up(k, server);
    rig.on([&] { rig.mount.userdead(); });
    k.ask(vn_op::lookup, asks_name);
    EXPECT_EQ(k.rv, ENXIO);
}

// spec: F28 F31 B34
TEST(older_layout_reuse, after_it_went_out_and_was_not_answered) {
    older_rig rig;
    older_server server(rig);
    kept_park k(rig);
    frame_bytes before;
    for (int round = 0; round < 3; ++round) {
        k.ask(vn_op::setattr, [&](msg::arguments& a) {
            if (round == 0) a.setattr.va.size = 4'000'000'000; // and then as it stands there
        });
        const auto w = server.take(0, ENXIO);
        ASSERT_TRUE(w);
        EXPECT_EQ(k.rv, ENXIO);
        EXPECT_EQ(w->args<older::setattr_args>().va.size, 4'000'000'000U);
        const frame_bytes args(w->bytes.begin() + sizeof(msg::header), w->bytes.end());
        if (round > 0) {
            EXPECT_EQ(args, before);
        }
        before = args;
    }
    synchronise(k, server);
    look_up(k, server);
}

// spec: F28 B34
TEST(older_layout_reuse, after_an_error_that_came_with_values) {
    older_rig rig;
    older_server server(rig);
    kept_park k(rig);
    k.ask(vn_op::setattr, [&](msg::arguments& a) { a.setattr.va.size = 5; });
    auto w = server.take();
    ASSERT_TRUE(w);
    auto o = w->args<older::setattr_args>();
    o.va = some_attr();
    server.send(answer_to(*w, o, {}, EIO));
    EXPECT_EQ(k.rv, EIO);
    k.ask(vn_op::setattr, nothing); // as it stands there
    w = server.take(0, ENXIO);
    ASSERT_TRUE(w);
    EXPECT_EQ(w->args<older::setattr_args>().va.size, 5U);
}

// spec: F28 F25 B34
TEST(older_layout_reuse, after_its_caller_was_interrupted_while_it_was_queued) {
    older_rig rig;
    older_server server(rig);
    static int told;
    told = 0;
    park* p = nullptr;
    rig.on([&] {
        p = rig.make(vn_op::lookup, dir);
        asks_name(p->req().args);
        p->setcall([](park&, int rv, void*) { told = rv; }, nullptr);
        rig.mount.enqueue(*p, {});
        EXPECT_TRUE(rig.mount.interrupt(*p));
        EXPECT_EQ(told, EINTR);
        p->req().head.id = 0;
        rig.mount.enqueue(*p, {});
    });
    const auto w = server.take();
    ASSERT_TRUE(w);
    EXPECT_FALSE(server.take());
    auto o = w->args<older::lookup_args>();
    EXPECT_EQ(o.name_bytes, 5U);
    o.made = some_node(fresh);
    server.send(answer_to(*w, o));
    EXPECT_EQ(told, 0);
    expect_some_node(p->req().args.lookup.made, fresh);
    rig.on([&] { rig.mount.msgmem_release(p); });
}

// spec: F28 F13
TEST(older_layout, in_which_a_request_cannot_be_said_fails_it_before_it_is_queued) {
    older_rig rig;
    older_server server(rig);
    const auto grows_to = [](std::uint64_t size) {
        return [size](msg::arguments& a) { a.setattr.va.size = size; };
    };
    kept_park k(rig);
    k.ask(vn_op::setattr, grows_to(std::uint64_t{1} << 32));
    EXPECT_EQ(k.rv, EOVERFLOW);
    EXPECT_EQ(k.p->flags(), kmod::park_wantreply | kmod::park_haserror);
    EXPECT_EQ(k.p->id(), 0U);
    EXPECT_EQ(k.p->references(), 1U);
    EXPECT_FALSE(server.take());
    k.ask(vn_op::setattr, grows_to((std::uint64_t{1} << 32) - 1));
    EXPECT_TRUE(server.take(0, EIO));
    EXPECT_EQ(k.rv, EIO);

    call_end end;
    rig.on([&] {
        park* p = rig.make(vn_op::setattr, dir);
        p->req().args.setattr.va.size = std::uint64_t{1} << 32;
        end.expect(rig, *p);
        rig.mount.enqueue(*p, {});
    });
    EXPECT_EQ(end.count, 1);
    EXPECT_EQ(end.rv, EOVERFLOW);
    EXPECT_EQ(rig.mount.counters_of(0).enqueued, 1U);
}

// spec: F28 F38 B34
TEST(older_layout, answers_to_a_dead_park_touch_nothing) {
    older_rig rig;
    older_server server(rig);
    kept_park k(rig);
    k.ask(vn_op::lookup, asks_name);
    const auto first = server.take();
    ASSERT_TRUE(first);
    auto o = first->args<older::lookup_args>();
    o.made = some_node(fresh);
    const frame_bytes answer = answer_to(*first, o);
    server.send(answer);
    EXPECT_EQ(k.rv, 0);
    for (const vn_op op : {vn_op::lookup, vn_op::fsync}) {
        k.ask(op, nothing);
        const auto w = server.take();
        ASSERT_TRUE(w);
        server.answers.clear();
        server.send(answer); // to the request before
        ASSERT_EQ(server.answers.size(), 1U);
        EXPECT_EQ(server.answers[0].request.head.rv, EINVAL);
        EXPECT_EQ(k.rv, -1);
        EXPECT_TRUE(std::ranges::equal(w->fixed, w->bytes));
        frame_bytes failed = answer_to(*w, msg::arguments{}, {}, EIO);
        failed.resize(sizeof(msg::header));
        server.send(failed);
        EXPECT_EQ(k.rv, EIO);
    }
    rig.on([&] { rig.mount.userdead(); });
    server.send(answer);
    EXPECT_EQ(server.answers.back().request.head.rv, EINVAL);
}

// spec: F2
TEST(older_layout, twins_of_all_parks_lie_apart) {
    older_rig rig;
    older_server server(rig);
    std::vector<std::unique_ptr<call_end>> ends;
    rig.on([&] {
        while (park* p = rig.mount.msgmem_alloc(false)) {
            if (ends.size() % 2 == 0) { // the longest twin
                p->setinfo(opclass::vfs, static_cast<std::uint32_t>(vfs_op::statvfs), cookie::none);
            } else {
                p->setinfo(opclass::vn, static_cast<std::uint32_t>(vn_op::lookup), dir);
                p->req().args.lookup.name_bytes = static_cast<std::uint32_t>(ends.size());
            }
            ends.push_back(std::make_unique<call_end>());
            ends.back()->expect(rig, *p);
            rig.mount.enqueue(*p, {});
        }
    });
    ASSERT_EQ(ends.size(), limits::parks_per_core);
    std::vector<std::pair<const std::byte*, std::size_t>> twins;
    std::uint32_t number = 0;
    rig.on([&] {
        std::vector<msg::frame> frames;
        while (auto f = rig.mount.getout(1 << 20, true)) {
            frames.push_back(*f);
            twins.emplace_back(f->fixed.data(), f->fixed.size());
        }
        for (const msg::frame& f : frames) {
            const auto args = f.fixed.subspan(sizeof(msg::header));
            EXPECT_EQ(older::read_from<std::uint32_t>(args), number % 2 == 0 ? 0 : number);
            ++number;
            rig.mount.releaseout(*f.handle, ECONNRESET);
        }
    });
    std::ranges::sort(twins);
    for (std::size_t i = 1; i < twins.size(); ++i)
        EXPECT_LE(twins[i - 1].first + twins[i - 1].second, twins[i].first);
    EXPECT_EQ(rig.mount.totalpark(), 0U);
}

// spec: F2
TEST(older_layout, costs_no_memory_once_its_park_was_used) {
    older_rig rig;
    older_server server(rig);
    call_end end;
    const auto exchange = [&] {
        park* p = rig.mount.msgmem_alloc(false);
        p->setinfo(opclass::vn, static_cast<std::uint32_t>(vn_op::getattr), dir);
        end.expect(rig, *p);
        rig.mount.enqueue(*p, {});
        const auto f = rig.mount.getout(1 << 20, true);
        msg::request r;
        std::memcpy(static_cast<void*>(&r), f->fixed.data(), f->fixed.size());
        rig.mount.releaseout(*f->handle, 0);
        const older::getattr_args o{0, 1, 0, some_attr()};
        std::memcpy(static_cast<void*>(&r.args), &o, sizeof o);
        rig.mount.dispatch(r, {}, older::bytes_of<older::getattr_args>);
    };
    rig.on([&] {
        exchange();
        memfs::fail_allocation(0);
        for (int i = 0; i < 1000; ++i)
            exchange();
        EXPECT_TRUE(memfs::stop_failing());
    });
    EXPECT_EQ(end.count, 1001);
    EXPECT_EQ(end.rv, 0);
}

// spec: F5 F2
TEST(older_layout, without_memory_for_twins_gives_no_parks) {
    if (sim::sanitized) GTEST_SKIP() << "a sanitizer has an operator new[] of its own";
    older_rig rig;
    rig.on([&] {
        for (int before = 0; before < 2; ++before) { // the parks, then their twins
            memfs::fail_allocation(before);
            EXPECT_EQ(rig.mount.msgmem_alloc(false), nullptr);
            EXPECT_FALSE(memfs::stop_failing());
        }
        park* const p = rig.mount.msgmem_alloc(false);
        EXPECT_NE(p, nullptr);
        rig.mount.msgmem_release(p);
    });
}

} // namespace
} // namespace puffs::test
