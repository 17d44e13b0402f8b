// Bytes as the hexadecimal text of the specification, blanks allowed.
#pragma once

#include "base/bytes.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace test {

using ByteVector = std::vector<std::uint8_t>;

inline ByteVector bytes(std::string_view hex) {
    std::string digits;
    for (const char c : hex) {
        if (c != ' ') {
            digits.push_back(c);
        }
    }
    ByteVector out;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
        out.push_back(static_cast<std::uint8_t>(std::stoi(digits.substr(i, 2), nullptr, 16)));
    }
    return out;
}

inline std::string hex(base::ConstBytes in) {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string out;
    for (const std::uint8_t byte : in) {
        out.push_back(kDigits[byte >> 4]);
        out.push_back(kDigits[byte & 15]);
    }
    return out;
}

// What encode() makes of a packet that is `size` bytes long.
template <typename Packet>
ByteVector encoded(const Packet& packet, std::size_t size) {
    ByteVector out(size, 0xcc);  // so that a byte the codec forgets shows
    encode(packet, out);
    return out;
}

}  // namespace test
