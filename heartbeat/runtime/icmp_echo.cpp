#include "heartbeat/runtime/icmp_echo.h"

namespace hb {

namespace {

constexpr std::size_t kHeaderBytes = 8;
constexpr unsigned char kRequestV4 = 8;
constexpr unsigned char kReplyV4 = 0;
constexpr unsigned char kRequestV6 = 128;
constexpr unsigned char kReplyV6 = 129;

unsigned byte_at(std::string_view bytes, std::size_t offset) {
    return static_cast<unsigned char>(bytes[offset]);
}

std::uint16_t get16(std::string_view bytes, std::size_t offset) {
    return static_cast<std::uint16_t>(byte_at(bytes, offset) << 8 | byte_at(bytes, offset + 1));
}

void put16(std::string& bytes, std::size_t offset, unsigned value) {
    bytes[offset] = static_cast<char>(value >> 8 & 0xffu);
    bytes[offset + 1] = static_cast<char>(value & 0xffu);
}

// The internet checksum (RFC 1071).
unsigned checksum(std::string_view bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < bytes.size(); i += 2) {
        sum += byte_at(bytes, i) << 8 | (i + 1 < bytes.size() ? byte_at(bytes, i + 1) : 0u);
    }
    while (sum >> 16 != 0) {
        sum = (sum & 0xffffu) + (sum >> 16);
    }
    return ~sum & 0xffffu;
}

}  // namespace

std::string encode_echo_request(IcmpFamily family, const IcmpEcho& echo) {
    std::string packet(kHeaderBytes, '\0');
    packet[0] = static_cast<char>(family == IcmpFamily::V4 ? kRequestV4 : kRequestV6);
    put16(packet, 4, echo.id);
    put16(packet, 6, echo.sequence);
    packet += echo.data;
    if (family == IcmpFamily::V4) {
        put16(packet, 2, checksum(packet));
    }
    return packet;
}

std::optional<IcmpEcho> decode_echo_reply(IcmpFamily family, std::string_view packet) {
    if (family == IcmpFamily::V4) {
        const std::size_t header = packet.empty() ? 0 : (byte_at(packet, 0) & 0x0fu) * 4;
        if (header < 20 || packet.size() < header) {
            return std::nullopt;
        }
        packet.remove_prefix(header);
    }
    const unsigned char reply = family == IcmpFamily::V4 ? kReplyV4 : kReplyV6;
    if (packet.size() < kHeaderBytes || byte_at(packet, 0) != reply || byte_at(packet, 1) != 0) {
        return std::nullopt;
    }
    return IcmpEcho{get16(packet, 4), get16(packet, 6), std::string(packet.substr(kHeaderBytes))};
}

}  // namespace hb
