// The body of a packet as bytes.
#pragma once

#include "proto/packets.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace engine {

template <typename P>
std::vector<std::uint8_t> encoded(const P& packet, std::size_t size = P::kSize) {
    std::vector<std::uint8_t> body(size);
    proto::encode(packet, body);
    return body;
}

}  // namespace engine
