// puffs.hh - the header that a file server includes.
//
//   struct hello { ... operations by name, see puffs/server/ops.hh ... };
//   int main(int argc, char** argv) { return puffs::main<hello>(argc, argv); }
#pragma once

#include "puffs/kmod/main.hh"
#include "puffs/lwkt/io.hh"
#include "puffs/lwkt/offload.hh"
#include "puffs/server/credentials.hh"
#include "puffs/server/make_operations.hh"
#include "puffs/server/ops.hh"
#include "puffs/server/usermount.hh"
