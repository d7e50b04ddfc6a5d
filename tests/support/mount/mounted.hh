// support/mount/mounted.hh - a file server started, mounted on a private directory, and taken down again, for tests.
//
// Units:      seconds.
// Ownership:  owns process, directory and log; the destructor leaves no mount and no process behind, and fails the test
//             if it had to use force. Should the test die instead, the server gets SIGTERM.
// Elsewhere:  the tests of a program that links this have a mount namespace of their own: the machine sees no mount of
//             theirs. They are skipped (77) where they may not mount.
// Threading:  one test thread.
// Errors:     start() reports; the destructor calls ADD_FAILURE.
#pragma once

#include "support/temp_dir.hh"

#include <chrono>
#include <filesystem>
#include <string>
#include <sys/types.h>
#include <vector>

namespace puffs::test {

// Runs a program to its end. Output: standard output and error together.
struct run_result {
    int status = -1; // exit status, or 128 + signal, or -1 when the time was up
    std::string output;
};
struct run_options {
    std::chrono::seconds limit{60};
    uid_t uid = 0;                        // 0: as ourselves
    std::vector<std::string> environment; // NAME=VALUE, added
};
run_result run(const std::vector<std::string>& command, const run_options& o = {});
// The same for a line of the shell, with pipefail and errexit.
run_result shell(const std::string& script, const run_options& o = {});

struct server_options {
    std::vector<std::string> arguments; // before the mount point, such as "-o", "size=1G"
    uid_t uid = 0;
    std::chrono::seconds start_limit{20};
};

// What PUFFS_TEST_TRANSPORT says: "dev" or "uring", or "auto" without it. Every server of a test is started with it.
std::string asked_transport();

class mounted_server {
  public:
    mounted_server(const std::string& program, const server_options& o = {});
    ~mounted_server();
    mounted_server(const mounted_server&) = delete;
    mounted_server& operator=(const mounted_server&) = delete;

    [[nodiscard]] bool ready() const { return ready_; }
    [[nodiscard]] const std::string& start_line() const {
        return line_;
    } // what came through --ready-fd
    [[nodiscard]] const std::filesystem::path& path() const { return mount_point_; }
    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] std::string log() const;

    void signal(int number) const;
    // Exit status (128 + signal number when killed), or -1 if it still runs after `limit`.
    int wait(std::chrono::milliseconds limit);
    // SIGTERM, and the server must end with 0.
    void stop();
    [[nodiscard]] bool mounted() const;
    // False when it is still mounted after `limit`.
    [[nodiscard]] bool wait_unmounted(std::chrono::milliseconds limit) const;
    // A file of its connection in fusectl, such as "abort".
    [[nodiscard]] std::filesystem::path control(const std::string& file) const;

  private:
    temp_dir dir_;
    std::filesystem::path mount_point_;
    std::filesystem::path log_;
    pid_t pid_ = -1;
    bool ready_ = false;
    bool ended_ = false;
    int status_ = -1;
    unsigned connection_ = 0;
    std::string line_;
};

std::string read_file(const std::filesystem::path& path);

// Is this path a mount point? Read from /proc/self/mountinfo: a dead mount counts too.
bool is_mount_point(const std::filesystem::path& path);

} // namespace puffs::test
