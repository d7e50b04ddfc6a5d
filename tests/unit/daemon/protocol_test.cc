#include "daemon/protocol.hh"

#include <gtest/gtest.h>
#include <random>

namespace puffs::daemon {
namespace {

TEST(protocol, reads_a_mount_request_with_every_field) {
    const auto read = parse_request(
        R"({"id":7,"op":"mount","server":"memfs","source":"none","mountpoint":"/mnt/a",)"
        R"("options":"ro","cores":"0-1","log_level":"info","restart":"never"})");
    ASSERT_TRUE(read) << read.error().why.message;
    EXPECT_EQ(read->id, json(7));
    EXPECT_EQ(read->op, operation::mount);
    const mount_spec expected{.server = "memfs",
                              .source = "none",
                              .mountpoint = "/mnt/a",
                              .options = "ro",
                              .cores = "0-1",
                              .log_level = "info",
                              .restart = "never"};
    EXPECT_EQ(read->spec, expected);
}

TEST(protocol, client_and_daemon_agree) {
    const mount_spec spec{.server = "memfs", .mountpoint = "/mnt/\"a\\"};
    for (const auto op :
         {operation::mount, operation::umount, operation::list, operation::status}) {
        const mount_spec none;
        const mount_spec only_mountpoint{.mountpoint = spec.mountpoint};
        const auto& sent = op == operation::mount  ? spec
                           : op == operation::list ? none
                                                   : only_mountpoint;
        const auto line = request_line(1, op, sent);
        EXPECT_TRUE(line.ends_with('\n'));
        const auto read = parse_request(line);
        ASSERT_TRUE(read) << read.error().why.message;
        EXPECT_EQ(read->op, op);
        EXPECT_EQ(read->spec, sent);
    }
}

struct refused_line {
    const char* name;
    std::string line;
    failure_code code;
    json id;
};

class protocol_refuses : public testing::TestWithParam<refused_line> {};

TEST_P(protocol_refuses, with_code_and_id) {
    const auto read = parse_request(GetParam().line);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().why.code, GetParam().code);
    EXPECT_EQ(read.error().id, GetParam().id);
    EXPECT_EQ(read.error().hopeless(), GetParam().code == failure_code::bad_json);
    EXPECT_EQ(read.error().why.message.find('\n'), std::string::npos);
}

const refused_line refused_lines[] = {
    {"empty", "", failure_code::bad_json, nullptr},
    {"words", "hello", failure_code::bad_json, nullptr},
    {"array", "[1]", failure_code::bad_json, nullptr},
    {"number", "1", failure_code::bad_json, nullptr},
    {"cut", R"({"id":1,"op":"li)", failure_code::bad_json, nullptr},
    {"two_objects", R"({"id":1,"op":"list"}{})", failure_code::bad_json, nullptr},
    {"not_utf8", "{\"id\":1,\"op\":\"\xff\"}", failure_code::bad_json, nullptr},
    {"deep", std::string(16000, '['), failure_code::bad_json, nullptr},
    {"deep_closed", std::string(8000, '[') + std::string(8000, ']'), failure_code::bad_json,
     nullptr},
    {"no_id", R"({"op":"list"})", failure_code::bad_request, nullptr},
    {"id_type", R"({"id":[1],"op":"list"})", failure_code::bad_request, nullptr},
    {"id_fraction", R"({"id":1.5,"op":"list"})", failure_code::bad_request, nullptr},
    {"id_long", R"({"id":")" + std::string(65, 'x') + R"(","op":"list"})",
     failure_code::bad_request, nullptr},
    {"no_op", R"({"id":"a"})", failure_code::bad_request, "a"},
    {"op_type", R"({"id":1,"op":2})", failure_code::bad_request, 1},
    {"op_unknown", R"({"id":1,"op":"reboot\n"})", failure_code::unknown_op, 1},
    {"field_unknown", R"({"id":1,"op":"mount","speed":"9"})", failure_code::bad_request, 1},
    {"field_of_other_op", R"({"id":1,"op":"umount","mountpoint":"/a","server":"m"})",
     failure_code::bad_request, 1},
    {"list_with_field", R"({"id":1,"op":"list","mountpoint":"/a"})", failure_code::bad_request, 1},
    {"field_type", R"({"id":1,"op":"mount","server":["m"]})", failure_code::bad_request, 1},
    {"umount_nothing", R"({"id":1,"op":"umount"})", failure_code::bad_request, 1},
};

INSTANTIATE_TEST_SUITE_P(lines, protocol_refuses, testing::ValuesIn(refused_lines),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(protocol, mutated_requests_are_answered_never_thrown_at) {
    const std::string seed_line =
        R"({"id":1,"op":"mount","server":"memfs","mountpoint":"/mnt/a","options":"a\u0000b"})";
    constexpr unsigned seed = 20261121;
    std::mt19937 random(seed);
    int accepted = 0;
    int refused = 0;
    for (int round = 0; round < 100'000; ++round) {
        std::string line = seed_line;
        const auto edits = 1 + random() % 4;
        for (unsigned edit = 0; edit < edits && !line.empty(); ++edit) {
            const auto at = random() % line.size();
            switch (random() % 4) {
            case 0:
                line[at] = static_cast<char>(random());
                break;
            case 1:
                line.erase(at, 1 + random() % 8);
                break;
            case 2:
                line.insert(at, 1, "{}[]\",:\\u0019"[random() % 13]);
                break;
            default:
                line.insert(at, line.substr(random() % line.size(), random() % 16));
                break;
            }
        }
        const auto read = parse_request(line);
        if (read) {
            ++accepted;
            // What is accepted here is still checked before anything is done with it.
            const auto checked = check(read->spec);
            const auto bad = one_line(read->spec.options) != read->spec.options;
            ASSERT_FALSE(checked && bad) << line;
        } else {
            ++refused;
            const auto reply = reply_line(read.error().id, read.error().why);
            ASSERT_TRUE(json::accept(reply)) << reply;
            ASSERT_EQ(reply.find('\n'), reply.size() - 1);
        }
    }
    EXPECT_GT(accepted, 100) << "the mutations are too wild to test anything, seed " << seed;
    EXPECT_GT(refused, 1000) << "the mutations are too tame to test anything, seed " << seed;
}

TEST(protocol, replies_are_one_line_whatever_a_server_printed) {
    const failure why{failure_code::start_failed, "bad\nbytes \xff\x01"};
    const auto line = reply_line("x", why);
    EXPECT_EQ(line.find('\n'), line.size() - 1);
    const auto reply = json::parse(line);
    EXPECT_EQ(reply["id"], "x");
    EXPECT_EQ(reply["ok"], false);
    EXPECT_EQ(reply["error"]["code"], "start_failed");
    EXPECT_EQ(json::parse(reply_line(3, json{{"mounts", json::array()}})),
              json::parse(R"({"id":3,"ok":true,"mounts":[]})"));
}

TEST(protocol, shows_how_a_mount_failed) {
    mount_status status;
    status.spec = {.server = "memfs", .mountpoint = "/mnt/a"};
    status.state = mount_state::failed;
    status.since = std::chrono::system_clock::from_time_t(86400);
    status.failed = failure{failure_code::died, "killed"};
    status.last_exit = exit_status{.by_signal = true, .number = 9};
    const json expected{{"state", "failed"},
                        {"since", "1970-01-02T00:00:00Z"},
                        {"restarts", 0},
                        {"server", "memfs"},
                        {"mountpoint", "/mnt/a"},
                        {"failure", {{"code", "died"}, {"message", "killed"}}},
                        {"last_exit", {{"signal", 9}, {"text", "killed by signal 9 (KILL)"}}}};
    EXPECT_EQ(to_json(status), expected);
    status.pid = 12;
    status.last_exit = exit_status{.by_signal = false, .number = 3};
    EXPECT_EQ(to_json(status)["pid"], 12);
    EXPECT_EQ(to_json(status)["last_exit"]["status"], 3);
}

TEST(failure, codes_have_one_name_each) {
    for (int i = 0; i <= static_cast<int>(failure_code::system); ++i) {
        const auto code = static_cast<failure_code>(i);
        EXPECT_EQ(failure_code_from(name(code)), code) << i;
    }
    EXPECT_EQ(failure_code_from("no such code"), std::nullopt);
}

} // namespace
} // namespace puffs::daemon
