#include "heartbeat/wire/base64.h"

#include <array>
#include <cstdint>

namespace hb::wire {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::uint32_t byte_at(std::string_view bytes, std::size_t at) {
    return at < bytes.size() ? static_cast<std::uint8_t>(bytes[at]) : 0;
}

base::Error not_base64() {
    return {base::ErrorCode::Invalid, "a binary field is not base64"};
}

}  // namespace

std::string to_base64(std::string_view bytes) {
    std::string out;
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        const std::uint32_t group =
            byte_at(bytes, at) << 16 | byte_at(bytes, at + 1) << 8 | byte_at(bytes, at + 2);
        out += kAlphabet[group >> 18];
        out += kAlphabet[group >> 12 & 63];
        out += at + 1 < bytes.size() ? kAlphabet[group >> 6 & 63] : '=';
        out += at + 2 < bytes.size() ? kAlphabet[group & 63] : '=';
    }
    return out;
}

base::Result<std::string> from_base64(std::string_view text) {
    if (text.size() % 4 != 0) {
        return not_base64();
    }
    std::string out;
    std::uint32_t bits = 0;
    int count = 0;
    for (const char c : text.substr(0, text.find('='))) {
        const std::size_t value = kAlphabet.find(c);
        if (value == kAlphabet.npos) {
            return not_base64();
        }
        bits = bits << 6 | static_cast<std::uint32_t>(value);
        count += 6;
        if (count >= 8) {
            count -= 8;
            out += static_cast<char>(bits >> count & 0xff);
        }
    }
    // Padding in odd places and stray bits show when the bytes are written again.
    if (to_base64(out) != text) {
        return not_base64();
    }
    return out;
}

}  // namespace hb::wire
