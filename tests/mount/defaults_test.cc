// What a server asks for in its defaults is what its mount has.
#include "support/mount/mounted.hh"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>

namespace puffs::test {
namespace {

using testing::HasSubstr;

std::string line_of(const std::filesystem::path& mount_point) {
    return shell("grep ' " + mount_point.string() + " ' /proc/self/mountinfo").output;
}

constexpr uid_t ordinary_user = 65534; // nobody

TEST(defaults_of_a_server, are_options_of_its_mount) {
    mounted_server s(GUARDED);
    ASSERT_TRUE(s.ready()) << s.start_line() << s.log();
    const std::string line = line_of(s.path());
    EXPECT_THAT(line, HasSubstr(s.path().string() + " ro,"));
    EXPECT_THAT(line, HasSubstr(",default_permissions,allow_other"));
    EXPECT_THAT(s.log(), testing::ContainsRegex("granted: .*writeback_cache"));
    // The directory is root's alone.
    const run_result other =
        run({"ls", s.path()},
            {.limit = std::chrono::seconds(10), .uid = ordinary_user, .environment = {}});
    EXPECT_NE(other.status, 0);
    EXPECT_THAT(other.output, HasSubstr("Permission denied"));
    s.stop();
}

TEST(defaults_of_a_server, give_way_to_the_command_line) {
    mounted_server s(GUARDED, {.arguments = {"-o", "rw"}});
    ASSERT_TRUE(s.ready()) << s.start_line() << s.log();
    EXPECT_THAT(line_of(s.path()), HasSubstr(s.path().string() + " rw,"));
    s.stop();
}

} // namespace
} // namespace puffs::test
