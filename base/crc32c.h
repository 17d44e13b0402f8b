// CRC-32C (Castagnoli). Two conventions meet in DRBD: see each function.
#pragma once

#include "base/bytes.h"

#include <cstdint>

namespace base {

// Register in, register out: no inversion at either end. The activity log's checksum is
// crc32c_raw(0, block) (metadata specification 4.2).
std::uint32_t crc32c_raw(std::uint32_t crc, ConstBytes data);

// The usual variant (initial all-ones, final inversion): "123456789" gives 0xe3069283.
inline std::uint32_t crc32c(ConstBytes data) {
    return ~crc32c_raw(0xffffffffu, data);
}

}  // namespace base
