// The table of section 4.1, cell by cell: a park is brought into a state, one thing happens, and everything about it is
// looked at.
#include "support/msgif/mount_rig.hh"

#include <csignal>

namespace puffs::test {
namespace {

enum class kind : std::uint8_t { wait, faf, call };

enum class step : std::uint8_t {
    enqueue,
    enqueue_signalled, // with SIGINT pending
    as_inactive,       // the operation becomes one that must be sent (F18)
    enter_wait,
    signal, // to the one who waits
    getout,
    release_ok,
    release_err, // EPIPE
    reply,       // ENOTDIR
    reply_long,
    userdead,
    caller_release,
    reset_id,
};

// One park, its caller, its server, its killer.
class subject {
  public:
    explicit subject(kind k) : kind_(k) {
        rig.on([&] {
            p = rig.make();
            if (kind_ == kind::faf) p->setfaf();
            if (kind_ == kind::call) {
                p->setcall(
                    [](park&, int rv, void* arg) {
                        auto& s = *static_cast<subject*>(arg);
                        ++s.calls;
                        s.call_rv = rv;
                    },
                    this);
            }
            p->owner = this;
            p->set_release_hook(
                [](park& gone) { static_cast<subject*>(gone.owner)->freed = true; });
        });
    }
    ~subject() {
        take(step::userdead);
        if (frame != nullptr) take(step::release_ok);
        if (!released && !asleep()) take(step::caller_release);
        EXPECT_TRUE(freed);
    }
    subject(const subject&) = delete;
    subject& operator=(const subject&) = delete;

    [[nodiscard]] bool asleep() const { return waiter != nullptr && wait_rv == -1; }

    void take(step s) {
        switch (s) {
        case step::enqueue:
            rig.on([&] {
                rig.mount.enqueue(*p, {});
                sent = p->req();
            });
            return;
        case step::enqueue_signalled:
            rig.on([&] {
                lwkt::thread::current().post_signal(SIGINT);
                rig.mount.enqueue(*p, {});
            });
            return;
        case step::as_inactive:
            p->setinfo(opclass::vn, static_cast<std::uint32_t>(vn_op::inactive), cookie::root);
            return;
        case step::enter_wait:
            wait_rv = -1;
            waiter = nullptr;
            rig.on([&] {
                waiter = &lwkt::thread::current();
                wait_rv = rig.mount.wait(*p);
            });
            return;
        case step::signal:
            waiter->post_signal(SIGINT);
            rig.machine.settle();
            return;
        case step::getout:
            rig.on([&] {
                auto f = rig.mount.getout(1 << 20, true);
                ASSERT_TRUE(f);
                frame = f->handle;
            });
            return;
        case step::release_ok:
        case step::release_err:
            rig.on([&] {
                rig.mount.releaseout(*std::exchange(frame, nullptr),
                                     s == step::release_ok ? 0 : EPIPE);
            });
            return;
        case step::reply:
        case step::reply_long:
            rig.on([&] {
                msg::request r = sent;
                r.head.rv = ENOTDIR;
                r.args.fsync.handle = 77; // shows whether the reply was copied
                const std::array<std::byte, 4> more{};
                const bool too_long = s == step::reply_long;
                rig.mount.dispatch(r, std::span(more).first(too_long ? 4 : 0),
                                   sizeof r + (too_long ? 4 : 0));
            });
            return;
        case step::userdead:
            rig.on([&] { rig.mount.userdead(); });
            return;
        case step::caller_release:
            rig.on([&] { rig.mount.msgmem_release(p); });
            released = true;
            return;
        case step::reset_id:
            p->req().head.id = 0;
            return;
        }
    }

    // "Q1 wait+W refs 2 count 1 asleep" and the like: everything that can be seen.
    [[nodiscard]] std::string look() {
        std::string all;
        if (freed) {
            all = "X";
        } else {
            const std::uint32_t f = p->flags();
            EXPECT_FALSE((f & kmod::park_onqueue1) != 0 && (f & kmod::park_onqueue2) != 0); // V12
            all = (f & kmod::park_onqueue1) != 0   ? "Q1"
                  : (f & kmod::park_onqueue2) != 0 ? "Q2"
                  : frame != nullptr               ? "T"
                  : (f & kmod::park_done) != 0     ? "D"
                  : (f & kmod::park_haserror) != 0 ? "E"
                                                   : "N";
            if ((f & kmod::park_waitergone) != 0) all += "+W";
            if ((f & kmod::park_haserror) != 0 && all != "E") all += "+HASERROR";
            all += " refs " + std::to_string(p->references());
            if (p->req().args.fsync.handle == 77) all += " copied";
        }
        rig.on([&] { all += " count " + std::to_string(rig.mount.waitcount()); });
        if (waiter != nullptr) {
            all += asleep() ? " asleep" : " rv " + std::to_string(wait_rv);
        }
        if (calls != 0)
            all += " called " + std::to_string(calls) + " with " + std::to_string(call_rv);
        if (rig.mount.counters_of(0).unknown_ids != 0) all += " not found";
        if (rig.mount.counters_of(0).refused_replies != 0) all += " refused";
        return all;
    }

    mount_rig rig;
    frame_server server{rig};
    park* p = nullptr;
    bool freed = false;
    bool released = false;
    lwkt::thread* waiter = nullptr;
    int wait_rv = -1;
    int calls = 0;
    int call_rv = -1;
    msg::delivery* frame = nullptr;
    msg::request sent;

  private:
    const kind kind_;
};

struct cell {
    const char* state;
    kind k;
    std::vector<step> before;
    step event;
    std::string after;
};

using enum step;
using steps = std::vector<step>;

steps then(steps a, std::initializer_list<step> b) {
    a.insert(a.end(), b);
    return a;
}

const steps q1_sleeping = {enqueue, enter_wait};
const steps t_sleeping = {enqueue, enter_wait, getout};
const steps q2_sleeping = {enqueue, enter_wait, getout, release_ok};
const steps q2_gone = {enqueue, enter_wait, getout, release_ok, signal};
const steps q1 = {enqueue};
const steps t = {enqueue, getout};
const steps q2 = {enqueue, getout, release_ok};
const steps e_signal = {enqueue_signalled};
const steps e_dead = {userdead, enqueue};
const steps faf_by_signal = {as_inactive, enqueue_signalled};
const steps d = {enqueue, getout, release_ok, step::reply};

std::string number(int n) {
    return std::to_string(n);
}
const std::string enxio = number(ENXIO);
const std::string eintr = number(EINTR);
const std::string epipe = number(EPIPE);
const std::string eproto = number(EPROTO);
const std::string enotdir = number(ENOTDIR);

const cell table[] = {
    // N
    {"N wait", kind::wait, {}, enqueue, "Q1 refs 2 count 1"},
    {"N wait, mount dying", kind::wait, {userdead}, enqueue, "E refs 1 count 0"},
    {"N wait, signal pending", kind::wait, {}, enqueue_signalled, "E refs 1 count 0"},
    {"N wait, signal pending, inactive",
     kind::wait,
     {as_inactive},
     enqueue_signalled,
     "Q1+HASERROR refs 2 count 1"},
    {"N wait", kind::wait, {}, caller_release, "X count 0"},
    {"N faf", kind::faf, {}, enqueue, "Q1 refs 2 count 1"},
    {"N faf, mount dying", kind::faf, {userdead}, enqueue, "E refs 1 count 0"},
    {"N faf, signal pending", kind::faf, {}, enqueue_signalled, "Q1 refs 2 count 1"},
    {"N faf", kind::faf, {}, caller_release, "X count 0"},
    {"N call", kind::call, {}, enqueue, "Q1 refs 2 count 1"},
    {"N call, mount dying",
     kind::call,
     {userdead},
     enqueue,
     "E refs 1 count 0 called 1 with " + enxio},
    {"N call, signal pending", kind::call, {}, enqueue_signalled, "Q1 refs 2 count 1"},
    {"N call", kind::call, {}, caller_release, "X count 0"},
    // E
    {"E", kind::wait, e_signal, enqueue, "Q1 refs 2 count 1"},
    {"E", kind::wait, e_signal, enter_wait, "E refs 1 count 0 rv " + eintr},
    {"E", kind::wait, e_dead, enter_wait, "E refs 1 count 0 rv " + enxio},
    {"E", kind::wait, e_signal, userdead, "E refs 1 count 0"},
    {"E", kind::wait, e_signal, caller_release, "X count 0"},
    {"E call", kind::call, e_dead, enqueue, "E refs 1 count 0 called 2 with " + enxio},
    {"E call", kind::call, e_dead, caller_release, "X count 0 called 1 with " + enxio},
    // Q1
    {"Q1 wait", kind::wait, q1, enter_wait, "Q1 refs 2 count 1 asleep"},
    {"Q1 wait", kind::wait, q1_sleeping, signal, "N+W refs 1 count 0 rv " + eintr},
    {"Q1 wait", kind::wait, q1_sleeping, getout, "T refs 3 count 0 asleep"},
    {"Q1 wait", kind::wait, q1_sleeping, step::reply, "Q1 refs 2 count 1 asleep not found"},
    {"Q1 wait", kind::wait, q1_sleeping, reply_long, "Q1 refs 2 count 1 asleep not found"},
    {"Q1 wait", kind::wait, q1_sleeping, userdead, "D refs 1 count 0 rv " + enxio},
    {"Q1 wait, caller not asleep yet", kind::wait, then(q1, {userdead}), enter_wait,
     "D refs 1 count 0 rv " + enxio},
    {"Q1 faf", kind::faf, q1, enter_wait, "Q1 refs 2 count 1 rv 0"},
    {"Q1 faf", kind::faf, q1, getout, "T refs 3 count 0"},
    {"Q1 faf", kind::faf, q1, userdead, "N refs 1 count 0"},
    {"Q1 faf", kind::faf, q1, caller_release, "Q1 refs 1 count 1"},
    {"Q1 faf, caller gone", kind::faf, then(q1, {caller_release}), userdead, "X count 0"},
    {"Q1 call", kind::call, q1, enter_wait, "Q1 refs 2 count 1 rv 0"},
    {"Q1 call", kind::call, q1, getout, "T refs 3 count 0"},
    {"Q1 call", kind::call, q1, userdead, "D refs 1 count 0 called 1 with " + enxio},
    {"Q1 call", kind::call, q1, caller_release, "Q1 refs 1 count 1"},
    {"Q1 call, caller gone", kind::call, then(q1, {caller_release}), userdead,
     "X count 0 called 1 with " + enxio},
    {"Q1 faf by signal", kind::wait, faf_by_signal, enter_wait,
     "Q1+HASERROR refs 2 count 1 rv " + eintr},
    {"Q1 faf by signal", kind::wait, faf_by_signal, getout, "T+HASERROR refs 3 count 0"},
    {"Q1 faf by signal", kind::wait, faf_by_signal, userdead, "E refs 1 count 0"},
    {"Q1 faf by signal", kind::wait, faf_by_signal, caller_release, "Q1+HASERROR refs 1 count 1"},
    // T
    {"T wait", kind::wait, t, enter_wait, "T refs 3 count 0 asleep"},
    {"T wait", kind::wait, t_sleeping, signal, "T+W refs 3 count 0 rv " + eintr},
    {"T wait+W", kind::wait, then(t_sleeping, {signal}), release_ok,
     "Q2+W refs 2 count 0 rv " + eintr},
    {"T wait+W", kind::wait, then(t_sleeping, {signal, caller_release}), release_err,
     "X count 0 rv " + eintr},
    {"T wait+W, mount dying", kind::wait, then(t_sleeping, {signal, userdead}), release_ok,
     "N+W refs 1 count 0 rv " + eintr},
    {"T wait", kind::wait, t_sleeping, release_ok, "Q2 refs 2 count 0 asleep"},
    {"T wait, mount dying", kind::wait, then(t_sleeping, {userdead}), release_ok,
     "D refs 1 count 0 rv " + enxio},
    {"T wait", kind::wait, t_sleeping, release_err, "D refs 1 count 0 rv " + epipe},
    {"T wait", kind::wait, t_sleeping, step::reply, "T refs 3 count 0 asleep not found"},
    {"T wait", kind::wait, t_sleeping, reply_long, "T refs 3 count 0 asleep not found"},
    {"T wait", kind::wait, t_sleeping, userdead, "T refs 3 count 0 asleep"},
    {"T faf", kind::faf, t, enter_wait, "T refs 3 count 0 rv 0"},
    {"T faf", kind::faf, t, release_ok, "N refs 1 count 0"},
    {"T faf, caller gone", kind::faf, then(t, {caller_release}), release_ok, "X count 0"},
    {"T faf", kind::faf, t, release_err, "N refs 1 count 0"},
    {"T faf", kind::faf, t, userdead, "T refs 3 count 0"},
    {"T faf, mount dying", kind::faf, then(t, {userdead}), release_ok, "N refs 1 count 0"},
    {"T faf", kind::faf, t, caller_release, "T refs 2 count 0"},
    {"T call", kind::call, t, enter_wait, "T refs 3 count 0 rv 0"},
    {"T call", kind::call, t, release_ok, "Q2 refs 2 count 0"},
    {"T call, mount dying", kind::call, then(t, {userdead}), release_ok,
     "D refs 1 count 0 called 1 with " + enxio},
    {"T call", kind::call, t, release_err, "D refs 1 count 0 called 1 with " + epipe},
    {"T call", kind::call, t, step::reply, "T refs 3 count 0 not found"},
    {"T call", kind::call, t, userdead, "T refs 3 count 0"},
    // Q2
    {"Q2 wait", kind::wait, q2, enter_wait, "Q2 refs 2 count 0 asleep"},
    {"Q2 wait", kind::wait, q2_sleeping, signal, "Q2+W refs 2 count 0 rv " + eintr},
    {"Q2 wait", kind::wait, q2_sleeping, step::reply, "D refs 1 copied count 0 rv " + enotdir},
    {"Q2 wait", kind::wait, q2_sleeping, reply_long, "D refs 1 count 0 rv " + eproto + " refused"},
    {"Q2 wait", kind::wait, q2_sleeping, userdead, "D refs 1 count 0 rv " + enxio},
    {"Q2 wait+W", kind::wait, q2_gone, step::reply, "N+W refs 1 count 0 rv " + eintr},
    {"Q2 wait+W", kind::wait, q2_gone, reply_long, "N+W refs 1 count 0 rv " + eintr},
    {"Q2 wait+W", kind::wait, q2_gone, userdead, "N+W refs 1 count 0 rv " + eintr},
    {"Q2 wait+W", kind::wait, q2_gone, caller_release, "Q2+W refs 1 count 0 rv " + eintr},
    {"Q2 wait+W, caller gone", kind::wait, then(q2_gone, {caller_release}), step::reply,
     "X count 0 rv " + eintr},
    {"Q2 call", kind::call, q2, enter_wait, "Q2 refs 2 count 0 rv 0"},
    {"Q2 call", kind::call, q2, step::reply, "D refs 1 copied count 0 called 1 with " + enotdir},
    {"Q2 call", kind::call, q2, reply_long,
     "D refs 1 count 0 called 1 with " + eproto + " refused"},
    {"Q2 call", kind::call, q2, userdead, "D refs 1 count 0 called 1 with " + enxio},
    {"Q2 call, caller gone", kind::call, then(q2, {caller_release}), step::reply,
     "X count 0 called 1 with " + enotdir},
    // D
    {"D", kind::wait, then(d, {reset_id}), enqueue, "Q1 refs 2 copied count 1"},
    {"D", kind::wait, d, enter_wait, "D refs 1 copied count 0 rv " + enotdir},
    {"D", kind::wait, d, step::reply, "D refs 1 copied count 0 not found"},
    {"D", kind::wait, d, reply_long, "D refs 1 copied count 0 not found"},
    {"D", kind::wait, d, userdead, "D refs 1 copied count 0"},
    {"D", kind::wait, d, caller_release, "X count 0"},
};

// spec: F5 F6 F13 F15 F19 F22 F24 F25 F26 F31 F39 F40 U13 V12 V13 V14 V15 B27 B28 B29 B30 B31 B32
TEST(park_table, each_cell) {
    for (const cell& c : table) {
        SCOPED_TRACE(c.state);
        SCOPED_TRACE(static_cast<int>(c.event));
        subject s(c.k);
        for (const step b : c.before)
            s.take(b);
        s.take(c.event);
        EXPECT_EQ(s.look(), c.after);
    }
}

// The cells that say "panic": whatever is in flight is not enqueued again.
// spec: F16
TEST(park_table_death, enqueue_in_flight) {
    const struct {
        kind k;
        steps before;
    } in_flight[] = {
        {kind::wait, q1},      {kind::faf, q1},  {kind::call, q1}, {kind::wait, faf_by_signal},
        {kind::wait, t},       {kind::faf, t},   {kind::call, t},  {kind::wait, q2},
        {kind::wait, q2_gone}, {kind::call, q2},
    };
    for (const auto& state : in_flight) {
        subject s(state.k);
        for (const step b : state.before)
            s.take(b);
        s.take(reset_id);
        EXPECT_DEATH(s.take(enqueue), "in flight");
    }
}

// spec: F16
TEST(park_table_death, enqueue_after_its_waiter_left) {
    subject s(kind::wait);
    for (const step b : q1_sleeping)
        s.take(b);
    s.take(signal);
    s.take(reset_id);
    EXPECT_DEATH(s.take(enqueue), "after its waiter left");
}

} // namespace
} // namespace puffs::test
