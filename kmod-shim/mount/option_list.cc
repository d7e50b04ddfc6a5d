#include "mount/option_list.hh"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <utility>

namespace puffs::kmod {

namespace {

using outcome = std::expected<void, std::string>;

// Flags that mount(2) and libfuse's mounting know: passed on as they are, but for the first two.
constexpr std::array kernel_flags = {
    "rw",         "ro",       "suid",    "nosuid",      "dev",          "nodev",
    "exec",       "noexec",   "atime",   "noatime",     "sync",         "async",
    "nodiratime", "diratime", "dirsync", "nosymfollow", "auto_unmount",
};
// What mount(8) and fstab put into a list for other programs.
constexpr std::array ignored = {"defaults", "auto",   "noauto",   "user",        "nouser",  "users",
                                "_netdev",  "nofail", "relatime", "strictatime", "lazytime"};

constexpr double seconds_max = 1e9;
// Whoever looks four times in less would be a load.
constexpr std::chrono::nanoseconds shortest_watchdog = std::chrono::milliseconds(10);

std::expected<std::chrono::nanoseconds, std::string> seconds(std::string_view name,
                                                             std::string_view text) {
    double value = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failed != std::errc() || end != text.data() + text.size() || !(value >= 0) ||
        value > seconds_max) {
        return std::unexpected(
            fmt::format("option '{}={}': want seconds from 0 to {:g}", name, text, seconds_max));
    }
    return std::chrono::nanoseconds(static_cast<std::int64_t>(value * 1e9));
}

std::expected<std::uint32_t, std::string> bytes(std::string_view name, std::string_view text,
                                                std::uint32_t low, std::uint32_t high) {
    std::uint64_t value = 0;
    auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failed == std::errc() && end != text.data() + text.size() &&
        end + 1 == text.data() + text.size()) {
        const auto shift = *end == 'k' || *end == 'K' ? 10 : *end == 'm' || *end == 'M' ? 20 : 0;
        if (shift != 0 && value <= high) {
            value <<= shift;
            ++end;
        }
    }
    if (failed != std::errc() || end != text.data() + text.size() || value < low || value > high) {
        return std::unexpected(
            fmt::format("option '{}={}': want bytes from {} to {}", name, text, low, high));
    }
    return static_cast<std::uint32_t>(value);
}

std::expected<std::uint32_t, std::string> number(std::string_view name, std::string_view text,
                                                 std::uint32_t low, std::uint32_t high) {
    std::uint32_t value = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failed != std::errc() || end != text.data() + text.size() || value < low || value > high) {
        return std::unexpected(
            fmt::format("option '{}={}': want a number from {} to {}", name, text, low, high));
    }
    return value;
}

outcome need_value(std::string_view name, bool has_value) {
    if (!has_value) {
        return std::unexpected(fmt::format("option '{}': a value is missing", name));
    }
    return {};
}

outcome set_policy(mount_options& o, std::string_view text) {
    const auto found =
        std::ranges::find_if(all_policies, [text](policy p) { return name_of(p) == text; });
    if (found == all_policies.end()) {
        return std::unexpected(
            fmt::format("option 'policy={}': want per_node, serial, parallel or home", text));
    }
    o.user.concurrency = *found;
    return {};
}

outcome set_readdirplus(mount_options& o, std::string_view text) {
    if (text == "auto") {
        o.readdirplus = std::nullopt;
    } else if (text == "yes" || text == "no") {
        o.readdirplus = text == "yes";
    } else {
        return std::unexpected(fmt::format("option 'readdirplus={}': want auto, yes or no", text));
    }
    return {};
}

outcome set_seconds(std::chrono::nanoseconds& into, std::string_view name, std::string_view text) {
    auto value = seconds(name, text);
    if (!value) {
        return std::unexpected(value.error());
    }
    into = *value;
    return {};
}

outcome set_watchdog(mount_options& o, std::string_view name, std::string_view text) {
    std::chrono::nanoseconds limit{0};
    if (auto set = set_seconds(limit, name, text); !set) {
        return set;
    }
    if (limit != std::chrono::nanoseconds::zero() && limit < shortest_watchdog) {
        return std::unexpected(
            fmt::format("option '{}={}': want 0 or at least {:g} seconds", name, text,
                        std::chrono::duration<double>(shortest_watchdog).count()));
    }
    o.watchdog = limit;
    return {};
}

outcome set_bytes(std::uint32_t& into, std::string_view name, std::string_view text,
                  std::uint32_t low, std::uint32_t high) {
    auto value = bytes(name, text, low, high);
    if (!value) {
        return std::unexpected(value.error());
    }
    into = *value;
    return {};
}

outcome set_number(std::uint32_t& into, std::string_view name, std::string_view text,
                   std::uint32_t low, std::uint32_t high) {
    auto value = number(name, text, low, high);
    if (!value) {
        return std::unexpected(value.error());
    }
    into = *value;
    return {};
}

struct valued_option {
    const char* name;
    outcome (*apply)(mount_options& o, std::string_view name, std::string_view text);
};

constexpr std::uint32_t page = 4096;
constexpr std::uint32_t uring_entries_max = 64; // of a queue; each holds a whole payload
constexpr auto payload_max = static_cast<std::uint32_t>(limits::payload_bytes);

constexpr std::array valued = {
    valued_option{"fsname",
                  [](mount_options& o, std::string_view, std::string_view t) {
                      o.source = t;
                      return outcome();
                  }},
    valued_option{"subtype",
                  [](mount_options& o, std::string_view, std::string_view t) {
                      o.subtype = t;
                      return outcome();
                  }},
    valued_option{"attr_timeout",
                  [](mount_options& o, std::string_view n, std::string_view t) {
                      return set_seconds(o.user.attr_timeout, n, t);
                  }},
    valued_option{"entry_timeout",
                  [](mount_options& o, std::string_view n, std::string_view t) {
                      return set_seconds(o.user.entry_timeout, n, t);
                  }},
    valued_option{"negative_timeout",
                  [](mount_options& o, std::string_view n, std::string_view t) {
                      return set_seconds(o.user.negative_timeout, n, t);
                  }},
    valued_option{"max_read",
                  [](mount_options& o, std::string_view n, std::string_view t) {
                      return set_bytes(o.max_read, n, t, page, payload_max);
                  }},
    valued_option{"max_write",
                  [](mount_options& o, std::string_view n, std::string_view t) {
                      return set_bytes(o.max_write, n, t, page, payload_max);
                  }},
    valued_option{"max_background",
                  [](mount_options& o, std::string_view n, std::string_view t) {
                      return set_number(o.max_background, n, t, 1, 65535);
                  }},
    valued_option{"congestion_threshold",
                  [](mount_options& o, std::string_view n, std::string_view t) {
                      return set_number(o.congestion_threshold, n, t, 1, 65535);
                  }},
    valued_option{"uring_entries",
                  [](mount_options& o, std::string_view n, std::string_view t) {
                      return set_number(o.uring_entries, n, t, 1, uring_entries_max);
                  }},
    valued_option{"watchdog", [](mount_options& o, std::string_view n,
                                 std::string_view t) { return set_watchdog(o, n, t); }},
    valued_option{"backlog", [](mount_options& o, std::string_view n,
                                std::string_view t) { return set_seconds(o.user.backlog, n, t); }},
    valued_option{"policy", [](mount_options& o, std::string_view,
                               std::string_view t) { return set_policy(o, t); }},
    valued_option{"readdirplus", [](mount_options& o, std::string_view,
                                    std::string_view t) { return set_readdirplus(o, t); }},
};

outcome apply_one(mount_options& o, const std::string& name, const std::string& value,
                  bool has_value) {
    for (const valued_option& v : valued) {
        if (name == v.name) {
            if (auto missing = need_value(name, has_value); !missing) {
                return missing;
            }
            return v.apply(o, name, value);
        }
    }
    if (!has_value) {
        if (name ==
            "allow_root") { // the kernel knows no such option: somebody would have to check each request
            return std::unexpected(
                "option 'allow_root': not supported; allow_other lets root in, and everybody else");
        }
        if (name == "allow_other" || name == "default_permissions") {
            (name == "allow_other" ? o.allow_other : o.default_permissions) = true;
            return {};
        }
        if (name == "writeback_cache") {
            o.user.writeback_cache = true;
            return {};
        }
        if (name == "ro" || name == "rw") {
            o.user.read_only = name == "ro";
            return {};
        }
        if (std::ranges::find(kernel_flags, name) != kernel_flags.end()) {
            o.kernel.push_back(name);
            return {};
        }
        if (std::ranges::find(ignored, name) != ignored.end()) {
            return {};
        }
    }
    if (has_value && std::ranges::find(kernel_flags, name) != kernel_flags.end()) {
        return std::unexpected(fmt::format("option '{}={}': takes no value", name, value));
    }
    if (name.starts_with("x-") || name == "comment") {
        return {};
    }
    o.server.emplace_back(name, value);
    return {};
}

// A value as it stands in an option list: a comma in it does not end it.
std::string escaped(std::string_view value) {
    std::string text;
    for (const char c : value) {
        if (c == ',' || c == '\\') {
            text += '\\';
        }
        text += c;
    }
    return text;
}

} // namespace

std::expected<void, std::string> apply_option_list(mount_options& o, std::string_view list) {
    std::size_t at = 0;
    while (at < list.size()) {
        std::string name;
        std::string value;
        bool has_value = false;
        for (; at < list.size() && list[at] != ','; ++at) {
            if (list[at] == '=' && !has_value) {
                has_value = true;
                continue;
            }
            if (list[at] == '\\' && at + 1 < list.size()) {
                ++at;
            }
            (has_value ? value : name) += list[at];
        }
        ++at; // the comma
        if (name.empty()) {
            if (has_value) {
                return std::unexpected(
                    fmt::format("option list '{}': '={}' has no name", list, value));
            }
            continue;
        }
        if (auto applied = apply_one(o, name, value, has_value); !applied) {
            return applied;
        }
    }
    return {};
}

std::string kernel_option_list(const mount_options& o) {
    std::string list = fmt::format("fsname={},subtype={}", escaped(o.source), escaped(o.subtype));
    for (const auto& [set, name] : {std::pair(o.user.read_only, "ro"),
                                    std::pair(o.default_permissions, "default_permissions"),
                                    std::pair(o.allow_other, "allow_other")}) {
        if (set) {
            list += fmt::format(",{}", name);
        }
    }
    for (const std::string& k : o.kernel) {
        list += fmt::format(",{}", k);
    }
    if (o.max_read != 0) {
        list += fmt::format(",max_read={}", o.max_read);
    }
    return list;
}

std::string option_help(const mount_options& defaults) {
    const auto seconds = [](std::chrono::nanoseconds t) {
        return static_cast<double>(t.count()) / 1e9;
    };
    return fmt::format(
        R"(Options of the kernel (-o, separated by commas):
  allow_other              other users may use the mount
  default_permissions      the kernel checks permissions by mode and owner
  ro, nosuid, nodev, noexec, noatime, sync, dirsync, auto_unmount, ... as in mount(8)
  fsname=NAME              what mount(8) shows as the source
  subtype=NAME             the type is shown as fuse.NAME
  max_read=BYTES           largest read request
Options of the framework:
  attr_timeout=S           seconds for which the kernel may keep attributes (default {:.9g})
  entry_timeout=S          the same for names (default {:.9g})
  negative_timeout=S       the same for names that do not exist (default {:.9g})
  max_write=BYTES          largest write request (4K to 1M, default 1M)
  max_background=N         requests nobody waits for, at once (default: 16 a core, at least 64)
  congestion_threshold=N   how many of them make the kernel hold back (default: three quarters)
  uring_entries=N          requests of each CPU that may be in the server at once on transport uring
                           (1 to 64, each takes the memory of a largest read or write;
                           default: 8, or what fits into 256 MiB)
  readdirplus=auto|yes|no  attributes together with directory entries (default auto)
  writeback_cache          the kernel collects writes, and keeps sizes and times of files itself
  watchdog=S               seconds after which an operation that holds its core is logged; 0: never
                           (default {:.9g})
  backlog=S                seconds of work that wait on a core beyond which a core that sleeps gets
                           some of it; policies per_node and parallel, transport uring; 0: never
                           (default {:.9g})
  policy=per_node|serial|parallel|home   what may run at the same time (default: the server's)
)",
        seconds(defaults.user.attr_timeout), seconds(defaults.user.entry_timeout),
        seconds(defaults.user.negative_timeout), seconds(defaults.watchdog),
        seconds(defaults.user.backlog));
}

std::expected<std::vector<int>, std::string> parse_cpu_list(std::string_view text) {
    std::vector<int> cpus;
    const auto wrong = [&] {
        return std::unexpected(
            fmt::format("option '--cores={}': want CPU numbers such as 0,2-5", text));
    };
    const char* at = text.data();
    const char* const end = text.data() + text.size();
    while (true) {
        int first = 0;
        auto [next, failed] = std::from_chars(at, end, first);
        if (failed != std::errc() || first < 0) {
            return wrong();
        }
        int last = first;
        if (next != end && *next == '-') {
            auto [after, bad] = std::from_chars(next + 1, end, last);
            if (bad != std::errc() || last < first ||
                last - first >= static_cast<int>(limits::cores)) {
                return wrong();
            }
            next = after;
        }
        for (int c = first; c <= last; ++c) {
            if (std::ranges::find(cpus, c) != cpus.end()) {
                return std::unexpected(
                    fmt::format("option '--cores={}': CPU {} stands twice", text, c));
            }
            cpus.push_back(c);
        }
        if (next == end) {
            break;
        }
        if (*next != ',') {
            return wrong();
        }
        at = next + 1;
    }
    if (cpus.size() > limits::cores) {
        return std::unexpected(
            fmt::format("option '--cores={}': at most {} CPUs", text, limits::cores));
    }
    return cpus;
}

} // namespace puffs::kmod
