// What the kernel keeps and what it asks again: each case counts the requests that reach the server, in its log.
#include "posix/calls.hh"
#include "support/mount/mounted.hh"

#include <fcntl.h>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace puffs::test {
namespace {

using testing::HasSubstr;

class logged : public testing::Test {
  public:
    logged(const std::string& program, const std::string& options)
        : s(program, {.arguments = {"-d", "-o", options}, .uid = 0, .start_limit = seconds(20)}) {}
    void SetUp() override { ASSERT_TRUE(s.ready()) << s.start_line() << s.log(); }
    void TearDown() override { s.stop(); }

    // How many requests of this operation the server has got since the start.
    [[nodiscard]] std::size_t count(const std::string& operation) const {
        const std::string log = s.log();
        const std::string wanted = " " + operation + " node ";
        std::size_t n = 0;
        for (auto at = log.find("-> 0x"); at != std::string::npos; at = log.find("-> 0x", at + 1)) {
            const auto space = log.find(' ', at + 3);
            n += space != std::string::npos && log.compare(space, wanted.size(), wanted) == 0;
        }
        return n;
    }
    // How many `work` makes.
    template <class Work>
    std::size_t count_in(const std::string& operation, Work&& work) {
        const std::size_t before = count(operation);
        work();
        return count(operation) - before;
    }
    [[nodiscard]] std::string in(const std::string& name) const { return s.path() / name; }
    static void list(const std::string& directory) {
        for (const auto& entry : std::filesystem::directory_iterator(directory)) {
            static_cast<void>(entry);
        }
    }
    using seconds = std::chrono::seconds;
    mounted_server s;
};

// A server of which each answer says for itself.
class answers : public logged {
  public:
    answers() : logged(CACHING, "attr_timeout=3600,entry_timeout=3600") {}
    std::size_t reads_of_three_opens(const std::string& name) {
        return count_in("read", [&] {
            for (int i = 0; i < 3; ++i) {
                EXPECT_EQ(read_file(in(name)).size(), 4096U);
            }
        });
    }
};

TEST_F(answers, to_open_says_whether_pages_stay) {
    EXPECT_EQ(reads_of_three_opens("kept"), 1U);
    EXPECT_EQ(reads_of_three_opens("plain"), 3U);
}

TEST_F(answers, to_open_says_that_no_page_is_made) {
    const descriptor fd(in("direct"), O_RDONLY);
    ASSERT_GE(fd, 0);
    char byte = 0;
    EXPECT_EQ(count_in("read",
                       [&] {
                           for (int i = 0; i < 5; ++i) {
                               EXPECT_EQ(::pread(fd, &byte, 1, 0), 1);
                           }
                       }),
              5U);
}

TEST_F(answers, to_open_says_that_nobody_may_seek) {
    const descriptor stream(in("stream"), O_RDONLY), plain(in("plain"), O_RDONLY);
    EXPECT_EQ(::lseek(stream, 10, SEEK_SET), -1);
    EXPECT_EQ(errno, ESPIPE);
    EXPECT_EQ(::lseek(plain, 10, SEEK_SET), 10);
}

TEST_F(answers, to_opendir_says_whether_entries_stay) {
    const auto reads = [this](const std::string& name) {
        return count_in("readdir", [&] {
            for (int i = 0; i < 3; ++i) {
                list(in(name));
            }
        });
    };
    const std::size_t once = reads("listed");
    EXPECT_LE(once, 2U); // the entries, and perhaps the end
    EXPECT_EQ(reads("listed"), 0U);
    EXPECT_GE(reads("unlisted"), 3U);
}

TEST_F(answers, say_how_long_attributes_are_good) {
    const auto asked = [this](const std::string& name) {
        return count_in("getattr", [&] {
            for (int i = 0; i < 5; ++i) {
                EXPECT_EQ(stat_of(in(name)).st_size, 4096);
            }
        });
    };
    stat_of(in("plain"));
    stat_of(in("brief"));
    EXPECT_EQ(asked("plain"), 0U);
    EXPECT_EQ(asked("brief"), 5U);
}

TEST_F(answers, say_how_long_a_name_is_good) {
    const auto asked = [this](const std::string& name) {
        return count_in("lookup", [&] {
            for (int i = 0; i < 5; ++i) {
                EXPECT_EQ(stat_of(in(name)).st_size, 4096);
            }
        });
    };
    stat_of(in("plain"));
    EXPECT_EQ(asked("plain"), 0U);
    EXPECT_EQ(asked("forgotten"), 5U);
}

// memfs has no open, and nobody else changes its files.
class owner : public logged {
  public:
    owner() : logged(MEMFS, "size=64M") {}
};

TEST_F(owner, is_asked_to_open_and_to_create_but_once) {
    for (int i = 0; i < 5; ++i) {
        const std::string name = in("f" + std::to_string(i));
        std::ofstream(name) << "text";
        EXPECT_EQ(read_file(name), "text");
        list(s.path());
        std::ofstream(name) << "xyz"; // cuts off what was there
        EXPECT_EQ(read_file(name), "xyz");
    }
    EXPECT_EQ(count("create"), 1U);
    EXPECT_EQ(count("mknod"), 5U);
    EXPECT_LE(count("open"), 2U); // one of a file, one of a directory
    EXPECT_EQ(count("close"), 0U);
}

TEST_F(owner, is_not_asked_for_what_was_read_or_written) {
    const std::string name = in("f"), text(100000, 'x');
    std::ofstream(name) << text;
    EXPECT_EQ(stat_of(name).st_size, 100000); // says the time of the write, which is news
    EXPECT_EQ(read_file(name), text);
    EXPECT_EQ(count_in("read", [&] { EXPECT_EQ(read_file(name), text); }), 0U);
    ASSERT_EQ(::symlink("target", in("link").c_str()), 0);
    EXPECT_EQ(std::filesystem::read_symlink(in("link")), "target");
    EXPECT_EQ(
        count_in("readlink", [&] { static_cast<void>(std::filesystem::read_symlink(in("link"))); }),
        0U);
    list(s.path());
    EXPECT_EQ(count_in("readdir", [&] { list(s.path()); }), 0U);
    std::ofstream(in("g")) << "";
    EXPECT_GT(count_in("readdir", [&] { list(s.path()); }), 0U); // there is a new name
}

TEST_F(owner, keeps_whole_pages_that_were_written) {
    const std::string name = in("f"), text(4096 * 16, 'x');
    std::ofstream(name) << text;
    stat_of(name);
    EXPECT_EQ(count_in("read", [&] { EXPECT_EQ(read_file(name), text); }), 0U);
}

TEST_F(owner, serves_a_removed_file_as_long_as_it_is_open) {
    const descriptor fd(in("f"), O_CREAT | O_RDWR);
    ASSERT_GE(fd, 0);
    ASSERT_EQ(::pwrite(fd, "before", 6, 0), 6);
    ASSERT_EQ(::unlink(in("f").c_str()), 0);
    ASSERT_EQ(::pwrite(fd, "behind", 6, 10000), 6);
    ASSERT_EQ(::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    std::string got(6, '?');
    EXPECT_EQ(::pread(fd, got.data(), 6, 0), 6);
    EXPECT_EQ(got, "before");
    EXPECT_EQ(::pread(fd, got.data(), 6, 10000), 6);
    EXPECT_EQ(got, "behind");
}

class collecting : public logged {
  public:
    collecting() : logged(MEMFS, "size=64M,writeback_cache") {}
};

TEST_F(collecting, many_writes_are_few_requests) {
    const std::string name = in("f");
    std::string all;
    EXPECT_LE(count_in("write",
                       [&] {
                           const descriptor fd(name, O_CREAT | O_WRONLY | O_APPEND);
                           for (int i = 0; i < 200; ++i) {
                               const std::string line = "line " + std::to_string(i) + "\n";
                               ASSERT_EQ(::write(fd, line.data(), line.size()),
                                         static_cast<ssize_t>(line.size()));
                               all += line;
                           }
                       }),
              5U);
    EXPECT_EQ(read_file(name), all);
    EXPECT_EQ(stat_of(name).st_size, static_cast<off_t>(all.size()));
}

TEST_F(collecting, a_page_is_completed_through_a_handle_for_writing) {
    const std::string name = in("f"), text(8192, 'x');
    std::ofstream(name) << text;
    ASSERT_EQ(::truncate(name.c_str(), 8190), 0);
    {
        const descriptor fd(name, O_WRONLY);
        ASSERT_EQ(::fsync(fd), 0);
        ASSERT_EQ(::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
        ASSERT_EQ(::pwrite(fd, "y", 1, 5000), 1);
    }
    std::string wanted = text.substr(0, 8190);
    wanted[5000] = 'y';
    EXPECT_EQ(read_file(name), wanted);
}

} // namespace
} // namespace puffs::test
