#include "meta/superblock.h"

#include "base/log.h"
#include "base/require.h"
#include "base/units.h"

#include <algorithm>

namespace meta {

using base::Bytes;
using base::ConstBytes;
using base::Error;
using base::ErrorCode;
using base::Result;

namespace {

constexpr std::size_t kFlagsAt = 0x38;
constexpr std::size_t kMagicAt = 0x3C;

// Data sectors that one sector of bitmap describes.
constexpr std::uint64_t kDataSectorsPerBitmapSector = base::kSectorBytes * 8 * base::kSectorsPerBit;

Error damaged(const std::string& what) {
    return {ErrorCode::Invalid, "damaged v08 metadata: " + what};
}

Result<void> check_magic(std::uint32_t magic) {
    switch (magic) {
        case kMagicV08:
        case kMagicV08Unclean:
            return {};
        case kMagicV07:
            return Error{
                ErrorCode::Unsupported,
                "v07 metadata (DRBD 0.7), not v08: 'drbdmeta ... v08 ... create-md' converts it"};
        case kMagicV09:
            return Error{
                ErrorCode::Unsupported,
                "v09 metadata (DRBD 9), not v08: 'drbdmeta ... v08 ... create-md' converts it"};
        default:
            return Error{ErrorCode::NotFound, "no DRBD metadata found"};
    }
}

// Sectors of bitmap between the offsets; the end of an external bitmap is the end of the metadata.
std::int64_t bitmap_sectors(const Superblock& sb) {
    return sb.al_offset < 0 ? std::int64_t{sb.al_offset} - sb.bm_offset
                            : std::int64_t{sb.md_size_sectors} - sb.bm_offset;
}

Result<void> check_offsets(const Superblock& sb, std::int64_t al_sectors) {
    if (sb.bm_offset % static_cast<std::int32_t>(kSectorsPerBlock) != 0) {
        return damaged(base::format("bm_offset %d is not a multiple of 8 sectors", sb.bm_offset));
    }
    const bool internal = sb.al_offset < 0;
    const bool fits =
        internal ? -std::int64_t{sb.al_offset} == al_sectors && sb.bm_offset <= sb.al_offset &&
                       std::int64_t{sb.md_size_sectors} ==
                           -std::int64_t{sb.bm_offset} + std::int64_t{kSectorsPerBlock}
                 : sb.al_offset == static_cast<std::int32_t>(kSectorsPerBlock) &&
                       std::int64_t{sb.bm_offset} == sb.al_offset + al_sectors &&
                       sb.bm_offset <= std::int64_t{sb.md_size_sectors};
    if (!fits) {
        return damaged(base::format(
            "al_offset %d, bm_offset %d and md_size_sect %u do not fit a log of %lld sectors",
            sb.al_offset,
            sb.bm_offset,
            sb.md_size_sectors,
            static_cast<long long>(al_sectors)));
    }
    return {};
}

Result<void> check_fields(const Superblock& sb) {
    if (sb.bm_bytes_per_bit != kBmBytesPerBit) {
        return damaged(base::format("bm_bytes_per_bit is %u, not 4096", sb.bm_bytes_per_bit));
    }
    const Result<std::uint64_t> blocks = al_blocks(sb.al_stripes, sb.al_stripe_size_4k);
    if (!blocks) {
        return damaged(blocks.error().text);
    }
    const auto al_sectors = static_cast<std::int64_t>(*blocks * kSectorsPerBlock);
    if (Result<void> checked = check_offsets(sb, al_sectors); !checked) {
        return checked;
    }
    const auto described =
        static_cast<std::uint64_t>(bitmap_sectors(sb)) * kDataSectorsPerBitmapSector;
    if (sb.la_size_sectors > described) {
        return damaged(base::format("la_size_sect %llu is more than the bitmap describes (%llu)",
                                    static_cast<unsigned long long>(sb.la_size_sectors),
                                    static_cast<unsigned long long>(described)));
    }
    return {};
}

}  // namespace

Superblock fresh_superblock(const Layout& layout,
                            std::uint32_t al_stripes,
                            std::uint32_t al_stripe_size_4k) {
    Superblock sb;
    sb.md_size_sectors = static_cast<std::uint32_t>(layout.md_size_sectors);
    sb.al_offset = layout.al_offset;
    sb.bm_offset = layout.bm_offset;
    sb.al_stripes = al_stripes;
    sb.al_stripe_size_4k = al_stripe_size_4k;
    return sb;
}

Result<Superblock> decode_superblock(ConstBytes block) {
    REQUIRE(block.size() == kBlockBytes);
    const std::uint32_t magic = base::get_be32(block, kMagicAt);
    if (Result<void> checked = check_magic(magic); !checked) {
        return checked.error();
    }
    Superblock sb;
    sb.la_size_sectors = base::get_be64(block, 0x00);
    sb.current_uuid = base::get_be64(block, 0x08);
    sb.bitmap_uuid = base::get_be64(block, 0x10);
    sb.history_uuids = {base::get_be64(block, 0x18), base::get_be64(block, 0x20)};
    sb.device_uuid = base::get_be64(block, 0x28);
    sb.flags = base::get_be32(block, kFlagsAt);
    sb.clean_magic = magic == kMagicV08;
    sb.md_size_sectors = base::get_be32(block, 0x40);
    sb.al_offset = static_cast<std::int32_t>(base::get_be32(block, 0x44));
    sb.al_nr_extents = base::get_be32(block, 0x48);
    sb.bm_offset = static_cast<std::int32_t>(base::get_be32(block, 0x4C));
    sb.bm_bytes_per_bit = base::get_be32(block, 0x50);
    sb.la_peer_max_bio_size = base::get_be32(block, 0x54);
    sb.al_stripes = base::get_be32(block, 0x58);
    sb.al_stripe_size_4k = base::get_be32(block, 0x5C);
    if (sb.al_stripes == 0 && sb.al_stripe_size_4k == 0) {
        sb.al_stripes = kDefaultAlStripes;
        sb.al_stripe_size_4k = kDefaultAlStripeSize4k;
    }
    if (Result<void> checked = check_fields(sb); !checked) {
        return checked.error();
    }
    return sb;
}

void encode(const Superblock& sb, Bytes block) {
    REQUIRE(block.size() == kBlockBytes);
    std::fill(block.begin(), block.end(), std::uint8_t{0});
    base::put_be64(block, 0x00, sb.la_size_sectors);
    base::put_be64(block, 0x08, sb.current_uuid);
    base::put_be64(block, 0x10, sb.bitmap_uuid);
    base::put_be64(block, 0x18, sb.history_uuids[0]);
    base::put_be64(block, 0x20, sb.history_uuids[1]);
    base::put_be64(block, 0x28, sb.device_uuid);
    base::put_be32(block, kFlagsAt, sb.flags);
    base::put_be32(block, kMagicAt, sb.clean_magic ? kMagicV08 : kMagicV08Unclean);
    base::put_be32(block, 0x40, sb.md_size_sectors);
    base::put_be32(block, 0x44, static_cast<std::uint32_t>(sb.al_offset));
    base::put_be32(block, 0x48, sb.al_nr_extents);
    base::put_be32(block, 0x4C, static_cast<std::uint32_t>(sb.bm_offset));
    base::put_be32(block, 0x50, sb.bm_bytes_per_bit);
    base::put_be32(block, 0x54, sb.la_peer_max_bio_size);
    base::put_be32(block, 0x58, sb.al_stripes);
    base::put_be32(block, 0x5C, sb.al_stripe_size_4k);
}

Result<void> check_against(const Superblock& sb, const Layout& layout) {
    if (sb.md_size_sectors == layout.md_size_sectors && sb.al_offset == layout.al_offset &&
        sb.bm_offset == layout.bm_offset) {
        return {};
    }
    return Error{ErrorCode::Invalid,
                 base::format("the metadata was made for another place or another size of the "
                              "device: md_size_sect %u, al_offset %d, bm_offset %d; "
                              "expected %llu, %d, %d",
                              sb.md_size_sectors,
                              sb.al_offset,
                              sb.bm_offset,
                              static_cast<unsigned long long>(layout.md_size_sectors),
                              layout.al_offset,
                              layout.bm_offset)};
}

Result<Layout> layout_of(const Superblock& sb,
                         const Placement& placement,
                         std::uint64_t device_bytes) {
    const std::uint64_t device_sectors = base::sectors_rounding_down(device_bytes).value;
    const bool flexible = placement.kind == Placement::Kind::FlexibleExternal;
    if (flexible && sb.md_size_sectors > device_sectors) {
        return Error{ErrorCode::Invalid,
                     base::format("the metadata is %u sectors long, its device has %llu: it has "
                                  "shrunk since",
                                  sb.md_size_sectors,
                                  static_cast<unsigned long long>(device_sectors))};
    }
    // Of a device that has grown only what it had before is used.
    const Result<Layout> layout =
        flexible ? external_layout({}, sb.md_size_sectors, sb.al_stripes, sb.al_stripe_size_4k)
                 : layout_for(placement, device_bytes, sb.al_stripes, sb.al_stripe_size_4k);
    if (!layout) {
        return layout;
    }
    if (Result<void> checked = check_against(sb, *layout); !checked) {
        return checked.error();
    }
    return layout;
}

}  // namespace meta
