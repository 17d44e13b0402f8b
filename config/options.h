// The options of DRBD 8.4 and those that files for 9 have: what is known, what values are allowed,
// what this version supports. What it cannot give keeps a resource from being brought up if safety
// depends on it; else it is accepted with a word on what will not happen. Nothing is ignored
// silently.
// Configuration specification, section 5.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace config {

enum class Section { Net, Disk, Options, Startup, Handlers };

std::string_view section_name(Section section);  // "net"

struct OptionSpec {
    enum class Kind { Number, Bool, Enum, String, Words };
    // Supported with every value, with one value only (`only`), or not at all. Moot: accepted, but
    // any value other than `only` does nothing here, for the reason `why`. Except: with every value
    // but `only`. Digest: with the names of those digests that this version computes.
    enum class Support { Yes, Only, Except, No, Moot, Digest };

    std::string_view name;
    Kind kind = Kind::String;
    Support support = Support::Yes;
    // Number: unit of a bare number (' ' plain, 'k' KiB, 's' sectors of 512 bytes), and the range.
    char scale = ' ';
    std::uint64_t min = 0;
    std::uint64_t max = 0;
    bool clamped = false;  // out of range is not an error: the nearest value is taken
    std::span<const std::string_view> words = {};  // Enum
    std::uint64_t max_length = 0;                  // String, 0: no limit of its own
    std::string_view only = {};
    std::string_view why = {};
};

// All options of a section, in the order in which the original prints them.
std::span<const OptionSpec> options_of(Section section);

// Null if DRBD has no such option there. `name` may be one of the old names (rate, after,
// outdate-peer).
const OptionSpec* find_option(Section section, std::string_view name);

// "40M" with scale 'k' is 40960: a bare number is in the scale's unit, one with a unit letter is in
// bytes and rounded up.
struct Number {
    enum class Problem { None, NotANumber, Overflow };
    Problem problem = Problem::None;
    std::uint64_t value = 0;  // in units of the scale
};

Number parse_number(std::string_view text, char scale);

// What is wrong with `value`, in the words of the original, without file and line; empty: nothing.
std::string check_value(const OptionSpec& spec, std::string_view value);

// The refusal of an option or value that DRBD knows and this version does not; empty: supported.
std::string check_support(const OptionSpec& spec, Section section, std::string_view value);

// The warning about a value that does nothing here; empty: it does what it says.
std::string check_effect(const OptionSpec& spec, Section section, std::string_view value);

}  // namespace config
