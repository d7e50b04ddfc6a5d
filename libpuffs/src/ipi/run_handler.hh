// ipi/run_handler.hh - how a function runs on a cpu for another one, or as if for another one.
//
// Threading:  the cpu itself, in a critical section.
// Errors:     handlers in handlers deeper than limits::ipi_nesting panic (spec Q8).
#pragma once

#include "puffs/base/assert.hh"
#include "puffs/ipi/cpu.hh"

namespace puffs::ipi {

template <class F>
void cpu::run_handler(F&& f) noexcept {
    PUFFS_ASSERT(intr_nest_ < limits::ipi_nesting, "IPI handlers nested too deeply");
    ++intr_nest_;
    f();
    --intr_nest_;
}

} // namespace puffs::ipi
