#include "config/ha/text.h"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>

namespace config::ha_text {

namespace {

constexpr std::string_view kBlanks = " \t";

bool is_text(std::string_view line) {
    return std::none_of(line.begin(), line.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return (byte < 0x20 && c != '\t') || byte == 0x7f;
    });
}

// CR and LF end a line wherever they stand; what is between is blank and says nothing.
std::string_view without_line_end(std::string_view line) {
    while (!line.empty() && line.back() == '\r') {
        line.remove_suffix(1);
    }
    return line;
}

std::string_view without_comment(std::string_view line, Comments comments) {
    const std::size_t hash = line.find('#');
    if (hash == std::string_view::npos) {
        return line;
    }
    const bool own_line = trimmed(line.substr(0, hash)).empty();
    return comments == Comments::Anywhere || own_line ? line.substr(0, hash) : line;
}

// Takes the backslash off; a continued line is followed by a blank, so that words stay apart.
bool take_continuation(std::string_view& line) {
    if (line.empty() || line.back() != '\\') {
        return false;
    }
    line.remove_suffix(1);
    return true;
}

}  // namespace

void Reporter::error(int line, const std::string& text) {
    if (!full()) {
        findings_.errors.push_back(file_ + ":" + std::to_string(line) + ": " + text);
    }
}

void Reporter::error(const std::string& text) {
    if (!full()) {
        findings_.errors.push_back(file_ + ": " + text);
    }
}

void Reporter::warning(int line, const std::string& text) {
    if (findings_.warnings.size() < kMaxErrors) {
        findings_.warnings.push_back(file_ + ":" + std::to_string(line) + ": " + text);
    }
}

void Reporter::warning(const std::string& text) {
    if (findings_.warnings.size() < kMaxErrors) {
        findings_.warnings.push_back(file_ + ": " + text);
    }
}

std::vector<Line> lines_of(std::string_view text,
                           Comments comments,
                           bool joined,
                           Reporter& reporter) {
    std::vector<Line> lines;
    if (text.size() > kMaxFileBytes) {
        reporter.error("is larger than 1 MiB: this is no configuration file");
        return lines;
    }
    Line pending;
    bool continues = false;
    for (int number = 1; !text.empty() && !reporter.full(); ++number) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = without_line_end(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.size() > kMaxLineBytes) {
            reporter.error(number, "the line is longer than 5119 bytes");
            line = {};
        } else if (!is_text(line)) {
            reporter.error(number, "the line contains control characters");
            line = {};
        }
        line = trimmed(without_comment(line, comments));
        if (!continues) {
            pending = {number, {}};
        }
        continues = joined && take_continuation(line);
        pending.text.append(line).append(continues ? " " : "");
        if (!continues && !trimmed(pending.text).empty()) {
            pending.text = std::string(trimmed(pending.text));
            lines.push_back(pending);
        }
    }
    if (continues && !trimmed(pending.text).empty()) {
        pending.text = std::string(trimmed(pending.text));
        lines.push_back(pending);
    }
    return lines;
}

std::string_view trimmed(std::string_view text) {
    const std::size_t first = text.find_first_not_of(kBlanks);
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::vector<std::string> words_of(std::string_view text, std::string_view separators) {
    std::vector<std::string> words;
    for (std::size_t at = text.find_first_not_of(separators); at != std::string_view::npos;
         at = text.find_first_not_of(separators, at)) {
        const std::size_t end = std::min(text.find_first_of(separators, at), text.size());
        words.emplace_back(text.substr(at, end - at));
        at = end;
    }
    return words;
}

std::vector<std::string> parts_of(std::string_view text, std::string_view separator) {
    std::vector<std::string> parts;
    for (std::size_t at = 0; at <= text.size();) {
        const std::size_t end = std::min(text.find(separator, at), text.size());
        parts.emplace_back(text.substr(at, end - at));
        at = end + separator.size();
    }
    return parts;
}

std::pair<std::string_view, std::string_view> split_first(std::string_view text) {
    text = trimmed(text);
    const std::size_t end = std::min(text.find_first_of(kBlanks), text.size());
    return {text.substr(0, end), trimmed(text.substr(end))};
}

std::optional<std::uint64_t> number_of(std::string_view word, std::uint64_t max) {
    std::uint64_t value = 0;
    const char* const end = word.data() + word.size();
    const auto [stop, code] = std::from_chars(word.data(), end, value);
    if (word.empty() || code != std::errc{} || stop != end || value > max) {
        return std::nullopt;
    }
    return value;
}

bool is_ipv4(std::string_view word) {
    in_addr address{};
    return ::inet_pton(AF_INET, std::string(word).c_str(), &address) == 1;
}

bool is_ipv6(std::string_view word) {
    in6_addr address{};
    return ::inet_pton(AF_INET6, std::string(word).c_str(), &address) == 1;
}

bool looks_like_ipv4(std::string_view word) {
    const auto digit_or_dot = [](char c) { return (c >= '0' && c <= '9') || c == '.'; };
    return std::count(word.begin(), word.end(), '.') == 3 &&
           std::all_of(word.begin(), word.end(), digit_or_dot);
}

std::string quoted(std::string_view word) {
    return "'" + std::string(word) + "'";
}

}  // namespace config::ha_text
