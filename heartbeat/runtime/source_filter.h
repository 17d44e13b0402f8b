// What a UDP socket does not even take in: datagrams from other addresses than these.
#pragma once

#include "heartbeat/runtime/flood_gate.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <vector>

namespace hb {

// IPv4 as the last four bytes.
SourceAddress source_of(const sockaddr_storage& address);

// None: everybody's datagrams are taken in. False: the kernel has no such filter, and nothing has
// changed.
bool filter_sources(int socket, bool v6, const std::vector<SourceAddress>& only);

}  // namespace hb
