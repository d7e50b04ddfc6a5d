// tests/unit/daemon/temporary_directory.hh - a directory of the test's own, removed with everything in it; what is
// still mounted at its top level is detached first.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/mount.h>

namespace puffs::daemon::test {

class temporary_directory {
  public:
    temporary_directory() {
        std::string pattern = std::filesystem::temp_directory_path() / "puffs-daemon-XXXXXX";
        if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
        path_ = std::filesystem::canonical(pattern).string();
    }
    temporary_directory(const temporary_directory&) = delete;
    temporary_directory& operator=(const temporary_directory&) = delete;
    ~temporary_directory() {
        std::error_code ignored; // nothing more can be done about it
        for (const auto& entry : std::filesystem::directory_iterator(path_, ignored)) {
            ::umount2(entry.path().c_str(), MNT_DETACH);
        }
        std::filesystem::remove_all(path_, ignored);
    }

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string file(std::string_view name, std::string_view text) const {
        const auto path = path_ + "/" + std::string(name);
        std::ofstream(path) << text;
        return path;
    }
    [[nodiscard]] std::string directory(std::string_view name) const {
        const auto path = path_ + "/" + std::string(name);
        std::filesystem::create_directories(path);
        return path;
    }

  private:
    std::string path_;
};

} // namespace puffs::daemon::test
