// support/temp_dir.hh - a directory of the test's own below the system's temporary one, removed with what is in it;
// what is still mounted at its top level is detached first.
//
// Errors:     the constructor throws; who cannot make a directory can test nothing.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/mount.h>
#include <sys/stat.h>

namespace puffs::test {

class temp_dir {
  public:
    temp_dir() {
        std::string name = (std::filesystem::temp_directory_path() / "puffs-test-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) {
            throw std::runtime_error("mkdtemp failed");
        }
        ::chmod(name.c_str(), 0755);              // other users of the tests go through it
        path_ = std::filesystem::canonical(name); // as the mount table writes it
    }
    ~temp_dir() {
        std::error_code ignored; // nothing more can be done about it
        for (const auto& entry : std::filesystem::directory_iterator(path_, ignored)) {
            ::umount2(entry.path().c_str(), MNT_DETACH);
        }
        std::filesystem::remove_all(path_, ignored);
    }
    temp_dir(const temp_dir&) = delete;
    temp_dir& operator=(const temp_dir&) = delete;

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    // A new file, or a new directory, in it: where it is.
    [[nodiscard]] std::string file(std::string_view name, std::string_view text) const {
        std::ofstream(path_ / name) << text;
        return path_ / name;
    }
    [[nodiscard]] std::string directory(std::string_view name) const {
        std::filesystem::create_directories(path_ / name);
        return path_ / name;
    }

  private:
    std::filesystem::path path_;
};

} // namespace puffs::test
