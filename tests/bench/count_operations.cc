// count_operations - does a null operation N times, for a tool that counts instructions.
//
//     count_operations parks|parks_timed|fuse N
//
// scripts/bench --instructions runs it under callgrind for two values of N: the difference of the totals, divided by
// that of the N, is the cost of an operation. Marks such as --toggle-collect follow calls and returns on one
// stack, and an operation may change stacks.
#include "null_operation.hh"
#include "numbers.hh"

#include <cstdint>
#include <cstdio>
#include <string_view>

int main(int argc, char** argv) {
    std::uint64_t count = 0;
    const std::string_view way = argc > 1 ? argv[1] : "";
    if (argc != 3 || (way != "parks" && way != "parks_timed" && way != "fuse") ||
        !puffs::bench::parse_number(argv[2], count)) {
        std::fprintf(stderr, "usage: count_operations parks|parks_timed|fuse N\n");
        return 2;
    }
    puffs::bench::null_operation op(way == "parks_timed");
    op.run([&] {
        for (std::uint64_t i = 0; i < count; ++i)
            way == "fuse" ? op.through_fuse() : op.through_parks();
    });
    return 0;
}
