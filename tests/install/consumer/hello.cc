// A file server outside the tree: one directory with nothing in it.
#include <puffs/puffs.hh>

struct empty {
    puffs::result<puffs::attr> getattr(puffs::cc&, puffs::node& n) {
        puffs::attr a;
        a.mode = 040755;
        a.nlink = n.is_dir() ? 2 : 1;
        return a;
    }
};

int main(int argc, char** argv) {
    return puffs::main<empty>(argc, argv);
}
