// Microbenchmarks of a null operation on the in-process path.
#include "null_operation.hh"

#include <benchmark/benchmark.h>

namespace puffs::bench {
namespace {

void null_operation_parks(benchmark::State& state) {
    null_operation op;
    op.run([&] {
        for (auto _ : state)
            op.through_parks();
    });
}
BENCHMARK(null_operation_parks);

void null_operation_parks_timed(benchmark::State& state) {
    null_operation op(true);
    op.run([&] {
        for (auto _ : state)
            op.through_parks();
    });
}
BENCHMARK(null_operation_parks_timed);

void null_operation_fuse(benchmark::State& state) {
    null_operation op;
    op.run([&] {
        for (auto _ : state)
            op.through_fuse();
    });
}
BENCHMARK(null_operation_fuse);

} // namespace
} // namespace puffs::bench
