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

// A question or an answer about the block, and its digest.
inline std::vector<std::uint8_t> with_digest(const proto::BlockReq& request,
                                             base::ConstBytes digest) {
    std::vector<std::uint8_t> body = encoded(request);
    body.insert(body.end(), digest.begin(), digest.end());
    return body;
}

}  // namespace engine
