// The two sockets of a UDP medium, and where its messages go. Heartbeat specification 2.1: the
// receiving one is bound to the wildcard address and the port, both to the interface.
#pragma once

#include "base/result.h"
#include "config/ha/ha_cf.h"
#include "heartbeat/runtime/file_descriptor.h"

#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <variant>

namespace hb {

using UdpMediumConfig = std::variant<config::HaUcast, config::HaBcast, config::HaMcast>;

struct UdpSockets {
    FileDescriptor receiving;  // both non-blocking
    FileDescriptor sending;
    sockaddr_storage destination{};
    socklen_t destination_length = 0;
    unsigned interface_index = 0;  // a new interface of the same name has another one
};

// Replaces a host name by its address. May wait for the name service: before the loop runs only.
void look_up_peer(UdpMediumConfig& medium);

base::Result<UdpSockets> open_udp_sockets(const UdpMediumConfig& medium);
// Without the receiving one.
base::Result<UdpSockets> open_udp_sender(const UdpMediumConfig& medium);

// Whether the interface is still the one that was opened, is up and has the broadcast address that
// we send to. The error says what is wrong.
base::Result<void> check_interface(const UdpMediumConfig& medium, const UdpSockets& sockets);

// "ucast eth1 10.0.0.2:694"
std::string description_of(const UdpMediumConfig& medium);
const std::string& interface_of(const UdpMediumConfig& medium);

}  // namespace hb
