// Units are types: a sector number cannot be passed where a bitmap bit is wanted. Conversions are
// named functions that say whether they round up or down.
#pragma once

#include <compare>
#include <cstdint>

namespace base {

inline constexpr std::uint64_t kSectorBytes = 512;
inline constexpr std::uint64_t kSectorsPerBit = 8;  // 4 KiB of data a bitmap bit
inline constexpr std::uint64_t kBytesPerBit = 4096;
inline constexpr std::uint64_t kSectorsPerAlExtent = 8192;   // 4 MiB
inline constexpr std::uint64_t kSectorsPerBmExtent = 32768;  // 16 MiB, the unit of resync
inline constexpr std::uint64_t kBitsPerAlExtent = 1024;

// A position on a device, or a number of sectors, in units of 512 bytes.
struct Sector {
    std::uint64_t value = 0;
    auto operator<=>(const Sector&) const = default;
};

inline Sector operator+(Sector a, Sector b) {
    return {a.value + b.value};
}

inline Sector operator-(Sector a, Sector b) {
    return {a.value - b.value};
}

// Number of a bit in the bitmap: 4 KiB of data.
struct BitIndex {
    std::uint64_t value = 0;
    auto operator<=>(const BitIndex&) const = default;
};

// Number of an activity-log extent: 4 MiB of data. The on-disk format has 32 bits for it.
struct AlExtent {
    std::uint32_t value = 0;
    auto operator<=>(const AlExtent&) const = default;
};

inline std::uint64_t to_bytes(Sector s) {
    return s.value * kSectorBytes;
}

inline Sector sectors_rounding_down(std::uint64_t bytes) {
    return {bytes / kSectorBytes};
}

inline Sector sectors_rounding_up(std::uint64_t bytes) {
    return {bytes / kSectorBytes + (bytes % kSectorBytes != 0 ? 1 : 0)};
}

inline BitIndex bit_rounding_down(Sector s) {
    return {s.value / kSectorsPerBit};
}

inline BitIndex bit_rounding_up(Sector s) {
    return {s.value / kSectorsPerBit + (s.value % kSectorsPerBit != 0 ? 1 : 0)};
}

inline Sector first_sector(BitIndex b) {
    return {b.value * kSectorsPerBit};
}

inline AlExtent al_extent_rounding_down(Sector s) {
    return {static_cast<std::uint32_t>(s.value / kSectorsPerAlExtent)};
}

}  // namespace base
