// What the codecs of this room share. Not part of its interface.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/units.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace proto {

inline base::Error invalid(const char* packet, const std::string& what) {
    return {base::ErrorCode::Invalid, std::string("packet ") + packet + ": " + what};
}

inline base::Error wrong_size(const char* packet, std::size_t got, std::size_t wanted) {
    return invalid(
        packet,
        std::to_string(got) + " bytes follow the header, the layout has " + std::to_string(wanted));
}

// Byte offsets are signed 64-bit numbers everywhere; below this limit a sector, and a sector plus
// the size of any packet, can be multiplied by 512 without a further check.
inline constexpr std::uint64_t kSectorLimit = 1ull << 54;

inline bool is_addressable(base::Sector sector) {
    return sector.value < kSectorLimit;
}

inline bool is_whole_sectors(std::uint32_t bytes) {
    return bytes % base::kSectorBytes == 0;
}

inline base::Error bad_sector(const char* packet, base::Sector sector) {
    return invalid(packet,
                   "sector " + std::to_string(sector.value) + " is beyond what any device has");
}

inline base::Error bad_block_size(const char* packet, std::uint32_t bytes) {
    return invalid(packet, "a block of " + std::to_string(bytes) + " bytes is not allowed here");
}

}  // namespace proto
