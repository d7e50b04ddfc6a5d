// posix/checks.hh - one table of POSIX checks, to be run on any file system.
//
// Each check gets an empty directory of its own on the file system and uses ordinary system calls.
// The suite runs as root; checks of permissions act as an ordinary user in a child.
//
// Threading:  one test thread.
// Errors:     GoogleTest expectations.
#pragma once

#include <filesystem>
#include <span>

namespace puffs::test {

struct posix_check {
    const char* name;
    void (*run)(const std::filesystem::path& dir);
};

// Rooms: names.cc, attributes.cc, data.cc.
std::span<const posix_check> name_checks();
std::span<const posix_check> attribute_checks();
std::span<const posix_check> data_checks();

} // namespace puffs::test
