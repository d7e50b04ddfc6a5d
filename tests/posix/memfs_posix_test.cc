// The table of POSIX checks on a mounted memfs, under each policy that it bears.
#include "posix/checks.hh"
#include "support/mount/mounted.hh"

#include <gtest/gtest.h>
#include <memory>

namespace puffs::test {
namespace {

class memfs_posix : public testing::TestWithParam<posix_check> {
  public:
    static void SetUpTestSuite() { mount("size=512M,allow_other"); }
    static void TearDownTestSuite() {
        if (server->ready()) {
            server->stop();
        }
        server.reset();
    }

  protected:
    static void mount(const char* options) {
        server = std::make_unique<mounted_server>(
            MEMFS, server_options{.arguments = {"-o", options},
                                  .uid = 0,
                                  .start_limit = std::chrono::seconds(20)});
    }
    static void check() {
        ASSERT_TRUE(server->ready()) << server->start_line() << server->log();
        const std::filesystem::path dir = server->path() / GetParam().name;
        std::filesystem::create_directory(dir);
        GetParam().run(dir);
        std::filesystem::remove_all(dir);
    }
    static inline std::unique_ptr<mounted_server> server;
};

class memfs_posix_home : public memfs_posix {
  public:
    static void SetUpTestSuite() { mount("size=512M,allow_other,policy=home"); }
};

class memfs_posix_serial : public memfs_posix {
  public:
    static void SetUpTestSuite() { mount("size=512M,allow_other,policy=serial"); }
};

TEST_P(memfs_posix, holds) {
    check();
}

// spec: H4 H5
TEST_P(memfs_posix_home, holds) {
    check();
}

TEST_P(memfs_posix_serial, holds) {
    check();
}

std::string name_of(const testing::TestParamInfo<posix_check>& info) {
    return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(names, memfs_posix,
                         testing::ValuesIn(name_checks().begin(), name_checks().end()), name_of);
INSTANTIATE_TEST_SUITE_P(attributes, memfs_posix,
                         testing::ValuesIn(attribute_checks().begin(), attribute_checks().end()),
                         name_of);
INSTANTIATE_TEST_SUITE_P(data, memfs_posix,
                         testing::ValuesIn(data_checks().begin(), data_checks().end()), name_of);

INSTANTIATE_TEST_SUITE_P(names, memfs_posix_home,
                         testing::ValuesIn(name_checks().begin(), name_checks().end()), name_of);
INSTANTIATE_TEST_SUITE_P(attributes, memfs_posix_home,
                         testing::ValuesIn(attribute_checks().begin(), attribute_checks().end()),
                         name_of);
INSTANTIATE_TEST_SUITE_P(data, memfs_posix_home,
                         testing::ValuesIn(data_checks().begin(), data_checks().end()), name_of);

INSTANTIATE_TEST_SUITE_P(names, memfs_posix_serial,
                         testing::ValuesIn(name_checks().begin(), name_checks().end()), name_of);
INSTANTIATE_TEST_SUITE_P(attributes, memfs_posix_serial,
                         testing::ValuesIn(attribute_checks().begin(), attribute_checks().end()),
                         name_of);
INSTANTIATE_TEST_SUITE_P(data, memfs_posix_serial,
                         testing::ValuesIn(data_checks().begin(), data_checks().end()), name_of);

} // namespace
} // namespace puffs::test
