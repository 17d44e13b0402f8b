#include "heartbeat/agents/address/link_packets.h"

#include <algorithm>
#include <cstdio>

namespace hb {

namespace {

constexpr std::uint16_t kTypeArp = 0x0806;
constexpr std::uint16_t kTypeIpv6 = 0x86dd;
constexpr std::size_t kEthernetBytes = 14;
constexpr std::size_t kArpBytes = 28;
constexpr std::size_t kIpv6Bytes = 40;
constexpr std::size_t kNeighbourBytes = 32;  // with one link-layer address option
constexpr std::uint8_t kIcmpv6 = 58;
constexpr std::uint8_t kSolicitation = 135;
constexpr std::uint8_t kAdvertisement = 136;
constexpr std::uint8_t kSourceLinkAddress = 1;
constexpr std::uint8_t kTargetLinkAddress = 2;

const IpAddress kAllNodes = {true, {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

void put16(Frame& out, unsigned value) {
    out.push_back(static_cast<std::uint8_t>(value >> 8));
    out.push_back(static_cast<std::uint8_t>(value));
}

template <typename Bytes>
void put(Frame& out, const Bytes& bytes, std::size_t size) {
    out.insert(out.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
}

unsigned get16(std::span<const std::uint8_t> bytes, std::size_t at) {
    return static_cast<unsigned>(bytes[at] << 8 | bytes[at + 1]);
}

Frame ethernet(const MacAddress& to, const MacAddress& from, std::uint16_t type) {
    Frame out;
    put(out, to, to.size());
    put(out, from, from.size());
    put16(out, type);
    return out;
}

Frame arp(unsigned operation,
          const MacAddress& sender_mac,
          const IpAddress& sender,
          const MacAddress& target_mac,
          const IpAddress& target) {
    Frame out = ethernet(kBroadcastMac, sender_mac, kTypeArp);
    put16(out, 1);       // Ethernet
    put16(out, 0x0800);  // IPv4
    out.push_back(6);
    out.push_back(4);
    put16(out, operation);
    put(out, sender_mac, 6);
    put(out, sender.bytes, 4);
    put(out, target_mac, 6);
    put(out, target.bytes, 4);
    return out;
}

// Of the IPv6 pseudo header and the ICMPv6 packet; RFC 4443, 2.3. `packet` begins at the IPv6
// header, its checksum field is zero.
std::uint16_t icmpv6_checksum(std::span<const std::uint8_t> packet) {
    std::uint32_t sum = kIcmpv6 + static_cast<std::uint32_t>(packet.size() - kIpv6Bytes);
    for (std::size_t at = 8; at < packet.size(); at += 2) {
        sum += get16(packet, at);
    }
    while (sum > 0xffff) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return static_cast<std::uint16_t>(~sum);
}

struct Neighbour {
    std::uint8_t type;
    std::uint8_t flags;
    IpAddress source;
    IpAddress destination;
    IpAddress target;
};

Frame neighbour(const Neighbour& what, const MacAddress& mac) {
    const auto& to = what.destination.bytes;
    Frame out = ethernet({0x33, 0x33, to[12], to[13], to[14], to[15]}, mac, kTypeIpv6);
    put16(out, 0x6000);
    put16(out, 0);
    const bool with_option = what.source != IpAddress{true, {}};
    put16(out, kNeighbourBytes - (with_option ? 0 : 8));
    out.push_back(kIcmpv6);
    out.push_back(255);  // receivers ignore what has passed a router
    put(out, what.source.bytes, 16);
    put(out, to, 16);
    out.push_back(what.type);
    out.push_back(0);
    put16(out, 0);
    out.push_back(what.flags);
    out.insert(out.end(), 3, 0);
    put(out, what.target.bytes, 16);
    if (with_option) {
        out.push_back(what.type == kAdvertisement ? kTargetLinkAddress : kSourceLinkAddress);
        out.push_back(1);
        put(out, mac, 6);
    }
    const std::uint16_t sum = icmpv6_checksum(std::span(out).subspan(kEthernetBytes));
    out[kEthernetBytes + kIpv6Bytes + 2] = static_cast<std::uint8_t>(sum >> 8);
    out[kEthernetBytes + kIpv6Bytes + 3] = static_cast<std::uint8_t>(sum);
    return out;
}

MacAddress mac_at(std::span<const std::uint8_t> bytes, std::size_t at) {
    MacAddress mac{};
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), mac.size(), mac.begin());
    return mac;
}

IpAddress ip_at(std::span<const std::uint8_t> bytes, std::size_t at, bool v6) {
    IpAddress ip;
    ip.v6 = v6;
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), ip.size(), ip.bytes.begin());
    return ip;
}

std::optional<AddressClaim> claim_in_arp(std::span<const std::uint8_t> body) {
    if (body.size() < kArpBytes || get16(body, 0) != 1 || get16(body, 2) != 0x0800 ||
        body[4] != 6 || body[5] != 4 || (get16(body, 6) != 1 && get16(body, 6) != 2)) {
        return std::nullopt;
    }
    const AddressClaim claim{ip_at(body, 14, false), mac_at(body, 8)};
    if (claim.ip == IpAddress{}) {
        return std::nullopt;  // a probe claims nothing
    }
    return claim;
}

std::optional<AddressClaim> claim_in_ipv6(std::span<const std::uint8_t> body,
                                          const MacAddress& sender) {
    constexpr std::size_t kTarget = kIpv6Bytes + 8;
    if (body.size() < kTarget + 16 || body[6] != kIcmpv6 || body[7] != 255 ||
        body[kIpv6Bytes] != kAdvertisement) {
        return std::nullopt;
    }
    AddressClaim claim{ip_at(body, kTarget, true), sender};
    constexpr std::size_t kOption = kTarget + 16;
    if (body.size() >= kOption + 8 && body[kOption] == kTargetLinkAddress &&
        body[kOption + 1] == 1) {
        claim.mac = mac_at(body, kOption + 2);
    }
    return claim;
}

}  // namespace

std::string to_text(const MacAddress& mac) {
    std::array<char, 18> text{};
    std::snprintf(text.data(),
                  text.size(),
                  "%02x:%02x:%02x:%02x:%02x:%02x",
                  mac[0],
                  mac[1],
                  mac[2],
                  mac[3],
                  mac[4],
                  mac[5]);
    return text.data();
}

Frame arp_announce_request(const IpAddress& ip, const MacAddress& mac) {
    return arp(1, mac, ip, {}, ip);
}

Frame arp_announce_reply(const IpAddress& ip, const MacAddress& mac) {
    return arp(2, mac, ip, mac, ip);
}

Frame arp_probe(const IpAddress& ip, const MacAddress& mac) {
    return arp(1, mac, {}, {}, ip);
}

Frame neighbour_advertisement(const IpAddress& ip, const MacAddress& mac) {
    constexpr std::uint8_t kOverride = 0x20;
    return neighbour({kAdvertisement, kOverride, ip, kAllNodes, ip}, mac);
}

Frame neighbour_probe(const IpAddress& ip, const MacAddress& mac) {
    IpAddress group = {true, {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0}};
    std::copy_n(ip.bytes.begin() + 13, 3, group.bytes.begin() + 13);
    return neighbour({kSolicitation, 0, {true, {}}, group, ip}, mac);
}

std::optional<AddressClaim> claim_in(std::span<const std::uint8_t> frame) {
    if (frame.size() < kEthernetBytes) {
        return std::nullopt;
    }
    const std::span<const std::uint8_t> body = frame.subspan(kEthernetBytes);
    switch (get16(frame, 12)) {
        case kTypeArp:
            return claim_in_arp(body);
        case kTypeIpv6:
            return claim_in_ipv6(body, mac_at(frame, 6));
        default:
            return std::nullopt;
    }
}

}  // namespace hb
