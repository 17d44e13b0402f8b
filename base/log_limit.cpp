#include "base/log_limit.h"

#include <algorithm>
#include <cctype>

namespace base {

namespace {

constexpr std::size_t kKindBytes = 120;
constexpr std::size_t kExampleBytes = 200;
constexpr std::size_t kLongNumber = 3;  // a process, a port; a volume has a shorter one
constexpr const char* kWithoutRoom = "";

bool is_digit(char c) {
    return std::isdigit(static_cast<unsigned char>(c)) != 0;
}

bool is_word(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0;
}

template <typename Test>
std::size_t end_of_run(std::string_view text, std::size_t from, Test test) {
    while (from < text.size() && test(text[from])) {
        ++from;
    }
    return from;
}

// A number that belongs to a word is part of a name: drbd100, r1000.
void add_object(std::string_view text, std::string& kind) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = end_of_run(text, at, is_digit);
        const bool of_name = at > 0 && is_word(text[at - 1]);
        if (end - at >= kLongNumber && !of_name) {
            kind += '#';
        } else {
            kind += text.substr(at, std::max<std::size_t>(end - at, 1));
        }
        at = std::max(end, at + 1);
    }
}

// A word with a digit in it is a number, an identifier, an address.
void add_event(std::string_view text, std::string& kind) {
    for (std::size_t at = 0; at < text.size();) {
        const std::string_view word = text.substr(at, end_of_run(text, at, is_word) - at);
        if (!word.empty()) {
            const bool number = std::any_of(word.begin(), word.end(), is_digit);
            kind += number ? std::string_view("#") : word;
            at += word.size();
            continue;
        }
        const char quote = text[at];
        const std::size_t end =
            quote == '\'' || quote == '"' ? text.find(quote, at + 1) : std::string_view::npos;
        kind += quote;
        at = end == std::string_view::npos ? at + 1 : end + 1;
    }
}

}  // namespace

std::string kind_of_line(std::string_view text) {
    const std::size_t colon = text.find(": ");
    const std::size_t event = colon == std::string_view::npos ? 0 : colon + 2;
    std::string kind;
    add_object(text.substr(0, event), kind);
    add_event(text.substr(event, kKindBytes), kind);
    kind.resize(std::min(kind.size(), 2 * kKindBytes));
    return kind;
}

void LogLimit::tell(const Kind& kind, std::vector<Line>& out) const {
    if (kind.held_back > 0) {
        out.push_back({kind.example.level,
                       format("%llu more like this were not logged: ", ull(kind.held_back)) +
                           kind.example.text});
    }
}

void LogLimit::tell_what_is_over(Time now, std::vector<Line>& out) {
    if (now < next_end_) {
        return;
    }
    next_end_ = Time::max();
    for (auto kind = kinds_.begin(); kind != kinds_.end();) {
        if (now >= kind->second.until) {
            tell(kind->second, out);
            kind = kinds_.erase(kind);
        } else {
            next_end_ = std::min(next_end_, kind->second.until);
            ++kind;
        }
    }
}

std::vector<LogLimit::Line> LogLimit::pass(LogLevel level, std::string_view text, Time now) {
    std::vector<Line> out;
    tell_what_is_over(now, out);
    if (level == LogLevel::Debug) {
        out.push_back({level, std::string(text)});
        return out;
    }
    std::string name = kind_of_line(text);
    auto found = kinds_.find(name);
    if (found == kinds_.end()) {
        if (kinds_.size() >= options_.kinds) {
            name = kWithoutRoom;
        }
        found = kinds_.try_emplace(std::move(name), Kind{now + options_.interval, 0, 0, {}}).first;
        next_end_ = std::min(next_end_, found->second.until);
    }
    Kind& kind = found->second;
    const unsigned limit =
        found->first == kWithoutRoom ? options_.lines_without_room : options_.lines;
    if (kind.written < limit) {
        ++kind.written;
        const bool last = kind.written == limit;
        out.push_back(
            {level, std::string(text) + (last ? " (more like this are counted, not logged)" : "")});
    } else if (kind.held_back++ == 0) {
        kind.example = {level, std::string(text.substr(0, kExampleBytes))};
    }
    return out;
}

std::vector<LogLimit::Line> LogLimit::end() {
    std::vector<Line> out;
    for (const auto& [name, kind] : kinds_) {
        tell(kind, out);
    }
    kinds_.clear();
    next_end_ = Time::max();
    return out;
}

}  // namespace base
