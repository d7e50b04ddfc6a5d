// Data: reading, writing, holes, truncation, files removed while open, mapped memory.
#include "posix/calls.hh"
#include "posix/checks.hh"

#include <algorithm>
#include <array>
#include <cstring>
#include <linux/falloc.h>
#include <random>
#include <sys/mman.h>
#include <vector>

namespace puffs::test {
namespace {

constexpr off_t gib = off_t{1} << 30;

void written_is_read_back(const path& dir) {
    // Sizes around pages, chunks and the largest request.
    for (const std::size_t bytes :
         {0UL, 1UL, 4095UL, 4096UL, 4097UL, 65535UL, 65537UL, 1048575UL, 1048577UL, 3000000UL}) {
        std::string text(bytes, 0);
        std::mt19937 random(static_cast<unsigned>(bytes));
        std::ranges::generate(text, [&] { return static_cast<char>(random()); });
        make_file(dir / "f", text);
        EXPECT_EQ(stat_of(dir / "f").st_size, static_cast<off_t>(bytes));
        EXPECT_TRUE(contents(dir / "f") == text) << bytes;
    }
}

void direct_io(const path& dir) {
    const descriptor fd(dir / "f", O_CREAT | O_RDWR | O_DIRECT);
    ASSERT_GE(fd, 0);
    constexpr std::size_t bytes = 1 << 20;
    void* memory =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    std::memset(memory, 'd', bytes);
    EXPECT_EQ(::pwrite(fd, memory, bytes, 0), static_cast<ssize_t>(bytes));
    std::memset(memory, 0, bytes);
    EXPECT_EQ(::pread(fd, memory, bytes, 0), static_cast<ssize_t>(bytes));
    EXPECT_EQ(static_cast<char*>(memory)[bytes - 1], 'd');
    ::munmap(memory, bytes);
}

// A shadow of the file in memory: random writes, truncations and reads, compared all the way.
void random_operations_against_a_shadow(const path& dir) {
    constexpr std::size_t size_max = 300000;
    std::mt19937 random(20260101);
    const auto below = [&](std::size_t n) {
        return std::uniform_int_distribution<std::size_t>(0, n - 1)(random);
    };
    std::vector<char> shadow;
    const descriptor fd(dir / "f", O_CREAT | O_RDWR);
    for (int i = 0; i < 3000; ++i) {
        const std::size_t at = below(size_max);
        const std::size_t bytes = 1 + below(std::min<std::size_t>(size_max - at, 20000));
        switch (below(5)) {
        case 0:
        case 1: {
            const std::vector<char> data(bytes, static_cast<char>(random()));
            ASSERT_EQ(::pwrite(fd, data.data(), bytes, static_cast<off_t>(at)),
                      static_cast<ssize_t>(bytes));
            shadow.resize(std::max(shadow.size(), at + bytes));
            std::ranges::copy(data, shadow.begin() + static_cast<std::ptrdiff_t>(at));
            break;
        }
        case 2:
            ASSERT_EQ(::ftruncate(fd, static_cast<off_t>(at)), 0);
            shadow.resize(at);
            break;
        case 3:
            ASSERT_EQ(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                  static_cast<off_t>(at), static_cast<off_t>(bytes)),
                      0);
            if (at < shadow.size()) {
                std::fill_n(shadow.begin() + static_cast<std::ptrdiff_t>(at),
                            std::min(bytes, shadow.size() - at), 0);
            }
            break;
        default: {
            std::vector<char> data(bytes);
            const ssize_t n = ::pread(fd, data.data(), bytes, static_cast<off_t>(at));
            const std::size_t want = at < shadow.size() ? std::min(bytes, shadow.size() - at) : 0;
            ASSERT_EQ(n, static_cast<ssize_t>(want));
            ASSERT_TRUE(std::equal(data.begin(), data.begin() + n,
                                   shadow.begin() +
                                       static_cast<std::ptrdiff_t>(std::min(at, shadow.size()))));
        }
        }
    }
    const std::string all = contents(dir / "f");
    EXPECT_TRUE(std::ranges::equal(all, shadow));
}

void append(const path& dir) {
    make_file(dir / "f", "one");
    const descriptor fd(dir / "f", O_WRONLY | O_APPEND);
    EXPECT_EQ(::pwrite(fd, "two", 3, 0), 3); // O_APPEND wins on Linux
    EXPECT_EQ(contents(dir / "f"), "onetwo");
}

void truncation(const path& dir) {
    make_file(dir / "f", "0123456789");
    EXPECT_CALL_OK(::truncate((dir / "f").c_str(), 4));
    EXPECT_CALL_OK(::truncate((dir / "f").c_str(), 8));
    EXPECT_EQ(contents(dir / "f"), std::string("0123\0\0\0\0", 8));
    { const descriptor fd(dir / "f", O_WRONLY | O_TRUNC); }
    EXPECT_EQ(stat_of(dir / "f").st_size, 0);
    ::mkdir((dir / "d").c_str(), 0755);
    EXPECT_CALL_FAILS(EISDIR, ::truncate((dir / "d").c_str(), 0));
}

void sparse_file_of_many_gibibytes(const path& dir) {
    const descriptor fd(dir / "f", O_CREAT | O_RDWR);
    EXPECT_EQ(::pwrite(fd, "end", 3, 5 * gib), 3);
    EXPECT_EQ(stat_of(dir / "f").st_size, 5 * gib + 3);
    EXPECT_LT(stat_of(dir / "f").st_blocks, 2048);
    char bytes[4] = {'x', 'x', 'x', 'x'};
    EXPECT_EQ(::pread(fd, bytes, 4, 3 * gib), 4);
    EXPECT_EQ(std::string(bytes, 4), std::string(4, '\0'));
    EXPECT_EQ(::pread(fd, bytes, 4, 5 * gib), 3);
    EXPECT_EQ(std::string(bytes, 3), "end");
    EXPECT_CALL_OK(::ftruncate(fd, off_t{1} << 60));
    EXPECT_EQ(stat_of(dir / "f").st_size, off_t{1} << 60);
    EXPECT_CALL_OK(::ftruncate(fd, 1));
}

void seeking_data_and_holes(const path& dir) {
    const descriptor fd(dir / "f", O_CREAT | O_RDWR);
    EXPECT_EQ(::pwrite(fd, "data", 4, 1 << 20), 4);
    EXPECT_CALL_OK(::ftruncate(fd, 4 << 20));
    const off_t data = ::lseek(fd, 0, SEEK_DATA);
    EXPECT_LE(data, 1 << 20);
    EXPECT_GT(data, 0);
    const off_t hole = ::lseek(fd, 1 << 20, SEEK_HOLE);
    EXPECT_GT(hole, (1 << 20) + 3);
    EXPECT_LE(hole, 4 << 20);
    EXPECT_EQ(::lseek(fd, 0, SEEK_HOLE), 0);
    EXPECT_CALL_FAILS(ENXIO, ::lseek(fd, 4 << 20, SEEK_DATA));
    EXPECT_CALL_FAILS(ENXIO, ::lseek(fd, 3 << 20, SEEK_DATA));
}

void fallocate_modes(const path& dir) {
    const descriptor fd(dir / "f", O_CREAT | O_RDWR);
    EXPECT_CALL_OK(::fallocate(fd, 0, 0, 100000));
    EXPECT_EQ(stat_of(dir / "f").st_size, 100000);
    EXPECT_GE(stat_of(dir / "f").st_blocks * 512, 100000);
    EXPECT_CALL_OK(::fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 300000));
    EXPECT_EQ(stat_of(dir / "f").st_size, 100000);
    EXPECT_EQ(::pwrite(fd, "xxxxxxxx", 8, 65536), 8);
    EXPECT_CALL_OK(::fallocate(fd, FALLOC_FL_ZERO_RANGE, 65538, 2));
    char bytes[8] = {};
    EXPECT_EQ(::pread(fd, bytes, 8, 65536), 8);
    EXPECT_EQ(std::string(bytes, 8), std::string("xx\0\0xxxx", 8));
    EXPECT_CALL_FAILS(EOPNOTSUPP, ::fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4096));
}

void removed_while_open(const path& dir) {
    make_file(dir / "f", "still here");
    const descriptor fd(dir / "f", O_RDWR);
    EXPECT_CALL_OK(::unlink((dir / "f").c_str()));
    EXPECT_FALSE(is_there(dir / "f"));
    char text[11] = {};
    EXPECT_EQ(::pread(fd, text, 10, 0), 10);
    EXPECT_STREQ(text, "still here");
    EXPECT_EQ(::pwrite(fd, "more", 4, 10), 4);
    struct stat st {};
    EXPECT_CALL_OK(::fstat(fd, &st));
    EXPECT_EQ(st.st_size, 14);
    EXPECT_EQ(st.st_nlink, 0U);
    make_file(dir / "f", "another");
    EXPECT_EQ(::pread(fd, text, 5, 0), 5);
    EXPECT_EQ(std::string(text, 5), "still");
}

void mapped_memory(const path& dir) {
    make_file(dir / "f", std::string(8192, 'a'));
    const descriptor fd(dir / "f", O_RDWR);
    auto* memory =
        static_cast<char*>(::mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    ASSERT_NE(memory, MAP_FAILED);
    memory[4096] = 'b';
    EXPECT_CALL_OK(::msync(memory, 8192, MS_SYNC));
    char byte = 0;
    EXPECT_EQ(::pread(fd, &byte, 1, 4096), 1);
    EXPECT_EQ(byte, 'b');
    EXPECT_EQ(::pwrite(fd, "c", 1, 1), 1);
    EXPECT_EQ(memory[1], 'c');
    ::munmap(memory, 8192);
    EXPECT_EQ(contents(dir / "f")[4096], 'b');
}

void directories_are_no_files(const path& dir) {
    EXPECT_CALL_FAILS(EISDIR, ::open(dir.c_str(), O_WRONLY));
    const descriptor fd(dir, O_RDONLY);
    char byte = 0;
    EXPECT_CALL_FAILS(EISDIR, ::read(fd, &byte, 1));
}

void two_descriptors_see_each_other(const path& dir) {
    make_file(dir / "f");
    const descriptor a(dir / "f", O_RDWR);
    const descriptor b(dir / "f", O_RDWR);
    for (int i = 0; i < 100; ++i) {
        const off_t at = i * off_t{4};
        EXPECT_EQ(::pwrite(a, &i, sizeof(i), at), 4);
        int back = -1;
        EXPECT_EQ(::pread(b, &back, sizeof(back), at), 4);
        EXPECT_EQ(back, i);
    }
    EXPECT_CALL_OK(::fsync(a));
    EXPECT_CALL_OK(::fdatasync(b));
}

constexpr std::array table = {
    posix_check{"written_is_read_back", written_is_read_back},
    posix_check{"direct_io", direct_io},
    posix_check{"random_operations_against_a_shadow", random_operations_against_a_shadow},
    posix_check{"append", append},
    posix_check{"truncation", truncation},
    posix_check{"sparse_file_of_many_gibibytes", sparse_file_of_many_gibibytes},
    posix_check{"seeking_data_and_holes", seeking_data_and_holes},
    posix_check{"fallocate_modes", fallocate_modes},
    posix_check{"removed_while_open", removed_while_open},
    posix_check{"mapped_memory", mapped_memory},
    posix_check{"directories_are_no_files", directories_are_no_files},
    posix_check{"two_descriptors_see_each_other", two_descriptors_see_each_other},
};

} // namespace

std::span<const posix_check> data_checks() {
    return table;
}

} // namespace puffs::test
