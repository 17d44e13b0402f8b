// ICMP echo requests and replies as bytes. Heartbeat specification 3.10: the data of the request is
// a whole signed message, so that the reply carries it back. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hb {

struct IcmpEcho {
    std::uint16_t id = 0;
    std::uint16_t sequence = 0;
    std::string data;
};

enum class IcmpFamily { V4, V6 };

// With its checksum for IPv4; the kernel computes that of IPv6.
std::string encode_echo_request(IcmpFamily family, const IcmpEcho& echo);

// `packet` as a raw socket gives it: IPv4 with its IP header, IPv6 without. Nothing if it is no
// echo reply.
std::optional<IcmpEcho> decode_echo_reply(IcmpFamily family, std::string_view packet);

}  // namespace hb
