// Numbers of messages, and facts of decisions.
#pragma once

#include "heartbeat/engine/events.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hb {

// Nothing but digits of the base, 1 to 16 of them; none otherwise.
std::optional<std::uint64_t> parse_hex(std::string_view text);
std::optional<std::uint64_t> parse_decimal(std::string_view text);
std::string to_hex(std::uint64_t value);

// "name=value ", for the log of decisions.
std::string fact(std::string_view name, std::string_view value);
std::string fact(std::string_view name, std::int64_t value);
std::string fact(std::string_view name, Time value);

inline std::string fact(std::string_view name, const char* value) {
    return fact(name, std::string_view(value));
}

inline std::string yes_no(bool value) {
    return value ? "yes" : "no";
}

}  // namespace hb
