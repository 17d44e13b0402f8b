// The bytes of a packet's body.
#pragma once

#include "proto/packets.h"

#include <cstdint>
#include <vector>

namespace sim {

template <typename P>
std::vector<std::uint8_t> encoded(const P& packet) {
    std::size_t size = 0;
    if constexpr (requires { packet.size(); }) {
        size = packet.size();
    } else {
        size = P::kSize;
    }
    std::vector<std::uint8_t> body(size);
    proto::encode(packet, body);
    return body;
}

}  // namespace sim
