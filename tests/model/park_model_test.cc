// Every order of what caller, server, transport and killer can do to one park, on the real code: the exploration of
// models/park_explore.py. On a core that owns its parks a step is one section of the protocol; what remains to vary is
// their order, whether a signal falls before or after a completion that the waiter has not noticed yet, and the cores
// from which reply and death come.
#include "support/msgif/mount_rig.hh"

#include <csignal>

namespace puffs::test {
namespace {

enum class kind : std::uint8_t { wait, faf, call };

enum class act : std::uint8_t {
    enqueue,
    enter_wait,
    signal,
    release,
    getout,
    release_ok,
    release_err,
    reply,
    reply_long,
    reply_then_signal, // before the waiter runs
    signal_then_reply,
    userdead,
    userdead_then_signal,
};
constexpr int acts = static_cast<int>(act::userdead_then_signal) + 1;

struct set_up {
    kind k;
    core_id server;
    core_id killer;
};

// One run of the park along a path.
class run {
  public:
    explicit run(const set_up& s) : s_(s), rig_(2), server_(rig_) {
        rig_.on([&] {
            p_ = rig_.make();
            if (s_.k == kind::faf) p_->setfaf();
            if (s_.k == kind::call) {
                p_->setcall(
                    [](park&, int rv, void* arg) {
                        ++static_cast<run*>(arg)->calls_;
                        static_cast<run*>(arg)->call_rv_ = rv;
                    },
                    this);
            }
            p_->owner = this;
            p_->set_release_hook([](park& gone) { ++static_cast<run*>(gone.owner)->freed_; });
        });
    }

    [[nodiscard]] bool enabled(act a) const {
        const bool can_reply = sent_ && frame_ == nullptr && s_.k != kind::faf && replies_ < 2;
        switch (a) {
        case act::enqueue:
            return !enqueued_;
        case act::enter_wait:
            return enqueued_ && !entered_ && !released_;
        case act::signal:
            return asleep() && !signalled_;
        case act::release:
            return enqueued_ && !asleep() && !released_ && (entered_ || s_.k == kind::call);
        case act::getout:
            return enqueued_ && !sent_ && !went_home_;
        case act::release_ok:
        case act::release_err:
            return frame_ != nullptr;
        case act::reply:
        case act::reply_long:
            return can_reply;
        case act::reply_then_signal:
        case act::signal_then_reply:
            return can_reply && asleep() && !signalled_;
        case act::userdead:
            return !dead_;
        case act::userdead_then_signal:
            return !dead_ && asleep() && !signalled_;
        }
        return false;
    }

    void take(act a) {
        foretell(a);
        switch (a) {
        case act::enqueue:
            enqueued_ = true;
            rig_.on([&] {
                rig_.mount.enqueue(*p_, {});
                question_ = p_->req();
            });
            break;
        case act::enter_wait:
            entered_ = true;
            rig_.on([&] {
                waiter_ = &lwkt::thread::current();
                rv_ = rig_.mount.wait(*p_);
                returned_ = true;
            });
            break;
        case act::signal:
            post_signal();
            rig_.machine.settle();
            break;
        case act::release:
            released_ = true;
            rig_.on([&] { rig_.mount.msgmem_release(p_); });
            break;
        case act::getout:
            rig_.on([&] {
                auto f = rig_.mount.getout(1 << 20, true);
                if (f) {
                    sent_ = true;
                    frame_ = f->handle;
                } else {
                    went_home_ = true;
                }
            });
            break;
        case act::release_ok:
        case act::release_err:
            rig_.on([&] {
                rig_.mount.releaseout(*std::exchange(frame_, nullptr),
                                      a == act::release_ok ? 0 : EPIPE);
            });
            break;
        case act::reply:
        case act::reply_long:
        case act::reply_then_signal:
        case act::signal_then_reply:
            ++replies_;
            rig_.on(s_.server, [&] {
                const std::array<std::byte, 8> more{};
                const std::size_t extra = a == act::reply_long ? more.size() : 0;
                msg::request r = question_;
                r.head.rv = ENOTDIR;
                if (a == act::signal_then_reply) post_signal();
                rig_.mount.dispatch(r, std::span(more).first(extra), sizeof r + extra);
                if (a == act::reply_then_signal) post_signal();
            });
            break;
        case act::userdead:
        case act::userdead_then_signal:
            dead_ = true;
            rig_.on(s_.killer, [&] {
                rig_.mount.userdead();
                if (a == act::userdead_then_signal) post_signal();
            });
            break;
        }
        look();
    }

    // Whatever was left undone is done; then nothing may be left.
    void finish() {
        if (!dead_) take(act::userdead);
        if (frame_ != nullptr) take(act::release_ok);
        EXPECT_FALSE(asleep()) << "a caller sleeps for ever";
        if (!released_) take(act::release);
        EXPECT_EQ(freed_, 1);
        EXPECT_EQ(rig_.mount.totalpark(), 0U);
        EXPECT_EQ(calls_, s_.k == kind::call && enqueued_ ? 1 : 0);
        if (calls_ != 0) {
            EXPECT_EQ(call_rv_, right_rv_);
        }
        if (!returned_) return;
        // Only who waits is told by wait(); the others if it failed before it was queued, a CALL also when it is over.
        EXPECT_EQ(rv_, s_.k == kind::wait || failed_early_ ? right_rv_ : right_rv_at_wait_);
    }

  private:
    enum class place : std::uint8_t { elsewhere, q1, taken, q2 };

    // What the action must come to, by the table of park.hh: the first end counts, and nobody tells one who has left.
    void foretell(act a) {
        switch (a) {
        case act::enqueue:
            failed_early_ = dead_;
            if (dead_) {
                end(ENXIO);
            } else {
                at_ = place::q1;
            }
            break;
        case act::enter_wait:
            right_rv_at_wait_ = s_.k == kind::faf ? 0 : right_rv_;
            break;
        case act::signal:
            leave();
            break;
        case act::getout:
            if (at_ == place::q1 && !dead_) at_ = place::taken;
            break;
        case act::release_ok:
            if (dead_ || s_.k == kind::faf) {
                end(ENXIO);
            } else {
                at_ = place::q2;
            }
            break;
        case act::release_err:
            end(EPIPE);
            break;
        case act::reply:
        case act::reply_then_signal: // which comes too late
        case act::signal_then_reply: // the waiter finds both when it runs
            if (at_ == place::q2) end(ENOTDIR);
            break;
        case act::reply_long:
            if (at_ == place::q2) end(EPROTO);
            break;
        case act::userdead:
        case act::userdead_then_signal:
            if (at_ == place::q1 || at_ == place::q2) end(ENXIO);
            if (a == act::userdead_then_signal) leave();
            break;
        case act::release:
            break;
        }
    }
    void end(int rv) {
        at_ = place::elsewhere;
        if (!over_) right_rv_ = rv;
        over_ = true;
    }
    // The caller, by a signal, unless it was told already.
    void leave() {
        if (over_) return;
        over_ = true;
        right_rv_ = EINTR;
        if (at_ == place::q1) at_ = place::elsewhere;
    }

    [[nodiscard]] bool asleep() const { return waiter_ != nullptr && !returned_; }
    void post_signal() {
        signalled_ = true;
        waiter_->post_signal(SIGINT);
    }
    // V12, V17, and who may hold a reference.
    void look() const {
        EXPECT_LE(calls_, 1);
        EXPECT_EQ(rig_.mount.status(),
                  dead_ ? kmod::mount_status::dying : kmod::mount_status::running);
        if (freed_ != 0) {
            EXPECT_EQ(freed_, 1);
            EXPECT_TRUE(released_) << "freed while the caller holds it";
            EXPECT_EQ(frame_, nullptr) << "freed while the transport holds it";
            return;
        }
        const bool q1 = (p_->flags() & kmod::park_onqueue1) != 0;
        const bool q2 = (p_->flags() & kmod::park_onqueue2) != 0;
        const bool taken = frame_ != nullptr;
        EXPECT_EQ(q1, at_ == place::q1);
        EXPECT_EQ(q2, at_ == place::q2);
        EXPECT_EQ(taken, at_ == place::taken);
        EXPECT_FALSE(dead_ && (q1 || q2));
        const unsigned expected =
            (released_ ? 0U : 1U) + (q1 || q2 || taken ? 1U : 0U) + (taken ? 1U : 0U);
        EXPECT_EQ(p_->references(), expected);
        EXPECT_FALSE((p_->flags() & kmod::park_done) != 0 && (q1 || q2 || taken));
    }

    const set_up s_;
    mount_rig rig_; // two cores; the park lives on 0
    frame_server server_;
    park* p_ = nullptr;
    lwkt::thread* waiter_ = nullptr;
    msg::delivery* frame_ = nullptr;
    msg::request question_;
    bool enqueued_ = false, entered_ = false, returned_ = false, released_ = false;
    bool signalled_ = false, sent_ = false, went_home_ = false, dead_ = false;
    int rv_ = -1, call_rv_ = -1, calls_ = 0, freed_ = 0, replies_ = 0;
    // foretold
    place at_ = place::elsewhere;
    bool over_ = false, failed_early_ = false;
    int right_rv_ = 0, right_rv_at_wait_ = 0;
};

std::string text_of(const std::vector<act>& path) {
    std::string s;
    for (const act a : path)
        s += std::to_string(static_cast<int>(a)) + ' ';
    return s;
}

class park_model : public testing::TestWithParam<set_up> {
  protected:
    // Runs `path` from the start, then everything that can follow it.
    void explore(std::vector<act>& path) {
        std::vector<act> next;
        {
            SCOPED_TRACE(text_of(path));
            run r(GetParam());
            for (const act a : path)
                r.take(a);
            for (int i = 0; i < acts; ++i) {
                if (r.enabled(static_cast<act>(i))) next.push_back(static_cast<act>(i));
            }
            r.finish();
            ++runs;
        }
        for (const act a : next) {
            if (testing::Test::HasFailure()) return; // the first path says it
            path.push_back(a);
            explore(path);
            path.pop_back();
        }
    }
    unsigned runs = 0;
};
INSTANTIATE_TEST_SUITE_P(all, park_model,
                         testing::Values(set_up{kind::wait, 0, 0}, set_up{kind::wait, 1, 1},
                                         set_up{kind::wait, 1, 0}, set_up{kind::faf, 0, 0},
                                         set_up{kind::faf, 0, 1}, set_up{kind::call, 0, 0},
                                         set_up{kind::call, 1, 1}, set_up{kind::call, 0, 1}));

// spec: V12 V14 V15 V17 B27 B28 B29 B30 B31 F13 F24 F25 F26 F31 F39 F40 U13
TEST_P(park_model, no_order_of_events_leaks_wakes_nobody_or_calls_back_twice) {
    std::vector<act> path;
    explore(path);
    EXPECT_GT(runs, 100U);
    RecordProperty("runs", static_cast<int>(runs));
}

} // namespace
} // namespace puffs::test
