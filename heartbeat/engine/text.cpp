#include "heartbeat/engine/text.h"

#include <charconv>

namespace hb {

namespace {

std::optional<std::uint64_t> parse(std::string_view text, int base) {
    std::uint64_t value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value, base);
    if (text.empty() || error != std::errc{} || stop != end) {
        return std::nullopt;
    }
    return value;
}

}  // namespace

std::optional<std::uint64_t> parse_hex(std::string_view text) {
    return parse(text, 16);
}

std::optional<std::uint64_t> parse_decimal(std::string_view text) {
    return parse(text, 10);
}

std::string to_hex(std::uint64_t value) {
    char digits[16];
    const auto result = std::to_chars(digits, digits + sizeof digits, value, 16);
    return std::string(digits, result.ptr);
}

std::string fact(std::string_view name, std::string_view value) {
    return std::string(name) + "=" + std::string(value) + " ";
}

std::string fact(std::string_view name, std::int64_t value) {
    return fact(name, std::string_view(std::to_string(value)));
}

std::string fact(std::string_view name, Time value) {
    return fact(name, value.count());
}

}  // namespace hb
