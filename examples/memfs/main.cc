// memfs - a file system in memory. See memfs.hh for what it does and does not.
#include "memfs/memfs.hh"

int main(int argc, char** argv) {
    return puffs::main<memfs::memfs>(argc, argv);
}
