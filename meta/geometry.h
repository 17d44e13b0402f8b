// Where v08 internal metadata lies on its backing device. Metadata specification, sections 1
// and 2.1.
//
//   | data ......... | bitmap | activity log | superblock (4 KiB) | less than 4 KiB of slack |
//
// Every position is counted from the start of the device, in sectors of 512 bytes, and is a
// multiple of 8 sectors; offsets are relative to the superblock, as the superblock itself stores
// them.
#pragma once

#include "base/result.h"
#include "base/units.h"

#include <cstdint>

namespace meta {

inline constexpr std::size_t kBlockBytes = 4096;  // all metadata I/O is done in these
inline constexpr std::uint64_t kSectorsPerBlock = kBlockBytes / base::kSectorBytes;

inline constexpr std::uint32_t kDefaultAlStripes = 1;
inline constexpr std::uint32_t kDefaultAlStripeSize4k = 8;
inline constexpr std::uint64_t kMinAlBlocks = 8;
inline constexpr std::uint64_t kMaxAlBlocks = 8192;  // 32 MiB, the limit of the original drbdmeta

inline constexpr std::uint64_t kMinDeviceBytes = 69632;
inline constexpr std::uint64_t kMaxDeviceBytes = 1ull << 50;  // 1 PiB

struct Layout {
    base::Sector superblock_sector;
    base::Sector al_sector;
    std::uint64_t al_sectors = 0;
    base::Sector bitmap_sector;
    std::uint64_t bitmap_sectors = 0;
    std::uint64_t usable_sectors = 0;  // what is left for data, from sector 0
    std::uint64_t md_size_sectors = 0;
    std::int32_t al_offset = 0;  // sectors, relative to the superblock, negative
    std::int32_t bm_offset = 0;

    bool operator==(const Layout&) const = default;
};

// Number of 4 KiB blocks in the activity log's ring; error when the striping is out of bounds.
base::Result<std::uint64_t> al_blocks(std::uint32_t al_stripes, std::uint32_t al_stripe_size_4k);

// TooSmall or TooBig when such a device cannot hold internal metadata.
base::Result<Layout> internal_layout(std::uint64_t device_bytes,
                                     std::uint32_t al_stripes = kDefaultAlStripes,
                                     std::uint32_t al_stripe_size_4k = kDefaultAlStripeSize4k);

// Where the superblock of a device of this size lies, in bytes: it does not depend on the striping,
// so it can be read before anything else is known. Needs device_bytes >= kMinDeviceBytes.
std::uint64_t internal_superblock_byte(std::uint64_t device_bytes);

}  // namespace meta
