// What the kernel answers over rtnetlink: addresses, routes, and how it ended. Whatever the bytes
// are, nothing is read beyond them, and what they say fits into our types. Pure.
#pragma once

#include "heartbeat/agents/address/address_spec.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace hb {

struct HeldAddress {
    IpAddress ip;
    unsigned prefix = 0;
    unsigned interface_index = 0;
    std::string interface;
    std::string label;  // IPv4: eth0:1, or the name of the interface
};

struct Route {
    IpAddress network;
    unsigned prefix = 0;
    unsigned interface_index = 0;
};

// By these two a message of the kernel is known to be of the answer; others are left out, for an
// earlier question may have been given up.
struct NetlinkQuestion {
    std::uint32_t sequence = 0;
    std::uint32_t port = 0;
};

struct NetlinkAnswer {
    bool ended = false;  // nothing more follows
    // errno: the kernel's refusal; EPROTO: no netlink; EINTR: the list has changed while it was
    // given, so that it has holes. All of it is read even so: the next answer comes behind it.
    int error = 0;
    bool interrupted = false;
    std::vector<HeldAddress> addresses;  // `interface` is left empty
    std::vector<Route> routes;           // unicast, with an interface
};

// One datagram of the kernel; `answer` takes what it says. After the end nothing is taken.
void take_netlink_answer(std::span<const std::uint8_t> datagram,
                         const NetlinkQuestion& question,
                         NetlinkAnswer& answer);

}  // namespace hb
