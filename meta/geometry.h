// Where metadata lies on the device that holds it. Metadata specification, sections 1 and 2.
//
//   internal: | data ......... | bitmap | activity log | superblock (4 KiB) | less than 4 KiB |
//   external: | superblock | activity log | bitmap to the end of the device, or of the slot |
//
// Every position is counted from the start of that device, in sectors of 512 bytes, and is a
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

inline constexpr std::uint64_t kSlotBytes = 128ull << 20;
inline constexpr std::uint32_t kMaxSlot = 255;  // as in the original drbdmeta

// At the end of the disk that it describes, on all of a device of its own, or in one of the slots
// that such a device is divided into.
struct Placement {
    enum class Kind : std::uint8_t { Internal, FlexibleExternal, Indexed };
    Kind kind = Kind::Internal;
    std::uint32_t slot = 0;  // Indexed only

    bool is_external() const { return kind != Kind::Internal; }

    bool operator==(const Placement&) const = default;
};

struct Layout {
    base::Sector superblock_sector;
    base::Sector al_sector;
    std::uint64_t al_sectors = 0;
    base::Sector bitmap_sector;
    std::uint64_t bitmap_sectors = 0;
    // Internal: what is left for data, from sector 0. External: what the bitmap can describe, and
    // no more than the data's own device has.
    std::uint64_t usable_sectors = 0;
    std::uint64_t md_size_sectors = 0;
    std::int32_t al_offset = 0;  // sectors, relative to the superblock; negative: internal
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

// As internal_layout, for any placement; `device_bytes` is the size of the device that holds the
// metadata.
base::Result<Layout> layout_for(const Placement& placement,
                                std::uint64_t device_bytes,
                                std::uint32_t al_stripes = kDefaultAlStripes,
                                std::uint32_t al_stripe_size_4k = kDefaultAlStripeSize4k);

// In bytes, for a device that layout_for has accepted with the default striping.
std::uint64_t superblock_byte(const Placement& placement, std::uint64_t device_bytes);

// External metadata that says that it is this long: the layout of a device that ends with it. Such
// a device may have grown since; what counts is what the superblock says.
base::Result<Layout> external_layout(base::Sector superblock,
                                     std::uint64_t md_size_sectors,
                                     std::uint32_t al_stripes,
                                     std::uint32_t al_stripe_size_4k);

// No more of the data's device, of `data_bytes`, than it has: it knows nothing of external
// metadata.
void limit_to_device(Layout& layout, std::uint64_t data_bytes);

}  // namespace meta
