// lwkt/run_on.hh - what an ordinary thread wants done on a core: it waits while a light thread there does it.
//
// Requires:   the caller is an ordinary thread; the core runs, or will.
// Blocks:     the caller, until the function has returned.
// Lifetime:   the function is borrowed until then.
// Errors:     none; the function must not throw. Memory for the thread: create_on.
#pragma once

#include "puffs/lwkt/core.hh"

#include <string_view>
#include <type_traits>

namespace puffs::lwkt {

void run_on(core& c, void (*function)(void* arg), void* arg, std::string_view name);

template <class F>
void run_on(core& c, F&& f, std::string_view name) {
    run_on(
        c, [](void* g) { (*static_cast<std::remove_reference_t<F>*>(g))(); }, &f, name);
}

} // namespace puffs::lwkt
