// bench/arguments.hh - what the command lines of the bench programs have in common.
//
// Errors:  wrong usage ends the program with status 2 and one line on standard error.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace puffs::bench {

// Declares --cores; `cores` lives as long as the app. `may_be_any`: whether "any" (cores.hh) is a core.
void declare_cores(CLI::App& app, std::vector<int>& cores, bool may_be_any,
                   const std::string& description);

// Reads the command line, or ends the program: after --help too.
void parse_or_exit(CLI::App& app, int argc, char** argv);

} // namespace puffs::bench
