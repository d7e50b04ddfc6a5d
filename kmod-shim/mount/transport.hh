// mount/transport.hh - which way requests come, and which core serves which of the kernel's queues.
//
// Units:      CPU numbers.
// Threading:  ordinary threads; reads files of /sys.
// Errors:     choose_transport: one line for the user.
// Source:     Linux fs/fuse/dev_uring.c (a queue for each possible CPU; the module parameter enable_uring).
#pragma once

#include "puffs/kmod/mount_options.hh"

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace puffs::kmod {

// What the kernel says about FUSE over io_uring.
enum class uring_support {
    absent, // it does not know it
    off,    // it does, but may not
    on,
};
[[nodiscard]] uring_support uring_support_here();

struct transport_choice {
    bool uring = false; // offer it to the kernel at INIT
    std::string why;    // for the log
};
// Errors:  `asked` is transport_kind::uring and the kernel cannot.
[[nodiscard]] std::expected<transport_choice, std::string>
choose_transport(transport_kind asked, uring_support kernel, const std::vector<int>& possible);

// queues_of_cores - for each core the CPUs whose queues it serves: its own, and its share of those on which no core
// runs, because the kernel wants all of them served before it sends anything.
[[nodiscard]] std::vector<std::vector<std::uint16_t>>
queues_of_cores(const std::vector<int>& cpu_of_core, const std::vector<int>& possible);

// Every CPU that this machine could have; empty where it does not say, or more than limits::cores.
[[nodiscard]] std::vector<int> possible_cpus();

// entries_of_queue - `asked`, or where that is 0 as many as the memory bound allows, at most 8.
[[nodiscard]] unsigned entries_of_queue(unsigned asked, std::size_t queues,
                                        std::size_t payload_bytes);

} // namespace puffs::kmod
