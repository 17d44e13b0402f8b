// What the readers of this room share: lines with their numbers, words, numbers, addresses, and
// complaints that say where.
#pragma once

#include "config/ha/findings.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace config::ha_text {

inline constexpr std::size_t kMaxFileBytes = 1u << 20;
inline constexpr std::size_t kMaxLineBytes = 5119;  // the original's line buffer
inline constexpr std::size_t kMaxErrors = 100;      // a file that is something else altogether

struct Line {
    int number = 0;
    std::string text;  // without comment, line end and surrounding blanks; never empty
};

class Reporter {
public:
    Reporter(std::string file, HaFindings& findings)
        : file_(std::move(file)), findings_(findings) {}

    void error(int line, const std::string& text);
    void error(const std::string& text);  // about the file as a whole
    void warning(int line, const std::string& text);
    void warning(const std::string& text);

    bool full() const { return findings_.errors.size() >= kMaxErrors; }

private:
    std::string file_;
    HaFindings& findings_;
};

enum class Comments { Anywhere, OwnLine };

// The lines that say something. Complains about those that are too long or are no text; `joined`:
// a backslash at the end continues a line, which keeps the number of its first part.
std::vector<Line> lines_of(std::string_view text,
                           Comments comments,
                           bool joined,
                           Reporter& reporter);

std::string_view trimmed(std::string_view text);
std::vector<std::string> words_of(std::string_view text, std::string_view separators = " \t");
// What is between the separators, also if it is empty: one part more than there are separators.
std::vector<std::string> parts_of(std::string_view text, std::string_view separator);
// The first word, and what follows it without blanks around.
std::pair<std::string_view, std::string_view> split_first(std::string_view text);

// Decimal digits only, at most `max`.
std::optional<std::uint64_t> number_of(std::string_view word, std::uint64_t max);

bool is_ipv4(std::string_view word);
bool is_ipv6(std::string_view word);
// Four numbers with dots between, whatever their size: meant as an address, perhaps mistyped.
bool looks_like_ipv4(std::string_view word);

std::string quoted(std::string_view word);

}  // namespace config::ha_text
