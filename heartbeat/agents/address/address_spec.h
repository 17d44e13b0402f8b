// A service address as haresources writes it. Heartbeat specification, 1.4 and 5. Pure.
#pragma once

#include "base/result.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hb {

struct IpAddress {
    bool v6 = false;
    std::array<std::uint8_t, 16> bytes{};  // IPv4: the first four, the rest zero

    std::size_t size() const { return v6 ? 16 : 4; }

    bool operator==(const IpAddress&) const = default;
};

// ip[/mask[/nic[:label]][/broadcast]], for SendArp ip/nic, for IPv6 ip[/prefix[/nic]].
struct AddressSpec {
    IpAddress ip;
    std::optional<unsigned> prefix;      // none: from the route to the address
    std::string interface;               // empty: from the route to the address
    std::string label;                   // "1" of eth0:1; empty: the agent's choice
    std::optional<IpAddress> broadcast;  // none: computed
};

// Invalid: names the part that cannot be understood.
base::Result<IpAddress> parse_ip(std::string_view text);
base::Result<AddressSpec> parse_address(const std::string& word);
base::Result<AddressSpec> parse_announcement(const std::string& word);  // SendArp's ip/nic

std::string to_text(const IpAddress& ip);

// All bits behind the prefix set. IPv4 only.
IpAddress broadcast_of(const IpAddress& ip, unsigned prefix);

// Whether the first `prefix` bits agree.
bool same_network(const IpAddress& left, const IpAddress& right, unsigned prefix);

}  // namespace hb
