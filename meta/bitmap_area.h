// Arithmetic of the on-disk bitmap: one bit for 4 KiB of data, set means out of sync; bit n is bit
// n % 8 of byte n / 8, which on disk is also bit n % 64 of little-endian word n / 64. Metadata
// specification, sections 5 and 6.2.
#pragma once

#include "base/units.h"
#include "meta/geometry.h"

#include <algorithm>
#include <cstdint>

namespace meta {

// Bitmap bytes of one AL extent: 1024 bits.
inline constexpr std::uint64_t kBitmapBytesPerAlExtent = base::kBitsPerAlExtent / 8;

inline std::uint64_t bitmap_bits(base::Sector size) {
    return base::bit_rounding_up(size).value;
}

inline std::uint64_t bitmap_words(base::Sector size) {
    return (bitmap_bits(size) + 63) / 64;
}

// Whole 4 KiB blocks of bitmap that describe `size`: what is read and written.
inline std::uint64_t bitmap_pages(base::Sector size) {
    return (bitmap_words(size) * 8 + kBlockBytes - 1) / kBlockBytes;
}

inline std::uint64_t bitmap_bytes(base::Sector size) {
    return bitmap_pages(size) * kBlockBytes;
}

// Which bits of the last word exist: all of them when `bits` is a multiple of 64. What lies beyond
// may be set on disk, because apply-al fills whole extents: mask it after reading.
inline std::uint64_t tail_mask(std::uint64_t bits) {
    return bits % 64 == 0 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits % 64) - 1;
}

struct ByteRange {
    std::uint64_t offset = 0;  // from the start of the bitmap
    std::uint64_t length = 0;

    bool operator==(const ByteRange&) const = default;
};

// The bitmap bytes of an AL extent, bounded by the bitmap for `size`; length 0 beyond it.
inline ByteRange bitmap_range(base::AlExtent extent, base::Sector size) {
    const std::uint64_t end = bitmap_bytes(size);
    const std::uint64_t offset = extent.value * kBitmapBytesPerAlExtent;
    if (offset >= end) {
        return {end, 0};
    }
    return {offset, std::min(kBitmapBytesPerAlExtent, end - offset)};
}

}  // namespace meta
