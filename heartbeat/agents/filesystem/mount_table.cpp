#include "heartbeat/agents/filesystem/mount_table.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>

namespace hb {

namespace {

// Blanks, tabs, newlines and backslashes come as three octal digits.
std::string unescaped(std::string_view text) {
    std::string out;
    const auto is_octal = [](char c) { return c >= '0' && c <= '7'; };
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] == '\\' && at + 3 < text.size() &&
            std::all_of(text.begin() + static_cast<std::ptrdiff_t>(at) + 1,
                        text.begin() + static_cast<std::ptrdiff_t>(at) + 4,
                        is_octal)) {
            const int value =
                (text[at + 1] - '0') * 64 + (text[at + 2] - '0') * 8 + (text[at + 3] - '0');
            out += static_cast<char>(value);
            at += 3;
        } else {
            out += text[at];
        }
    }
    return out;
}

std::vector<std::string_view> words_of(std::string_view line) {
    std::vector<std::string_view> words;
    while (!line.empty()) {
        const std::size_t end = std::min(line.find(' '), line.size());
        words.push_back(line.substr(0, end));
        line.remove_prefix(std::min(end + 1, line.size()));
    }
    return words;
}

// id parent major:minor root directory options [tags...] - type source options
bool parse_line(std::string_view line, Mount& mount) {
    constexpr std::size_t kFixedWords = 6;
    const std::vector<std::string_view> words = words_of(line);
    const auto dash = std::find(words.begin(), words.end(), "-");
    if (words.size() < kFixedWords || std::distance(dash, words.end()) < 3) {
        return false;
    }
    const std::string_view id = words[0];
    if (std::from_chars(id.data(), id.data() + id.size(), mount.id).ec != std::errc()) {
        return false;
    }
    mount.device_number = words[2];
    mount.directory = unescaped(words[4]);
    mount.writable = words[5] == "rw" || words[5].starts_with("rw,");
    mount.type = *std::next(dash);
    mount.source = unescaped(*std::next(dash, 2));
    return true;
}

}  // namespace

std::vector<Mount> parse_mount_table(std::string_view text) {
    std::vector<Mount> out;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        if (Mount mount; parse_line(text.substr(0, end), mount)) {
            out.push_back(mount);
        }
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}

base::Result<std::vector<Mount>> read_mount_table() {
    std::ifstream in("/proc/self/mountinfo");
    if (!in) {
        return base::Error{base::ErrorCode::Io, "/proc/self/mountinfo cannot be read"};
    }
    const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    if (in.bad() || text.empty()) {
        return base::Error{base::ErrorCode::Io, "/proc/self/mountinfo cannot be read to its end"};
    }
    return parse_mount_table(text);
}

const Mount* mounted_on(const std::vector<Mount>& mounts, const std::string& directory) {
    const auto found = std::find_if(mounts.rbegin(), mounts.rend(), [&](const Mount& mount) {
        return mount.directory == directory;
    });
    return found == mounts.rend() ? nullptr : &*found;
}

std::vector<Mount> mounted_below(const std::vector<Mount>& mounts, const std::string& directory) {
    std::vector<Mount> out;
    const std::string below = directory == "/" ? directory : directory + "/";
    std::copy_if(mounts.rbegin(), mounts.rend(), std::back_inserter(out), [&](const Mount& mount) {
        return mount.directory.starts_with(below) && mount.directory != directory;
    });
    return out;
}

}  // namespace hb
