#include "meta/geometry.h"

#include "base/log.h"
#include "base/require.h"

#include <algorithm>
#include <limits>

namespace meta {

using base::Error;
using base::ErrorCode;
using base::Result;

namespace {

// One 4 KiB bitmap block describes this much data: 128 MiB.
constexpr std::uint64_t kSectorsPerBitmapBlock = kBlockBytes * 8 * base::kSectorsPerBit;

constexpr std::uint64_t kSlotSectors = kSlotBytes / base::kSectorBytes;

unsigned long long for_text(std::uint64_t value) {
    return value;
}

// 0 x 0 is not one of them: the superblock has been read by then.
bool is_striped(std::uint32_t al_stripes, std::uint32_t al_stripe_size_4k) {
    return al_stripes != kDefaultAlStripes || al_stripe_size_4k != kDefaultAlStripeSize4k;
}

Result<Layout> slot_layout(std::uint32_t slot, std::uint64_t device_bytes) {
    if (slot > kMaxSlot) {
        return Error{
            ErrorCode::Invalid,
            base::format("'%u' is not a valid index number: the last is %u", slot, kMaxSlot)};
    }
    const std::uint64_t begin = slot * kSlotBytes;
    if (device_bytes < begin + kSlotBytes) {
        return Error{
            ErrorCode::TooSmall,
            base::format("Device too small: expecting meta data block at\nbyte offset %llu "
                         "and %llu bytes for it, but the device has %llu bytes.",
                         for_text(begin),
                         for_text(kSlotBytes),
                         for_text(device_bytes))};
    }
    return external_layout(base::sectors_rounding_down(begin),
                           kSlotSectors,
                           kDefaultAlStripes,
                           kDefaultAlStripeSize4k);
}

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
    if (device_bytes > kMaxDeviceBytes) {
        return Error{
            ErrorCode::TooBig,
            base::format("device of %llu bytes: the limit is 1 PiB", for_text(device_bytes))};
    }
    const Error too_small{ErrorCode::TooSmall,
                          base::format("device of %llu bytes is too small for internal metadata",
                                       for_text(device_bytes))};
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

Result<Layout> external_layout(base::Sector superblock,
                               std::uint64_t md_size_sectors,
                               std::uint32_t al_stripes,
                               std::uint32_t al_stripe_size_4k) {
    const Result<std::uint64_t> blocks = al_blocks(al_stripes, al_stripe_size_4k);
    if (!blocks) {
        return blocks.error();
    }
    Layout layout;
    layout.al_sectors = *blocks * kSectorsPerBlock;
    const std::uint64_t bm_offset = kSectorsPerBlock + layout.al_sectors;
    if (md_size_sectors < bm_offset + kSectorsPerBlock) {
        return Error{ErrorCode::TooSmall,
                     base::format("%llu sectors are too small for external metadata: the log needs "
                                  "%llu and the bitmap at least %llu",
                                  for_text(md_size_sectors),
                                  for_text(bm_offset),
                                  for_text(kSectorsPerBlock))};
    }
    if (md_size_sectors > std::numeric_limits<std::uint32_t>::max()) {
        return Error{ErrorCode::TooBig,
                     base::format("external metadata of %llu sectors: the limit is 2 TiB",
                                  for_text(md_size_sectors))};
    }
    layout.superblock_sector = superblock;
    layout.al_sector = superblock + base::Sector{kSectorsPerBlock};
    layout.bitmap_sector = superblock + base::Sector{bm_offset};
    // The bitmap is read and written in whole blocks.
    layout.bitmap_sectors = (md_size_sectors - bm_offset) / kSectorsPerBlock * kSectorsPerBlock;
    layout.usable_sectors =
        std::min(layout.bitmap_sectors / kSectorsPerBlock * kSectorsPerBitmapBlock,
                 kMaxDeviceBytes / base::kSectorBytes);
    layout.md_size_sectors = md_size_sectors;
    layout.al_offset = static_cast<std::int32_t>(kSectorsPerBlock);
    layout.bm_offset = static_cast<std::int32_t>(bm_offset);
    return layout;
}

Result<Layout> layout_for(const Placement& placement,
                          std::uint64_t device_bytes,
                          std::uint32_t al_stripes,
                          std::uint32_t al_stripe_size_4k) {
    switch (placement.kind) {
        case Placement::Kind::Internal:
            return internal_layout(device_bytes, al_stripes, al_stripe_size_4k);
        case Placement::Kind::FlexibleExternal:
            return external_layout(
                {}, base::sectors_rounding_down(device_bytes).value, al_stripes, al_stripe_size_4k);
        case Placement::Kind::Indexed:
            if (is_striped(al_stripes, al_stripe_size_4k)) {
                return Error{ErrorCode::Invalid,
                             base::format("activity log striping of %u x %u blocks: metadata with "
                                          "an index has 1 x 8",
                                          al_stripes,
                                          al_stripe_size_4k)};
            }
            return slot_layout(placement.slot, device_bytes);
    }
    REQUIRE(false);
}

std::uint64_t superblock_byte(const Placement& placement, std::uint64_t device_bytes) {
    return placement.is_external() ? placement.slot * kSlotBytes
                                   : internal_superblock_byte(device_bytes);
}

void limit_to_device(Layout& layout, std::uint64_t data_bytes) {
    layout.usable_sectors =
        std::min(layout.usable_sectors, base::sectors_rounding_down(data_bytes).value);
}

}  // namespace meta
