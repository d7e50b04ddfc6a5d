#include "daemon/config.hh"

#include "support/temp_dir.hh"

#include <filesystem>
#include <gtest/gtest.h>

namespace puffs::daemon {
namespace {

struct refused_text {
    const char* name;
    const char* text;
    int line;
    const char* says;
};

class config_refuses : public testing::TestWithParam<refused_text> {};

TEST_P(config_refuses, with_file_and_line) {
    const puffs::test::temp_dir tmp;
    const auto path = tmp.file("puffsd.toml", GetParam().text);
    const auto read = read_config(path);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, failure_code::bad_config);
    const auto place = path + ":" + std::to_string(GetParam().line) + ": ";
    EXPECT_TRUE(read.error().message.starts_with(place)) << read.error().message;
    EXPECT_NE(read.error().message.find(GetParam().says), std::string::npos)
        << read.error().message;
    EXPECT_EQ(read.error().message.find('\n'), std::string::npos);
}

const refused_text refused_texts[] = {
    {"syntax", "socket = \"/s\"\nlog_level = \n", 2, ""},
    {"unknown_key", "sockets = \"/s\"\n", 1, "unknown key 'sockets'"},
    {"socket_type", "\nsocket = 3\n", 2, "string"},
    {"log_level", "log_level = \"loud\"\n", 1, "log_level is not one of"},
    {"server_dirs_type", "server_dirs = \"/usr\"\n", 1, "list of strings"},
    {"server_dirs_element", "server_dirs = [\n\"/usr\",\n7]\n", 3, "string"},
    {"timeout_zero", "start_timeout_ms = 0\n", 1, "from 1 to"},
    {"timeout_huge", "stop_timeout_ms = 3600001\n", 1, "from 1 to"},
    {"timeout_type", "stop_timeout_ms = 1.5\n", 1, "from 1 to"},
    {"uid_negative", "allow_uids = [1, -1]\n", 1, "user id"},
    {"uid_too_large", "allow_uids = [4294967295]\n", 1, "user id"},
    {"others", "others = \"everything\"\n", 1, "neither 'list' nor 'nothing'"},
    {"mount_not_list", "mount = 1\n", 1, "[[mount]]"},
    {"mount_one_table", "[mount]\nserver = \"memfs\"\n", 1, "[[mount]]"},
    {"mount_no_server", "\n[[mount]]\nmountpoint = \"/a\"\n", 2, "server: missing"},
    {"mount_no_mountpoint", "[[mount]]\nserver = \"memfs\"\n", 1, "mountpoint: missing"},
    {"mount_unknown_key", "[[mount]]\nserver = \"memfs\"\nmountpoint = \"/a\"\ncore = \"1\"\n", 4,
     "unknown key 'core'"},
    {"mount_value_type", "[[mount]]\nserver = \"memfs\"\nmountpoint = [1]\n", 3, "string"},
    {"mount_relative", "[[mount]]\nserver = \"memfs\"\nmountpoint = \"a\"\n", 1,
     "not an absolute path"},
    {"mount_root", "[[mount]]\nserver = \"memfs\"\nmountpoint = \"/\"\n", 1, "root directory"},
    {"mount_cores", "[[mount]]\nserver = \"memfs\"\nmountpoint = \"/a\"\ncores = \"all\"\n", 1,
     "cores: not a list"},
    {"mount_restart", "[[mount]]\nserver = \"memfs\"\nmountpoint = \"/a\"\nrestart = \"always\"\n",
     1, "restart: neither"},
    {"mount_source", "[[mount]]\nserver = \"memfs\"\nmountpoint = \"/a\"\nsource = \"-o\"\n", 1,
     "source: begins with"},
    {"mount_log_level", "[[mount]]\nserver = \"m\"\nmountpoint = \"/a\"\nlog_level = \"x\"\n", 1,
     "log_level: not one of"},
    {"mount_control", "[[mount]]\nserver = \"m\"\nmountpoint = \"/a\"\noptions = \"a\\nb\"\n", 1,
     "options: has a control character"},
    {"mount_server_path", "[[mount]]\nserver = \"bin/m\"\nmountpoint = \"/a\"\n", 1,
     "server: neither an absolute path nor a name"},
    {"mount_twice",
     "[[mount]]\nserver = \"m\"\nmountpoint = \"/nowhere/a\"\n"
     "[[mount]]\nserver = \"m\"\nmountpoint = \"/nowhere/./b/../a/\"\n",
     4, "a second mount at /nowhere/a"},
};

INSTANTIATE_TEST_SUITE_P(texts, config_refuses, testing::ValuesIn(refused_texts),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(config, reads_every_key) {
    const puffs::test::temp_dir tmp;
    const auto mountpoint = tmp.directory("mnt");
    std::filesystem::create_directory_symlink(mountpoint, tmp.path().string() + "/link");
    const auto path = tmp.file("puffsd.toml", "socket = \"/run/x.sock\"\n"
                                              "log_level = \"debug\"\n"
                                              "server_dirs = [\"/a\", \"/b\"]\n"
                                              "start_timeout_ms = 1500\n"
                                              "stop_timeout_ms = 2500\n"
                                              "allow_uids = [0, 1000]\n"
                                              "others = \"nothing\"\n"
                                              "[[mount]]\n"
                                              "server = \"memfs\"\n"
                                              "source = \"none\"\n"
                                              "mountpoint = \"" +
                                                  tmp.path().string() +
                                                  "/link\"\n"
                                                  "options = \"size=1G\"\n"
                                                  "cores = \"0-1,3\"\n"
                                                  "log_level = \"trace\"\n"
                                                  "restart = \"on-failure\"\n"
                                                  "[[mount]]\n"
                                                  "server = \"/bin/true\"\n"
                                                  "mountpoint = \"/nowhere/b\"\n");
    const auto read = read_config(path);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->socket, "/run/x.sock");
    EXPECT_EQ(read->log_level, "debug");
    EXPECT_EQ(read->server_dirs, (std::vector<std::string>{"/a", "/b"}));
    EXPECT_EQ(read->start_timeout.count(), 1500);
    EXPECT_EQ(read->stop_timeout.count(), 2500);
    EXPECT_EQ(read->allow_uids, (std::vector<uid_t>{0, 1000}));
    EXPECT_FALSE(read->others_may_list);
    ASSERT_EQ(read->mounts.size(), 2U);
    const mount_spec first{.server = "memfs",
                           .source = "none",
                           .mountpoint = mountpoint, // the link is resolved
                           .options = "size=1G",
                           .cores = "0-1,3",
                           .log_level = "trace",
                           .restart = "on-failure"};
    EXPECT_EQ(read->mounts[0], first);
    EXPECT_EQ(read->mounts[0].restart_when(), restart_policy::on_failure);
    EXPECT_EQ(read->mounts[1].restart_when(), restart_policy::never);
}

TEST(config, empty_file_gives_defaults) {
    const puffs::test::temp_dir tmp;
    const auto read = read_config(tmp.file("puffsd.toml", ""));
    ASSERT_TRUE(read);
    EXPECT_TRUE(read->mounts.empty());
    EXPECT_TRUE(read->others_may_list);
    EXPECT_EQ(read->start_timeout.count(), 10'000);
}

TEST(config, missing_file_is_named) {
    const auto read = read_config("/nowhere/puffsd.toml");
    ASSERT_FALSE(read);
    EXPECT_TRUE(read.error().message.starts_with("/nowhere/puffsd.toml: ")) << read.error().message;
}

TEST(config, more_mounts_than_the_table_holds_are_refused) {
    const puffs::test::temp_dir tmp;
    std::string text;
    for (int i = 0; i <= 256; ++i) {
        text += "[[mount]]\nserver = \"m\"\nmountpoint = \"/nowhere/" + std::to_string(i) + "\"\n";
    }
    const auto read = read_config(tmp.file("puffsd.toml", text));
    ASSERT_FALSE(read);
    EXPECT_NE(read.error().message.find("more than 256 mounts"), std::string::npos);
}

TEST(mount_spec, finds_servers_by_name_and_by_path) {
    const puffs::test::temp_dir tmp;
    const auto program = tmp.file("fs", "");
    const auto text = tmp.file("text", "");
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
    const std::vector<std::string> directories{"/nowhere", tmp.path().string()};
    EXPECT_EQ(find_server("fs", directories), program);
    EXPECT_EQ(find_server(program, {}), program);
    for (const auto& name :
         {std::string("text"), std::string("other"), text, tmp.path().string()}) {
        const auto found = find_server(name, directories);
        ASSERT_FALSE(found) << name;
        EXPECT_EQ(found.error().code, failure_code::no_such_server);
    }
}

TEST(mount_spec, makes_the_command_line_of_a_server) {
    const mount_spec full{.server = "memfs",
                          .source = "none",
                          .mountpoint = "/mnt/a b",
                          .options = "ro,size=1G",
                          .cores = "0-1",
                          .log_level = "debug",
                          .restart = ""};
    EXPECT_EQ(server_command("/bin/memfs", full, 3),
              (std::vector<std::string>{"/bin/memfs", "-f", "-o", "ro,size=1G", "--cores=0-1",
                                        "--log-level=debug", "--ready-fd=3", "none", "/mnt/a b"}));
    const mount_spec least{.server = "memfs", .mountpoint = "/mnt/a"};
    EXPECT_EQ(server_command("/bin/memfs", least, 3),
              (std::vector<std::string>{"/bin/memfs", "-f", "--ready-fd=3", "/mnt/a"}));
}

TEST(config, servers_are_looked_up_beside_the_daemon_and_where_the_examples_are_installed) {
    const auto self = std::filesystem::read_symlink("/proc/self/exe").parent_path().string();
    EXPECT_EQ(default_server_dirs(), (std::vector<std::string>{self, PUFFS_EXAMPLES_DIR}));
}

} // namespace
} // namespace puffs::daemon
