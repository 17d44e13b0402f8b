#include "heartbeat/agents/address/address_spec.h"

#include "config/ha/text.h"

#include <algorithm>
#include <arpa/inet.h>
#include <bit>
#include <cctype>
#include <charconv>
#include <net/if.h>
#include <netinet/in.h>
#include <vector>

namespace hb {

using config::ha_text::parts_of;

namespace {

base::Error invalid(const std::string& text) {
    return {base::ErrorCode::Invalid, text};
}

// A number of bits, or a dotted mask.
base::Result<unsigned> parse_prefix(const std::string& text, bool v6) {
    unsigned bits = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bits);
    if (error == std::errc() && end == text.data() + text.size()) {
        if (bits <= (v6 ? 128U : 32U)) {
            return bits;
        }
        return invalid(text + ": not the length of a network prefix");
    }
    in_addr mask{};
    if (v6 || ::inet_pton(AF_INET, text.c_str(), &mask) != 1) {
        return invalid(text + ": not a network mask");
    }
    const std::uint32_t ones = ntohl(mask.s_addr);
    const auto length = static_cast<unsigned>(std::countl_one(ones));
    if (static_cast<unsigned>(std::popcount(ones)) != length) {
        return invalid(text + ": not a network mask: its ones are not at the left");
    }
    return length;
}

base::Result<void> take_interface(const std::string& text, AddressSpec& spec) {
    if (text.size() >= IFNAMSIZ) {
        return invalid(text + ": too long for the name of an interface");
    }
    const std::size_t colon = text.find(':');
    spec.interface = text.substr(0, colon);
    spec.label = colon == std::string::npos ? "" : text.substr(colon + 1);
    if (spec.interface.empty()) {
        return invalid(text + ": no interface before the colon");
    }
    return {};
}

base::Result<void> take_broadcast(const std::string& text, AddressSpec& spec) {
    const base::Result<IpAddress> ip = parse_ip(text);
    if (!ip || ip->v6 || spec.ip.v6) {
        return invalid(text + ": not a broadcast address");
    }
    spec.broadcast = *ip;
    return {};
}

// Third part: a digit begins a broadcast address, anything else is the interface.
base::Result<void> take_parts(const std::vector<std::string>& parts, AddressSpec& spec) {
    if (parts.size() > 1 && !parts[1].empty()) {
        const base::Result<unsigned> prefix = parse_prefix(parts[1], spec.ip.v6);
        if (!prefix) {
            return prefix.error();
        }
        spec.prefix = *prefix;
    }
    for (std::size_t at = 2; at < parts.size(); ++at) {
        if (parts[at].empty()) {
            continue;
        }
        const bool digit = std::isdigit(static_cast<unsigned char>(parts[at][0])) != 0;
        const base::Result<void> taken =
            at == 3 || digit ? take_broadcast(parts[at], spec) : take_interface(parts[at], spec);
        if (!taken) {
            return taken;
        }
    }
    return {};
}

base::Result<AddressSpec> spec_of(const std::string& text) {
    const base::Result<IpAddress> ip = parse_ip(text);
    if (!ip) {
        return ip.error();
    }
    AddressSpec spec;
    spec.ip = *ip;
    return spec;
}

}  // namespace

base::Result<IpAddress> parse_ip(std::string_view text) {
    IpAddress ip;
    const std::string copy(text);
    ip.v6 = copy.find(':') != std::string::npos;
    if (copy.find('\0') != std::string::npos ||
        ::inet_pton(ip.v6 ? AF_INET6 : AF_INET, copy.c_str(), ip.bytes.data()) != 1) {
        return invalid("'" + copy + "' is not an IP address");
    }
    return ip;
}

base::Result<AddressSpec> parse_address(const std::string& word) {
    const std::vector<std::string> parts = parts_of(word, "/");
    base::Result<AddressSpec> spec = spec_of(parts[0]);
    if (!spec) {
        return spec;
    }
    if (parts.size() > 4) {
        return invalid(word + ": more than ip/mask/interface/broadcast");
    }
    if (const base::Result<void> taken = take_parts(parts, *spec); !taken) {
        return invalid(word + ": " + taken.error().text);
    }
    return spec;
}

base::Result<AddressSpec> parse_announcement(const std::string& word) {
    const std::vector<std::string> parts = parts_of(word, "/");
    base::Result<AddressSpec> spec = spec_of(parts[0]);
    if (!spec) {
        return spec;
    }
    if (parts.size() != 2 || parts[1].empty()) {
        return invalid(word + ": not of the form ip/interface");
    }
    if (const base::Result<void> taken = take_interface(parts[1], *spec); !taken) {
        return taken.error();
    }
    return spec;
}

std::string to_text(const IpAddress& ip) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    ::inet_ntop(ip.v6 ? AF_INET6 : AF_INET, ip.bytes.data(), text.data(), text.size());
    return text.data();
}

IpAddress broadcast_of(const IpAddress& ip, unsigned prefix) {
    IpAddress out = ip;
    for (unsigned bit = prefix; bit < 32; ++bit) {
        out.bytes[bit / 8] = static_cast<std::uint8_t>(out.bytes[bit / 8] | (0x80U >> (bit % 8)));
    }
    return out;
}

bool same_network(const IpAddress& left, const IpAddress& right, unsigned prefix) {
    if (left.v6 != right.v6) {
        return false;
    }
    for (unsigned bit = 0; bit < prefix && bit < left.size() * 8; ++bit) {
        if (((left.bytes[bit / 8] ^ right.bytes[bit / 8]) & (0x80U >> (bit % 8))) != 0) {
            return false;
        }
    }
    return true;
}

}  // namespace hb
