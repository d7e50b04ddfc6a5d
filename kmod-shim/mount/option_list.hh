// mount/option_list.hh - the -o list of a mount: which options are the kernel's, which ours, which the server's.
//
// Errors:     one line that names the option, what was given, and what it may be.
// Source:     mount(8), mount.fuse3(8) (names).
#pragma once

#include "puffs/kmod/mount_options.hh"

#include <expected>
#include <string>
#include <string_view>

namespace puffs::kmod {

// apply_option_list - "allow_other,ro,attr_timeout=2.5,size=1G". A comma inside a value is written "\,".
// Options that neither the kernel nor the framework knows go to o.server, in order.
std::expected<void, std::string> apply_option_list(mount_options& o, std::string_view list);

// kernel_option_list - what the kernel is told at mount(2), whoever set it: the command line or a program.
std::string kernel_option_list(const mount_options& o);

// The text of --help about these options.
std::string option_help(const mount_options& defaults);

// parse_cpu_list - "0,2-5".
std::expected<std::vector<int>, std::string> parse_cpu_list(std::string_view text);

} // namespace puffs::kmod
