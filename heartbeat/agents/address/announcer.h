// The background process that goes on announcing an address after the agent has returned, so that
// a lost packet does not leave a router with the old MAC. At most one per address; it can be found
// and ended by the next call of the agent. Heartbeat specification, 5.
#pragma once

#include "heartbeat/agents/address/link_socket.h"

#include <chrono>

namespace hb {

struct AnnouncePlan {
    unsigned packets = 20;  // requests and replies in turn
    std::chrono::milliseconds step{250};
};

// Packet `number` of a plan, from 0: ARP request and reply in turn, or the advertisement.
Frame announcement(const IpAddress& ip, const MacAddress& mac, unsigned number);

// The first packet leaves before this returns, the others from a process of their own, which keeps
// none of our descriptors and says in syslog when another MAC claims the address meanwhile.
base::Result<void> announce_in_background(const LinkSocket& socket,
                                          const Interface& interface,
                                          const IpAddress& ip,
                                          const AnnouncePlan& plan);

// Ends the announcer of this address, if there is one.
void end_announcer(const IpAddress& ip);

}  // namespace hb
