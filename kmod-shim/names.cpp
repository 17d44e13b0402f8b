#include "kmod-shim/names.h"

#include <algorithm>
#include <charconv>
#include <sstream>
#include <sys/sysmacros.h>

namespace shim {

using base::Error;
using base::ErrorCode;
using base::Result;

namespace {

constexpr std::uint64_t kMinorMax = (1u << 20) - 1;
constexpr std::string_view kNodePrefix = "drbd";
constexpr std::string_view kVolumeSuffix = ".fuse/volume";
constexpr std::string_view kBackendPrefix = "drbdd:";

bool is_safe_path(std::string_view path) {
    if (path.empty() || path.find('\0') != std::string_view::npos) {
        return false;
    }
    std::size_t start = 0;
    while (start <= path.size()) {
        const std::size_t end = std::min(path.find('/', start), path.size());
        const std::string_view part = path.substr(start, end - start);
        if (part.empty() || part == "." || part == "..") {
            return false;
        }
        start = end + 1;
    }
    return true;
}

// mountinfo writes blank, tab, newline and backslash as \ooo.
std::string unescape(const std::string& text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned code = 0;
        const char* from = text.data() + i + 1;
        if (text[i] == '\\' && i + 3 < text.size() &&
            std::from_chars(from, from + 3, code, 8).ptr == from + 3) {
            plain += static_cast<char>(code);
            i += 3;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

// "36 35 98:0 /root /mount/point options [optional...] - type source options"
std::optional<Mount> parse_mount(const std::string& line) {
    std::istringstream words(line);
    std::string id, parent, device, root, mount_point, options, word;
    if (!(words >> id >> parent >> device >> root >> mount_point >> options)) {
        return std::nullopt;
    }
    while (words >> word && word != "-") {
    }
    Mount mount;
    const std::size_t colon = device.find(':');
    if (word != "-" || !(words >> mount.fs_type >> mount.source) || colon == std::string::npos) {
        return std::nullopt;
    }
    const auto major = parse_number(device.substr(0, colon));
    const auto minor = parse_number(device.substr(colon + 1));
    if (!major || !minor) {
        return std::nullopt;
    }
    mount.device_major = static_cast<unsigned>(*major);
    mount.device_minor = static_cast<unsigned>(*minor);
    mount.mount_point = unescape(mount_point);
    mount.source = unescape(mount.source);
    return mount;
}

}  // namespace

std::optional<std::uint64_t> parse_number(std::string_view text) {
    if (text.ends_with('\n')) {
        text.remove_suffix(1);
    }
    std::uint64_t value = 0;
    const char* end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, value);
    if (text.empty() || error != std::errc{} || stopped != end) {
        return std::nullopt;
    }
    return value;
}

std::string node_name(unsigned minor) {
    return std::string(kNodePrefix) + std::to_string(minor);
}

std::optional<unsigned> minor_of_node(std::string_view name) {
    if (!name.starts_with(kNodePrefix)) {
        return std::nullopt;
    }
    const auto number = parse_number(name.substr(kNodePrefix.size()));
    if (!number || *number > kMinorMax || node_name(static_cast<unsigned>(*number)) != name) {
        return std::nullopt;
    }
    return static_cast<unsigned>(*number);
}

Result<std::string> by_res_link(const std::string& resource, unsigned volume, bool implicit) {
    if (!is_safe_path(resource)) {
        return Error{ErrorCode::Invalid, "the resource name '" + resource + "' cannot be a path"};
    }
    const std::string link = "drbd/by-res/" + resource;
    return implicit ? link : link + "/" + std::to_string(volume);
}

Result<std::string> by_disk_link(const std::string& disk) {
    std::string_view path = disk;
    for (const std::string_view prefix : {std::string_view("/dev/"), std::string_view("/")}) {
        if (path.starts_with(prefix)) {
            path.remove_prefix(prefix.size());
            break;
        }
    }
    if (!is_safe_path(path)) {
        return Error{ErrorCode::Invalid, "the disk '" + disk + "' cannot become a link's name"};
    }
    return "drbd/by-disk/" + std::string(path);
}

std::string link_content(const std::string& link, const std::string& node) {
    std::string content;
    for (auto ups = std::count(link.begin(), link.end(), '/'); ups > 0; --ups) {
        content += "../";
    }
    return content + node;
}

RunFiles run_files(const std::string& run_dir, unsigned minor) {
    const std::string stem = run_dir + "/" + node_name(minor);
    return {stem + ".fuse",
            stem + std::string(kVolumeSuffix),
            stem + ".fuse.pid",
            stem + ".loop",
            stem + ".nbd-device",
            stem + ".ublk.pid",
            stem + ".ublk-device",
            stem + ".placeholder"};
}

std::optional<VolumePath> parse_volume_path(std::string_view path) {
    if (path.ends_with('\n')) {
        path.remove_suffix(1);
    }
    if (!path.ends_with(kVolumeSuffix)) {
        return std::nullopt;
    }
    path.remove_suffix(kVolumeSuffix.size());
    const std::size_t slash = path.rfind('/');
    if (slash == std::string_view::npos) {
        return std::nullopt;
    }
    const auto minor = minor_of_node(path.substr(slash + 1));
    if (!minor) {
        return std::nullopt;
    }
    return VolumePath{std::string(path.substr(0, slash)), *minor};
}

std::string backend_identifier(const BackendIdentifier& identifier) {
    return std::string(kBackendPrefix) + identifier.token + ":" + identifier.volume.run_dir + "/" +
           node_name(identifier.volume.minor);
}

std::optional<BackendIdentifier> parse_backend_identifier(std::string_view text) {
    if (!text.starts_with(kBackendPrefix)) {
        return std::nullopt;
    }
    text.remove_prefix(kBackendPrefix.size());
    const std::size_t colon = text.find(':');
    const std::size_t slash = text.rfind('/');
    if (colon == 0 || colon == std::string_view::npos || slash == std::string_view::npos ||
        slash < colon) {
        return std::nullopt;
    }
    const auto minor = minor_of_node(text.substr(slash + 1));
    if (!minor) {
        return std::nullopt;
    }
    return BackendIdentifier{std::string(text.substr(0, colon)),
                             {std::string(text.substr(colon + 1, slash - colon - 1)), *minor}};
}

std::optional<dev_t> parse_device_number(std::string_view text) {
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) {
        return std::nullopt;
    }
    const auto major = parse_number(text.substr(0, colon));
    const auto minor = parse_number(text.substr(colon + 1));
    if (!major || !minor) {
        return std::nullopt;
    }
    return makedev(static_cast<unsigned>(*major), static_cast<unsigned>(*minor));
}

std::vector<Mount> parse_mountinfo(std::string_view text) {
    std::vector<Mount> mounts;
    std::istringstream lines{std::string(text)};
    std::string line;
    while (std::getline(lines, line)) {
        if (auto mount = parse_mount(line)) {
            mounts.push_back(std::move(*mount));
        }
    }
    return mounts;
}

}  // namespace shim
