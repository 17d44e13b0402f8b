// The messages to the kernel's nbd driver: generic netlink, family "nbd", version 1. Pure.
// Block front ends specification, 2.1.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace shim::netlink {

using Message = std::vector<std::uint8_t>;

// Which number has the family called `name`?
Message family_request(const std::string& name, std::uint32_t sequence);

enum class Command : std::uint8_t { Connect = 1, Disconnect = 2, Reconfigure = 3 };

// What is absent is left as it is, or to the kernel.
struct NbdRequest {
    Command command = Command::Connect;
    std::optional<std::uint32_t> index;
    std::optional<std::uint64_t> size_bytes;
    std::optional<std::uint64_t> block_bytes;
    std::optional<std::uint64_t> server_flags;
    std::optional<std::uint64_t> dead_connection_seconds;
    std::optional<std::string> backend;
    std::optional<int> socket;
};

Message nbd_request(const NbdRequest& request, std::uint16_t family, std::uint32_t sequence);

// What a datagram from the kernel says about the request with this sequence.
struct Reply {
    std::optional<int> error;             // the kernel has finished: 0 or an errno
    std::optional<std::uint16_t> family;  // answer to family_request()
    std::optional<std::uint32_t> index;   // answer to a Connect
};

// Invalid: it is no netlink message.
base::Result<Reply> parse_reply(base::ConstBytes datagram,
                                std::uint16_t family,
                                std::uint32_t sequence);

}  // namespace shim::netlink
