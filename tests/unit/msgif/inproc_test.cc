// The transport to a server in this process, and replies from wherever.
#include "support/msgif/mount_rig.hh"

#include <array>
#include <csignal>
#include <thread>

namespace puffs::test {
namespace {

// A server that answers inside the put, as the port of the server library does.
class inline_server {
  public:
    using function = std::function<int(msg::delivery&)>;
    inline_server(mount_rig& r, function f) : f_(std::move(f)) {
        for (std::size_t i = 0; i < r.machine.cores.size(); ++i)
            ports_.push_back(&port_);
        transport_ = std::make_unique<kmod::inproc_transport>(r.mount, ports_);
    }

  private:
    function f_;
    msgport::putonly_port port_{"inline",
                                [](msgport::port& self, msgport::msg& m) {
                                    auto& f = *static_cast<function*>(
                                        static_cast<msgport::putonly_port&>(self).context());
                                    return f(static_cast<msg::delivery&>(m));
                                },
                                &f_};
    std::vector<msgport::port*> ports_;
    std::unique_ptr<kmod::inproc_transport> transport_;
};

// spec: H6
TEST(inproc, a_request_is_answered_before_enqueue_returns) {
    mount_rig rig;
    const lwkt::thread* served_by = nullptr;
    inline_server server(rig, [&](msg::delivery& d) {
        served_by = lwkt::thread::current_or_null();
        d.req->args.getattr.va.mode = 0100600;
        return 0;
    });
    rig.on([&] {
        park* p = rig.make(vn_op::getattr);
        rig.mount.enqueue(*p, {});
        EXPECT_NE(p->flags() & kmod::park_done, 0U);
        EXPECT_EQ(served_by, &lwkt::thread::current());
        EXPECT_EQ(rig.mount.wait(*p), 0);
        EXPECT_EQ(p->references(), 1U);
        rig.mount.msgmem_release(p);
    });
}

// spec: H6 F40
TEST(inproc, the_error_of_the_port_is_the_error_of_the_reply) {
    mount_rig rig;
    inline_server server(rig, [](msg::delivery&) { return EXDEV; });
    caller c;
    c.start(rig);
    EXPECT_EQ(c.rv, EXDEV);
}

// What the message said about the request that had the park before is not about this one.
// spec: F40 F41
TEST(inproc, an_error_by_message_says_nothing_about_bytes) {
    mount_rig rig;
    inline_server server(rig, [](msg::delivery& d) {
        if (d.data.out.empty()) return EXDEV;
        d.result.u64 = d.data.out.size();
        return 0;
    });
    std::array<std::byte, 64> room{};
    caller reads;
    reads.start(rig, 0, [&](park& p) {
        p.setinfo(opclass::vn, static_cast<std::uint32_t>(vn_op::readlink), cookie::root);
        p.req().args.readlink.done = room.size();
        p.set_runs({}, room);
    });
    EXPECT_EQ(reads.rv, 0);
    caller fails;
    fails.start(rig);
    EXPECT_EQ(fails.p, reads.p);
    EXPECT_EQ(fails.rv, EXDEV);
}

struct chain {
    mount_rig& rig;
    int left = 10'000;
    int depth = 0;
    int depth_max = 0;
    bool same_park = false;
    static void told(park& p, int /*rv*/, void* arg) {
        auto& c = *static_cast<chain*>(arg);
        if (c.left-- == 0) {
            c.rig.mount.msgmem_release(&p);
            return;
        }
        park* next = &p;
        c.same_park = !c.same_park;
        if (c.same_park) {
            p.req().head.id = 0;
        } else {
            c.rig.mount.msgmem_release(&p);
            next = c.rig.make();
            next->setcall(told, &c);
        }
        c.rig.mount.enqueue(*next, {});
    }
};

// A callback may send the next request; ten thousand in a row do not pile up on the stack.
// spec: F13
TEST(inproc, callbacks_that_send_the_next_request_do_not_nest) {
    for (const bool answers_by_message : {false, true}) {
        mount_rig rig;
        chain c{rig};
        inline_server server(rig, [&](msg::delivery& d) {
            c.depth_max = std::max(c.depth_max, ++c.depth);
            if (answers_by_message) msgport::replymsg(d, 0);
            --c.depth;
            return answers_by_message ? msgport::easync : 0;
        });
        rig.on([&] {
            park* p = rig.make();
            p->setcall(chain::told, &c);
            rig.mount.enqueue(*p, {});
        });
        EXPECT_EQ(c.left, -1);
        EXPECT_EQ(c.depth_max, 1);
    }
}

// spec: H6
TEST(inproc, a_server_that_blocks_holds_only_its_own_caller) {
    mount_rig rig;
    lwkt::wait_queue gate;
    inline_server server(rig, [&](msg::delivery& d) {
        if (d.req->head.node == msg::make_cookie(9, 0)) {
            std::uint64_t generation = gate.generation();
            gate.block(generation);
        }
        return 0;
    });
    caller slow;
    caller quick;
    slow.start(rig, 0, [](park& p) {
        p.setinfo(opclass::vn, static_cast<std::uint32_t>(vn_op::fsync), msg::make_cookie(9, 0));
    });
    quick.start(rig);
    EXPECT_FALSE(slow.over);
    EXPECT_TRUE(quick.over);
    gate.signal();
    rig.machine.settle();
    EXPECT_EQ(slow.rv, 0);
}

struct two_at_once {
    mount_rig& rig;
    bool slow_first;
    call_end slow, quick;
    void send(bool is_slow) {
        park* const p = rig.make(vn_op::fsync, is_slow ? msg::make_cookie(9, 0) : cookie::root);
        (is_slow ? slow : quick).expect(rig, *p);
        rig.mount.enqueue(*p, {});
    }
    static void told(park& ended, int /*rv*/, void* arg) {
        auto& t = *static_cast<two_at_once*>(arg);
        t.rig.mount.msgmem_release(&ended);
        t.send(t.slow_first);
        t.send(!t.slow_first);
    }
};

// A callback sends two requests at once; the server blocks in one of them.
// spec: F13 H6
TEST(inproc, a_server_that_blocks_does_not_hold_what_was_put_off_beside_it) {
    for (const bool slow_first : {true, false}) {
        mount_rig rig;
        lwkt::wait_queue gate;
        inline_server server(rig, [&](msg::delivery& d) {
            if (d.req->head.node == msg::make_cookie(9, 0)) {
                std::uint64_t generation = gate.generation();
                gate.block(generation);
            }
            return 0;
        });
        two_at_once t{rig, slow_first, {}, {}};
        rig.on([&] {
            park* p = rig.make();
            p->setcall(two_at_once::told, &t);
            rig.mount.enqueue(*p, {});
        });
        EXPECT_EQ(t.slow.count, 0);
        EXPECT_EQ(t.quick.count, 1) << "slow first: " << slow_first;
        gate.signal();
        rig.machine.settle();
        EXPECT_EQ(t.slow.count, 1);
    }
}

// Where the enqueuer must not block, a thread of its own takes the request to the server.
// spec: H6
TEST(inproc, a_request_from_an_ipi_handler_is_served_on_a_thread) {
    mount_rig rig;
    bool on_thread = false;
    inline_server server(rig, [&](msg::delivery&) {
        on_thread = ipi::cpu::current().intr_nest() == 0;
        lwkt::yield();
        return 0;
    });
    call_end end;
    struct arguments {
        mount_rig& rig;
        call_end& end;
    } a{rig, end};
    rig.on([&] {
        const ipi::crit_section crit;
        ipi::send(
            0,
            [](void* arg, std::intptr_t) {
                auto& x = *static_cast<arguments*>(arg);
                for (int i = 0; i < 2; ++i) {
                    park* p = x.rig.make();
                    x.end.expect(x.rig, *p);
                    x.rig.mount.enqueue(*p, {});
                }
            },
            &a);
        EXPECT_EQ(end.count, 0);
    });
    EXPECT_EQ(end.count, 2);
    EXPECT_TRUE(on_thread);
}

// The server may have the request after its caller is gone: it must not come back as somebody else's.
// spec: V12 U13
TEST(inproc, a_park_is_not_reused_while_the_server_has_it) {
    mount_rig rig;
    inproc_server server(rig);
    caller c;
    c.start(rig);
    auto t = server.take(0);
    ASSERT_TRUE(t);
    rig.on([&] { rig.mount.userdead(); });
    EXPECT_EQ(c.rv, ENXIO);
    EXPECT_EQ(rig.mount.totalpark(), 1U);
    t->request.head.rv = 5; // and what it says is heard by nobody
    server.reply(*t, 0, t->request, {});
    EXPECT_EQ(rig.mount.totalpark(), 0U);
    EXPECT_EQ(rig.mount.counters_of(0).replied, 0U);
}

// spec: F31
TEST(inproc, what_wants_no_reply_is_the_servers_until_it_lets_go) {
    mount_rig rig;
    inproc_server server(rig);
    caller c;
    c.start(rig, 0, [](park& p) { p.setfaf(); });
    EXPECT_TRUE(c.over);
    auto t = server.take(0);
    ASSERT_TRUE(t);
    EXPECT_EQ(rig.mount.totalpark(), 1U);
    rig.on([&] { rig.mount.userdead(); });
    EXPECT_EQ(rig.mount.totalpark(), 1U);
    server.let_go(*t);
    EXPECT_EQ(rig.mount.totalpark(), 0U);
}

// spec: H8
TEST(inproc, a_reply_from_an_ordinary_thread_finds_its_way_home) {
    mount_rig rig;
    inproc_server server(rig);
    caller c;
    c.start(rig);
    auto t = server.take(0);
    ASSERT_TRUE(t);
    t->request.head.rv = ENODATA;
    std::thread other([&] {
        std::memcpy(static_cast<void*>(t->handle->req), &t->request, sizeof t->request);
        msgport::replymsg(*t->handle, 0);
    });
    other.join();
    EXPECT_FALSE(c.over); // ended on its core, not there
    rig.machine.settle();
    EXPECT_EQ(c.rv, ENODATA);
}

class far_replies : public testing::TestWithParam<transport_kind> {};
INSTANTIATE_TEST_SUITE_P(T16, far_replies,
                         testing::Values(transport_kind::frames, transport_kind::inproc),
                         kind_name);

// spec: H8 H7
TEST_P(far_replies, given_on_another_core_end_the_park_on_its_own) {
    mount_rig rig(3);
    const auto server = make_server(GetParam(), rig);
    for (core_id home = 0; home < 3; ++home) {
        for (core_id from = 0; from < 3; ++from) {
            struct told_on {
                mount_rig& rig;
                core_id core = no_core;
                int rv = -1;
            } call{rig};
            caller c;
            c.start(rig, home, [](park&) {});
            rig.on(home, [&] {
                park* p = rig.make();
                p->setcall(
                    [](park& mine, int rv, void* arg) {
                        auto& t = *static_cast<told_on*>(arg);
                        t.core = ipi::cpu::current().id();
                        t.rv = rv;
                        t.rig.mount.msgmem_release(&mine);
                    },
                    &call);
                rig.mount.enqueue(*p, {});
            });
            for (int i = 0; i < 2; ++i) {
                auto t = server->take(home);
                ASSERT_TRUE(t);
                t->request.head.rv = EAGAIN;
                server->reply(*t, from, t->request, {});
            }
            EXPECT_TRUE(c.over);
            EXPECT_EQ(c.rv, EAGAIN);
            EXPECT_EQ(call.core, home);
            EXPECT_EQ(call.rv, EAGAIN);
        }
    }
}

// spec: F38 H8
TEST(far_replies, under_an_unknown_id_are_counted_where_they_arrive) {
    mount_rig rig(2);
    frame_server server(rig);
    caller c;
    c.start(rig, 1, [](park&) {});
    auto t = server.take(1);
    ASSERT_TRUE(t);
    msg::request r = t->request;
    r.head.id += std::uint64_t{1} << 24;
    server.reply(*t, 0, r, {});
    EXPECT_EQ(rig.mount.counters_of(1).unknown_ids, 1U);
    ASSERT_EQ(server.answers.size(), 1U);
    server.reply(*t, 0, t->request, {});
    EXPECT_TRUE(c.over);
}

} // namespace
} // namespace puffs::test
