#include "daemon/mountpoint.hh"

#include "daemon/limits.hh"

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

namespace puffs::daemon {
namespace {

// Takes the text up to the next blank off the front of `line`.
std::string_view next_field(std::string_view& line) {
    const auto end = line.find(' ');
    const auto field = line.substr(0, end);
    line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
    return field;
}

bool is_octal(char c) {
    return c >= '0' && c <= '7';
}

// The kernel writes blank, tab, newline and backslash in a path as a backslash and three octal digits.
std::string unescape(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size() && is_octal(text[i + 1]) &&
            is_octal(text[i + 2]) && is_octal(text[i + 3])) {
            out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                     (text[i + 3] - '0'));
            i += 3;
        } else {
            out += text[i];
        }
    }
    return out;
}

} // namespace

std::string canonical_mountpoint(const std::string& path) {
    const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr),
                                                           &std::free);
    if (real) return real.get();
    std::error_code ignored; // no current directory: the path stays relative and is refused later
    auto normal = std::filesystem::absolute(path, ignored).lexically_normal().string();
    while (normal.size() > 1 && normal.ends_with('/'))
        normal.pop_back();
    return normal;
}

outcome<void> check_mountpoint(std::string_view path) {
    const auto refuse = [&](std::string_view why) {
        return fail(failure_code::bad_request,
                    "mount point '" + one_line(path) + "' " + std::string(why));
    };
    if (path.size() > limits::path_bytes) {
        return fail(failure_code::bad_request, "the mount point's path is too long");
    }
    if (!path.starts_with('/')) return refuse("is not an absolute path");
    if (path == "/") return refuse("is the root directory");
    if (path != one_line(path)) return refuse("has a control character in it");
    const std::string own(path);
    if (own.ends_with('/') || std::filesystem::path(own).lexically_normal().string() != own) {
        return refuse("is not canonical ('.', '..', '//' or '/' at the end)");
    }
    return {};
}

bool lies_below(std::string_view inner, std::string_view outer) {
    return inner.size() > outer.size() && inner.starts_with(outer) && inner[outer.size()] == '/';
}

bool mount_entry::is_fuse() const {
    return type == "fuse" || type == "fuseblk" || type.starts_with("fuse.");
}

std::vector<mount_entry> mounts_at(std::string_view mountinfo, std::string_view mountpoint) {
    std::vector<mount_entry> found;
    while (!mountinfo.empty()) {
        const auto end = mountinfo.find('\n');
        auto line = mountinfo.substr(0, end);
        mountinfo.remove_prefix(end == std::string_view::npos ? mountinfo.size() : end + 1);

        // 36 35 98:0 /root /mount/point rw,noatime shared:1 - type source options
        const auto id = next_field(line);
        next_field(line);
        const auto device = next_field(line);
        next_field(line);
        if (unescape(next_field(line)) != mountpoint) continue;
        const auto dash = line.find(" - ");
        if (dash == std::string_view::npos) continue;
        line.remove_prefix(dash + 3);
        found.push_back({std::string(id), std::string(device), std::string(next_field(line))});
    }
    return found;
}

outcome<std::vector<mount_entry>> mounts_at(std::string_view mountpoint) {
    std::ifstream file("/proc/self/mountinfo");
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    if (!file || text.empty())
        return fail(failure_code::system, "cannot read /proc/self/mountinfo");
    return mounts_at(text, mountpoint);
}

std::optional<std::string> type_mounted_at(std::string_view mountinfo,
                                           std::string_view mountpoint) {
    const auto found = mounts_at(mountinfo, mountpoint);
    if (found.empty() || !found.back().is_fuse()) return std::nullopt;
    return found.back().type;
}

outcome<std::optional<std::string>> mounted_at(std::string_view mountpoint) {
    const auto found = mounts_at(mountpoint);
    if (!found) return std::unexpected(found.error());
    if (found->empty() || !found->back().is_fuse()) return std::nullopt;
    return found->back().type;
}

} // namespace puffs::daemon
