#include "meta/geometry.h"

#include "base/log.h"
#include "base/require.h"

namespace meta {

using base::Error;
using base::ErrorCode;
using base::Result;

namespace {

// One 4 KiB bitmap block describes this much data: 128 MiB.
constexpr std::uint64_t kSectorsPerBitmapBlock = kBlockBytes * 8 * base::kSectorsPerBit;

}  // namespace

Result<std::uint64_t> al_blocks(std::uint32_t al_stripes, std::uint32_t al_stripe_size_4k) {
    const std::uint64_t blocks = std::uint64_t{al_stripes} * al_stripe_size_4k;
    if (al_stripes == 0 || al_stripe_size_4k == 0 || blocks < kMinAlBlocks ||
        blocks > kMaxAlBlocks) {
        return Error{ErrorCode::Invalid,
                     base::format("activity log striping of %u x %u blocks of 4 KiB: the product "
                                  "must be between %llu and %llu",
                                  al_stripes,
                                  al_stripe_size_4k,
                                  static_cast<unsigned long long>(kMinAlBlocks),
                                  static_cast<unsigned long long>(kMaxAlBlocks))};
    }
    return blocks;
}

std::uint64_t internal_superblock_byte(std::uint64_t device_bytes) {
    REQUIRE(device_bytes >= kMinDeviceBytes);
    return (device_bytes - kBlockBytes) / kBlockBytes * kBlockBytes;
}

Result<Layout> internal_layout(std::uint64_t device_bytes,
                               std::uint32_t al_stripes,
                               std::uint32_t al_stripe_size_4k) {
    const Result<std::uint64_t> blocks = al_blocks(al_stripes, al_stripe_size_4k);
    if (!blocks) {
        return blocks.error();
    }
    const auto shown_bytes = static_cast<unsigned long long>(device_bytes);
    if (device_bytes > kMaxDeviceBytes) {
        return Error{ErrorCode::TooBig,
                     base::format("device of %llu bytes: the limit is 1 PiB", shown_bytes)};
    }
    const Error too_small{
        ErrorCode::TooSmall,
        base::format("device of %llu bytes is too small for internal metadata", shown_bytes)};
    if (device_bytes < kMinDeviceBytes) {
        return too_small;
    }

    // The bitmap is sized from the whole device, not from the part that remains usable.
    const std::uint64_t capacity = base::sectors_rounding_down(device_bytes).value;
    Layout layout;
    layout.al_sectors = *blocks * kSectorsPerBlock;
    layout.bitmap_sectors =
        (capacity + kSectorsPerBitmapBlock - 1) / kSectorsPerBitmapBlock * kSectorsPerBlock;
    layout.md_size_sectors = layout.bitmap_sectors + layout.al_sectors + kSectorsPerBlock;
    layout.superblock_sector = base::sectors_rounding_down(internal_superblock_byte(device_bytes));
    const std::uint64_t before_superblock = layout.bitmap_sectors + layout.al_sectors;
    if (layout.superblock_sector.value <= before_superblock) {
        return too_small;
    }
    layout.al_sector = layout.superblock_sector - base::Sector{layout.al_sectors};
    layout.bitmap_sector = layout.superblock_sector - base::Sector{before_superblock};
    layout.usable_sectors = layout.bitmap_sector.value;
    layout.al_offset = -static_cast<std::int32_t>(layout.al_sectors);
    layout.bm_offset = -static_cast<std::int32_t>(before_superblock);
    return layout;
}

}  // namespace meta
