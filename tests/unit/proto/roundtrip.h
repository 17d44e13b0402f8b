// Decodes the fixed part of any packet by its number and encodes the value again.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

#include <cstdint>
#include <vector>

namespace test {

// `in` is the whole body for packets whose string belongs to the layout (Protocol) or whose size
// varies (Sizes), else the fixed part. The bytes of packets without a codec (Bitmap, AuthChallenge
// ...) come back as they are; refused and unknown packets are an error.
base::Result<std::vector<std::uint8_t>> roundtrip(std::uint16_t command, base::ConstBytes in);

// How many bytes at the start of a body of `length` bytes roundtrip() wants.
std::size_t codec_size(std::uint16_t command, std::size_t length);

}  // namespace test
