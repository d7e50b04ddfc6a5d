// bench/floor_arguments.hh - what the command lines of the floor servers have in common.
//
//     [--flags none|WORD[+WORD…]] [--counters] [--keep] [--cores 0[,1…]] [--file-bytes N] MOUNTPOINT
#pragma once

#include "arguments.hh"

#include <cstdint>
#include <string>
#include <vector>

namespace puffs::bench {

struct floor_arguments {
    explicit floor_arguments(unsigned default_ring_flags) : ring_flags(default_ring_flags) {}

    unsigned ring_flags; // of io_uring_setup
    bool counters = false;
    bool keep = false; // the file has memory
    std::vector<int> cores{0};
    std::uint64_t file_bytes = std::uint64_t{64} << 20;
    std::string mount_point;
};

// Declares them; each lives as long as the app. Whether `--cores any` may be, the program says.
void declare_floor(CLI::App& app, floor_arguments& a, bool may_be_any_core);

} // namespace puffs::bench
