#include "daemon/mount_table.hh"
#include "daemon/mountpoint.hh"
#include "daemon/owned_fd.hh"
#include "support/temp_dir.hh"
#include "unit/daemon/run_coroutine.hh"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

namespace puffs::daemon {
namespace {

using std::chrono::milliseconds;

class mounts : public testing::Test {
  public:
    ~mounts() override {
        test::run(context_, table_.stop_all());
        EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a child is left";
        EXPECT_EQ(errno, ECHILD);
    }

  protected:
    explicit mounts(supervision common = {.server_dirs = {},
                                          .start_timeout = milliseconds(10'000),
                                          .stop_timeout = milliseconds(10'000),
                                          .restart_pause = milliseconds(1)})
        : table_(context_, std::move(common)) {}

    mount_spec spec(const std::string& how, const std::string& where = "mnt") {
        return {.server = PUFFS_FAKE_SERVER, .source = how, .mountpoint = tmp_.directory(where)};
    }
    outcome<mount_status> mount(const mount_spec& wanted) {
        return test::run(context_, table_.mount(wanted));
    }
    // As puffsd does with its file: whatever comes of it stays in the table.
    void start(const mount_spec& wanted) { test::run(context_, table_.start_all({wanted})); }
    outcome<void> umount(const std::string& mountpoint) {
        return test::run(context_, table_.umount(mountpoint));
    }
    // Runs until the only mount is in this state.
    mount_status wait_for(mount_state state) {
        test::run_until(context_, [&] {
            const auto all = table_.list();
            return all.size() == 1 && all[0].state == state;
        });
        return table_.list().at(0);
    }

    boost::asio::io_context context_{1};
    puffs::test::temp_dir tmp_;
    mount_table table_;
};

// With timeouts short enough to be waited for.
class impatient_mounts : public mounts {
  protected:
    impatient_mounts()
        : mounts({.server_dirs = {},
                  .start_timeout = milliseconds(300),
                  .stop_timeout = milliseconds(300),
                  .restart_pause = milliseconds(1)}) {}
};

TEST_F(mounts, ready_server_runs_until_it_is_unmounted) {
    const auto wanted = spec("serve");
    const auto mounted = mount(wanted);
    ASSERT_TRUE(mounted) << mounted.error().message;
    EXPECT_EQ(mounted->state, mount_state::running);
    EXPECT_EQ(mounted->spec, wanted);
    ASSERT_TRUE(mounted->pid);
    EXPECT_EQ(::kill(*mounted->pid, 0), 0);
    EXPECT_EQ(table_.list().size(), 1U);
    const auto unmounted = umount(wanted.mountpoint);
    EXPECT_TRUE(unmounted) << unmounted.error().message;
    EXPECT_TRUE(table_.list().empty());
    EXPECT_EQ(::kill(*mounted->pid, 0), -1);
}

TEST_F(mounts, server_that_refuses_says_why) {
    const auto mounted = mount(spec("refuse"));
    ASSERT_FALSE(mounted);
    EXPECT_EQ(mounted.error(), (failure{failure_code::start_failed, "the moon is full"}));
    EXPECT_TRUE(table_.list().empty()) << "a mount request that failed leaves no entry";
}

TEST_F(mounts, server_that_dies_at_once_is_quoted) {
    const auto mounted = mount(spec("die"));
    ASSERT_FALSE(mounted);
    EXPECT_EQ(mounted.error().code, failure_code::start_failed);
    EXPECT_EQ(mounted.error().message, "exit status 3 before it was ready: cannot open the box");
}

TEST_F(mounts, server_that_garbles_its_answer_is_stopped) {
    const auto mounted = mount(spec("garble"));
    ASSERT_FALSE(mounted);
    EXPECT_EQ(mounted.error(), (failure{failure_code::start_failed, "answered 'hello?'"}));
}

TEST_F(impatient_mounts, server_that_never_answers_is_killed) {
    const auto mounted = mount(spec("never"));
    ASSERT_FALSE(mounted);
    EXPECT_EQ(mounted.error(), (failure{failure_code::start_timeout, "not ready within 300 ms"}));
}

TEST_F(mounts, server_that_closes_its_ready_descriptor_is_not_waited_for) {
    const auto begin = std::chrono::steady_clock::now();
    const auto mounted = mount(spec("close"));
    ASSERT_FALSE(mounted);
    EXPECT_EQ(mounted.error().code, failure_code::start_timeout);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(9'000));
}

TEST_F(mounts, server_that_dies_at_once_when_ready_is_told_or_shown) {
    const auto mounted = mount(spec("die-later"));
    if (!mounted) {
        EXPECT_EQ(mounted.error().code, failure_code::died);
        EXPECT_TRUE(table_.list().empty());
    } else {
        wait_for(mount_state::failed);
    }
}

TEST_F(mounts, unknown_server_is_an_error) {
    auto wanted = spec("serve");
    wanted.server = "no-such-fs";
    const auto mounted = mount(wanted);
    ASSERT_FALSE(mounted);
    EXPECT_EQ(mounted.error().code, failure_code::no_such_server);
    EXPECT_TRUE(table_.list().empty());
}

TEST_F(mounts, server_that_dies_later_is_reported_until_it_is_unmounted) {
    const auto wanted = spec("die-later");
    start(wanted);
    const auto status = wait_for(mount_state::failed);
    EXPECT_EQ(status.failed, (failure{failure_code::died, "killed by signal 11 (SEGV)"}));
    EXPECT_EQ(status.last_exit, (exit_status{.by_signal = true, .number = SIGSEGV}));
    EXPECT_FALSE(status.pid);
    EXPECT_LT(std::chrono::system_clock::now() - status.since, test::patience);
    EXPECT_TRUE(umount(wanted.mountpoint));
    EXPECT_TRUE(table_.list().empty());
}

TEST_F(mounts, server_that_panics_later_is_quoted) {
    start(spec("panic"));
    EXPECT_EQ(wait_for(mount_state::failed).failed,
              (failure{failure_code::died, "killed by signal 6 (ABRT): panic: no more"}));
}

TEST_F(mounts, failed_mount_can_be_mounted_again) {
    start(spec("die-later"));
    wait_for(mount_state::failed);
    const auto again = mount(spec("serve"));
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(table_.list().at(0).state, mount_state::running);
}

TEST_F(mounts, server_that_exits_0_was_unmounted_from_outside) {
    start(spec("exit-later"));
    const auto status = wait_for(mount_state::stopped);
    EXPECT_FALSE(status.failed);
    EXPECT_EQ(status.last_exit, (exit_status{.by_signal = false, .number = 0}));
}

TEST_F(impatient_mounts, server_that_ignores_sigterm_is_killed) {
    const auto wanted = spec("stubborn");
    const auto mounted = mount(wanted);
    ASSERT_TRUE(mounted);
    EXPECT_TRUE(umount(wanted.mountpoint));
    EXPECT_EQ(::kill(*mounted->pid, 0), -1);
}

TEST_F(mounts, hurry_kills_a_stubborn_server_before_its_time) {
    ASSERT_TRUE(mount(spec("stubborn")));
    const auto begin = std::chrono::steady_clock::now();
    bool over = false;
    boost::asio::co_spawn(context_, table_.stop_all(),
                          [&](const std::exception_ptr&) { over = true; });
    wait_for(mount_state::stopping);
    table_.hurry();
    test::run_until(context_, [&] { return over; });
    EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(9'000));
    EXPECT_EQ(table_.list().at(0).state, mount_state::stopped);
}

TEST_F(mounts, children_of_a_server_go_with_it) {
    const auto wanted = spec("family");
    ASSERT_TRUE(mount(wanted));
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_TRUE(umount(wanted.mountpoint));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(9'000))
        << "waited for the child that holds the output open";
}

TEST_F(mounts, umount_while_starting_ends_both_requests) {
    const auto wanted = spec("never");
    std::optional<outcome<mount_status>> mounted;
    boost::asio::co_spawn(context_, table_.mount(wanted),
                          [&](const std::exception_ptr&, outcome<mount_status> result) {
                              mounted = std::move(result);
                          });
    wait_for(mount_state::starting);
    EXPECT_TRUE(umount(wanted.mountpoint));
    test::run_until(context_, [&] { return mounted.has_value(); });
    ASSERT_FALSE(*mounted);
    EXPECT_EQ(mounted->error().code, failure_code::start_failed);
    EXPECT_TRUE(table_.list().empty());
}

TEST_F(mounts, two_umounts_at_once_both_succeed) {
    const auto wanted = spec("serve");
    ASSERT_TRUE(mount(wanted));
    std::optional<outcome<void>> first;
    boost::asio::co_spawn(context_, table_.umount(wanted.mountpoint),
                          [&](const std::exception_ptr&, outcome<void> result) { first = result; });
    EXPECT_TRUE(umount(wanted.mountpoint));
    test::run_until(context_, [&] { return first.has_value(); });
    EXPECT_TRUE(*first);
}

TEST_F(mounts, mount_point_is_served_once) {
    const auto wanted = spec("serve");
    ASSERT_TRUE(mount(wanted));
    const auto second = mount(wanted);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, failure_code::exists);
    EXPECT_EQ(table_.list().at(0).state, mount_state::running);
}

TEST_F(mounts, nothing_is_unmounted_where_nothing_was_mounted) {
    const auto unmounted = umount("/nowhere");
    ASSERT_FALSE(unmounted);
    EXPECT_EQ(unmounted.error().code, failure_code::no_such_mount);
}

TEST_F(mounts, bad_spec_is_refused) {
    auto wanted = spec("serve");
    wanted.mountpoint = "relative";
    const auto mounted = mount(wanted);
    ASSERT_FALSE(mounted);
    EXPECT_EQ(mounted.error().code, failure_code::bad_request);
}

TEST_F(mounts, table_has_a_limit) {
    std::vector<mount_spec> specs;
    for (int i = 0; i < 256; ++i) {
        specs.push_back({.server = "no-such-fs", .mountpoint = "/nowhere/" + std::to_string(i)});
    }
    test::run(context_, table_.start_all(specs));
    EXPECT_EQ(table_.list().size(), 256U) << "a mount of the file that fails stays to be seen";
    const auto one_more = mount(spec("serve"));
    ASSERT_FALSE(one_more);
    EXPECT_EQ(one_more.error().code, failure_code::too_many);
    EXPECT_TRUE(umount("/nowhere/7"));
    EXPECT_TRUE(mount(spec("serve")));
}

TEST_F(mounts, dead_server_is_restarted_when_it_shall_be) {
    auto wanted = spec("serve");
    wanted.restart = "on-failure";
    const auto mounted = mount(wanted);
    ASSERT_TRUE(mounted);
    ::kill(*mounted->pid, SIGKILL);
    test::run_until(context_, [&] {
        const auto status = table_.list().at(0);
        return status.state == mount_state::running && status.pid != mounted->pid;
    });
    const auto status = table_.list().at(0);
    EXPECT_EQ(status.restarts, 1U);
    EXPECT_FALSE(status.failed);
    EXPECT_EQ(status.last_exit, (exit_status{.by_signal = true, .number = SIGKILL}));
    EXPECT_TRUE(umount(wanted.mountpoint));
}

TEST_F(mounts, restarts_end_after_five_in_a_row) {
    auto wanted = spec("die-later");
    wanted.restart = "on-failure";
    start(wanted);
    test::run_until(context_, [&] {
        const auto status = table_.list().at(0);
        return status.state == mount_state::failed && status.restarts == 5;
    });
    EXPECT_TRUE(umount(wanted.mountpoint));
}

TEST_F(mounts, server_that_never_was_ready_is_not_restarted) {
    auto wanted = spec("die");
    wanted.restart = "on-failure";
    start(wanted);
    const auto status = wait_for(mount_state::failed);
    EXPECT_EQ(status.restarts, 0U);
    EXPECT_EQ(status.failed->code, failure_code::start_failed);
    EXPECT_TRUE(umount(wanted.mountpoint));
    EXPECT_TRUE(table_.list().empty());
}

class slowly_restarted_mounts : public mounts {
  protected:
    slowly_restarted_mounts()
        : mounts({.server_dirs = {},
                  .start_timeout = milliseconds(10'000),
                  .stop_timeout = milliseconds(10'000),
                  .restart_pause = std::chrono::hours(1)}) {}
};

TEST_F(slowly_restarted_mounts, umount_ends_the_wait_for_a_restart) {
    auto wanted = spec("die-later");
    wanted.restart = "on-failure";
    start(wanted);
    wait_for(mount_state::failed);
    EXPECT_TRUE(umount(wanted.mountpoint));
    EXPECT_TRUE(table_.list().empty());
}

TEST_F(slowly_restarted_mounts, shutdown_ends_the_wait_for_a_restart) {
    auto wanted = spec("die-later");
    wanted.restart = "on-failure";
    start(wanted);
    wait_for(mount_state::failed);
    test::run(context_, table_.stop_all());
    EXPECT_EQ(table_.list().at(0).state, mount_state::stopped);
}

TEST_F(mounts, shutdown_stops_all_and_refuses_new_ones) {
    ASSERT_TRUE(mount(spec("serve", "a")));
    ASSERT_TRUE(mount(spec("serve", "b")));
    test::run(context_, table_.stop_all());
    for (const auto& status : table_.list())
        EXPECT_EQ(status.state, mount_state::stopped);
    const auto refused = mount(spec("serve", "c"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, failure_code::shutting_down);
}

TEST_F(mounts, outer_mount_waits_for_the_inner_one_when_all_stop) {
    ASSERT_TRUE(mount(spec("serve", "a")));
    ASSERT_TRUE(mount(spec("stubborn", "a/b")));
    bool over = false;
    boost::asio::co_spawn(context_, table_.stop_all(),
                          [&](const std::exception_ptr&) { over = true; });
    test::run_until(context_, [&] { return table_.list().at(1).state == mount_state::stopping; });
    EXPECT_EQ(table_.list().at(0).state, mount_state::running);
    table_.hurry();
    test::run_until(context_, [&] { return over; });
    EXPECT_EQ(table_.list().at(0).state, mount_state::stopped);
}

TEST_F(mounts, inner_mount_of_the_file_waits_for_the_outer_one) {
    auto outer = spec("never", "a");
    const auto inner = spec("serve", "a/b");
    const auto beside = spec("serve", "ab");
    bool over = false;
    boost::asio::co_spawn(context_, table_.start_all({outer, beside, inner}),
                          [&](const std::exception_ptr&) { over = true; });
    test::run_until(context_, [&] {
        const auto status = table_.status(beside.mountpoint);
        return status && status->state == mount_state::running;
    });
    EXPECT_FALSE(table_.status(inner.mountpoint));
    EXPECT_TRUE(umount(outer.mountpoint));
    test::run_until(context_, [&] { return over; });
    EXPECT_TRUE(table_.status(inner.mountpoint));
}

// What follows needs a real mount.
class real_mounts : public mounts {
  protected:
    void SetUp() override {
        if (::geteuid() != 0 || ::access("/dev/fuse", R_OK | W_OK) != 0) {
            GTEST_SKIP() << "needs root and /dev/fuse";
        }
    }
};

TEST_F(real_mounts, killed_server_leaves_no_mount) {
    const auto wanted = spec("mount");
    const auto mounted = mount(wanted);
    ASSERT_TRUE(mounted) << mounted.error().message;
    ASSERT_EQ(mounted_at(wanted.mountpoint), "fuse.fake");
    ::kill(*mounted->pid, SIGKILL);
    const auto status = wait_for(mount_state::failed);
    EXPECT_EQ(status.failed->code, failure_code::died);
    EXPECT_EQ(mounted_at(wanted.mountpoint), std::nullopt);
}

TEST_F(real_mounts, mount_that_a_server_leaves_behind_is_detached) {
    const auto wanted = spec("orphan-mount");
    ASSERT_TRUE(mount(wanted));
    EXPECT_TRUE(umount(wanted.mountpoint));
    EXPECT_EQ(mounted_at(wanted.mountpoint), std::nullopt);
}

// The server's own mount is gone, but the kernel still has it: somebody holds it.
TEST_F(real_mounts, mount_that_somebody_made_since_is_not_detached) {
    const auto wanted = spec("orphan-mount");
    ASSERT_TRUE(mount(wanted));
    const char* const where = wanted.mountpoint.c_str();
    const owned_fd holder(::open(where, O_PATH | O_CLOEXEC));
    ASSERT_EQ(::umount2(where, MNT_DETACH), 0);
    const owned_fd stranger(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
    const auto options =
        "fd=" + std::to_string(stranger.get()) + ",rootmode=40000,user_id=0,group_id=0";
    ASSERT_EQ(::mount("stranger", where, "fuse.stranger", 0, options.c_str()), 0);
    EXPECT_TRUE(umount(wanted.mountpoint));
    EXPECT_EQ(mounted_at(wanted.mountpoint), "fuse.stranger");
    ::umount2(where, MNT_DETACH);
}

TEST_F(real_mounts, mount_that_somebody_put_on_top_is_not_detached) {
    const auto wanted = spec("orphan-mount");
    ASSERT_TRUE(mount(wanted));
    const char* const where = wanted.mountpoint.c_str();
    ASSERT_EQ(::mount("none", where, "tmpfs", 0, nullptr), 0);
    const auto refused = umount(wanted.mountpoint);
    const auto there = mounts_at(wanted.mountpoint);
    ASSERT_TRUE(there);
    EXPECT_EQ(there->size(), 2U);
    EXPECT_EQ(::umount2(where, 0), 0);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(),
              (failure{failure_code::stop_failed, "cannot detach " + wanted.mountpoint +
                                                      ": another mount (tmpfs) lies on top"}));
    EXPECT_TRUE(umount(wanted.mountpoint)) << "once more";
    EXPECT_EQ(mounted_at(wanted.mountpoint), std::nullopt);
}

TEST_F(real_mounts, mount_of_somebody_else_is_neither_covered_nor_detached) {
    const auto wanted = spec("serve");
    boost::asio::io_context other_context(1);
    mount_table other(other_context, {});
    auto real = wanted;
    real.source = "mount";
    ASSERT_TRUE(test::run(other_context, other.mount(real)));

    const auto refused = mount(wanted);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, failure_code::exists);
    EXPECT_EQ(mounted_at(wanted.mountpoint), "fuse.fake");
    test::run(other_context, other.stop_all());
    EXPECT_EQ(mounted_at(wanted.mountpoint), std::nullopt);
}

} // namespace
} // namespace puffs::daemon
