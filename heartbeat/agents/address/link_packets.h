// The packets by which a service address is announced and asked for: ARP for IPv4, neighbour
// discovery for IPv6, as whole Ethernet frames. Heartbeat specification, 5; RFC 826, 5227, 4861.
// Pure.
#pragma once

#include "heartbeat/agents/address/address_spec.h"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace hb {

using MacAddress = std::array<std::uint8_t, 6>;
using Frame = std::vector<std::uint8_t>;

inline constexpr MacAddress kBroadcastMac = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

std::string to_text(const MacAddress& mac);

// Gratuitous ARP: a request "who has IP, tell IP" or a reply "IP is at MAC", to everybody.
Frame arp_announce_request(const IpAddress& ip, const MacAddress& mac);
Frame arp_announce_reply(const IpAddress& ip, const MacAddress& mac);

// Asks who has the address without claiming it.
Frame arp_probe(const IpAddress& ip, const MacAddress& mac);

// Unsolicited neighbour advertisement with the override flag, to all nodes of the link.
Frame neighbour_advertisement(const IpAddress& ip, const MacAddress& mac);

// Neighbour solicitation from the unspecified address, as duplicate address detection sends it.
Frame neighbour_probe(const IpAddress& ip, const MacAddress& mac);

// "This MAC says that it has this address": an ARP request or reply with a sender address, or a
// neighbour advertisement. Whatever else the frame is: nothing.
struct AddressClaim {
    IpAddress ip;
    MacAddress mac{};

    bool operator==(const AddressClaim&) const = default;
};

std::optional<AddressClaim> claim_in(std::span<const std::uint8_t> frame);

}  // namespace hb
