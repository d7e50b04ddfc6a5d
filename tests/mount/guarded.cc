// guarded - an empty directory whose server asks in its defaults for what others ask for on the command line.
#include "puffs/puffs.hh"

namespace {

struct guarded {
    static void defaults(puffs::kmod::mount_options& o) {
        o.default_permissions = true;
        o.allow_other = true;
        o.user.read_only = true;
        o.user.writeback_cache = true;
    }
    puffs::result<puffs::attr> getattr(puffs::cc&, puffs::node&) {
        puffs::attr a;
        a.mode = 040700;
        return a;
    }
};

} // namespace

int main(int argc, char** argv) {
    return puffs::main<guarded>(argc, argv);
}
