#include "arguments.hh"

#include "cores.hh"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace puffs::bench {

void declare_cores(CLI::App& app, std::vector<int>& cores, bool may_be_any,
                   const std::string& description) {
    app.add_option_function<std::string>(
           "--cores",
           [&cores, may_be_any](const std::string& list) {
               if (!parse_cores(list, cores) ||
                   (!may_be_any && std::ranges::find(cores, any_core) != cores.end()))
                   throw CLI::ValidationError("--cores", list + " is not a list of cores");
           },
           description)
        ->type_name("LIST");
}

void parse_or_exit(CLI::App& app, int argc, char** argv) {
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& done) {
        std::exit(app.exit(done));
    } catch (const CLI::ParseError& wrong) {
        std::fprintf(stderr, "%s: %s; see --help\n", app.get_name().c_str(), wrong.what());
        std::exit(2);
    }
}

} // namespace puffs::bench
