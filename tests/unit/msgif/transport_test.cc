// The way of a request through either transport.
#include "support/msgif/mount_rig.hh"

#include <csignal>

namespace puffs::test {
namespace {

class transports : public testing::TestWithParam<transport_kind> {
  protected:
    transports() : server(make_server(GetParam(), rig)) {}
    mount_rig rig;
    std::unique_ptr<test_server> server;
};
INSTANTIATE_TEST_SUITE_P(T16, transports,
                         testing::Values(transport_kind::frames, transport_kind::inproc),
                         kind_name);

// spec: T16 F40
TEST_P(transports, a_reply_reaches_the_thread_that_waits) {
    int rv = -1;
    std::uint64_t size = 0;
    rig.on([&] {
        park* p = rig.make(vn_op::getattr);
        rig.mount.enqueue(*p, {.pid = 7, .uid = 8, .gid = 9});
        rv = rig.mount.wait(*p);
        size = p->req().args.getattr.va.size;
        rig.mount.msgmem_release(p);
    });
    auto t = server->take(0);
    ASSERT_TRUE(t);
    EXPECT_EQ(rv, -1);
    EXPECT_EQ(t->request.head.who.pid, 7U);
    t->request.args.getattr.va.size = 4711;
    t->request.args.getattr.va.mode = 0100644;
    server->reply(*t, 0, t->request, {});
    EXPECT_EQ(rv, 0);
    EXPECT_EQ(size, 4711U);
}

// spec: F13
TEST_P(transports, a_call_park_is_told_of_its_end_once) {
    struct ends {
        int count = 0;
        int rv = -1;
    } e;
    rig.on([&] {
        park* p = rig.make();
        p->setcall(
            [](park& done, int rv, void* arg) {
                auto& seen = *static_cast<ends*>(arg);
                ++seen.count;
                seen.rv = rv;
                static_cast<mount_rig*>(done.owner)->mount.msgmem_release(&done);
            },
            &e);
        p->owner = &rig;
        rig.mount.enqueue(*p, {});
    });
    auto t = server->take(0);
    ASSERT_TRUE(t);
    EXPECT_EQ(e.count, 0);
    t->request.head.rv = EROFS;
    server->reply(*t, 0, t->request, {});
    EXPECT_EQ(e.count, 1);
    EXPECT_EQ(e.rv, EROFS);
}

// spec: U13
TEST_P(transports, the_death_of_the_server_ends_what_waits_for_it) {
    int rv = -1;
    rig.on([&] {
        park* p = rig.make();
        rig.mount.enqueue(*p, {});
        rv = rig.mount.wait(*p);
        rig.mount.msgmem_release(p);
    });
    auto t = server->take(0);
    ASSERT_TRUE(t);
    rig.on([&] { rig.mount.userdead(); });
    EXPECT_EQ(rv, ENXIO);
    server->reply(*t, 0, t->request, {});
}

} // namespace
} // namespace puffs::test
