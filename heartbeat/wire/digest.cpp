#include "heartbeat/wire/digest.h"

#include "base/hmac.h"
#include "base/require.h"

#include <array>
#include <charconv>

namespace hb::wire {
namespace {

base::ConstBytes bytes_of(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

constexpr std::array<std::uint32_t, 256> crc_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < table.size(); ++i) {
        std::uint32_t crc = i << 24;
        for (int bit = 0; bit < 8; ++bit) {
            crc = (crc & 0x80000000u) != 0 ? crc << 1 ^ 0x04C11DB7u : crc << 1;
        }
        table[i] = crc;
    }
    return table;
}

// That of cksum(1), but without the length at the end.
std::uint32_t crc_of(std::string_view data) {
    static constexpr auto table = crc_table();
    std::uint32_t crc = 0;
    for (const std::uint8_t byte : bytes_of(data)) {
        crc = crc << 8 ^ table[crc >> 24 ^ byte];
    }
    return ~crc;
}

// Without leading zeros, as the original prints a crc.
std::string hex_of(std::uint32_t number) {
    std::array<char, 8> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16).ptr;
    return {digits.data(), end};
}

std::string hex_of(base::ConstBytes bytes) {
    std::string out;
    for (const std::uint8_t byte : bytes) {
        out += "0123456789abcdef"[byte >> 4];
        out += "0123456789abcdef"[byte & 15];
    }
    return out;
}

base::Error refused(const std::string& why) {
    return {base::ErrorCode::Permission, why};
}

}  // namespace

std::string digest(const config::AuthKey& key, std::string_view data) {
    if (key.method == config::AuthMethod::Crc) {
        return hex_of(crc_of(data));
    }
    const auto hmac = base::hmac(std::string(name_of(key.method)), key.key, bytes_of(data));
    REQUIRE(hmac.has_value());
    return hex_of(*hmac);
}

std::string sign(const config::Authkeys& keys, std::string_view data) {
    const config::AuthKey* key = keys.sending();
    REQUIRE(key != nullptr);
    return std::to_string(key->index) + " " + digest(*key, data);
}

base::Result<void> verify(const config::Authkeys& keys,
                          std::string_view signature,
                          std::string_view data) {
    int index = -1;
    const char* const end = signature.data() + signature.size();
    const auto [behind, error] = std::from_chars(signature.data(), end, index);
    if (error != std::errc() || behind == end || *behind != ' ') {
        return refused("the signature is not an index and a digest");
    }
    const config::AuthKey* key = keys.find(index);
    if (key == nullptr) {
        return refused("it is signed with key " + std::to_string(index) +
                       ", which authkeys does not have");
    }
    const std::string_view theirs(behind + 1, static_cast<std::size_t>(end - behind - 1));
    if (!base::equal_digests(bytes_of(digest(*key, data)), bytes_of(theirs))) {
        return refused("its digest is wrong for key " + std::to_string(index) +
                       ": another key in authkeys, or a forgery");
    }
    return {};
}

}  // namespace hb::wire
