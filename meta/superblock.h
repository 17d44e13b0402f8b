// The v08 superblock: one 4 KiB block, big-endian, without a checksum. Metadata specification,
// sections 3, 3.1 and 9. It does not know the device; whether it fits one is check_against().
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "meta/geometry.h"

#include <array>
#include <cstdint>

namespace meta {

enum MdFlag : std::uint32_t {
    kMdConsistent = 0x001,    // disk state better than Inconsistent
    kMdPrimaryInd = 0x002,    // Primary, or the only disk of a diskless Primary: replay is needed
    kMdConnectedInd = 0x004,  // connection beyond WFReportParams
    kMdFullSync = 0x008,      // the bitmap on disk is not to be trusted: all bits count as set
    kMdWasUpToDate = 0x010,   // disk state better than Outdated
    kMdPeerOutDated = 0x020,  // the peer's disk is known to be Inconsistent or Outdated
    kMdCrashedPrimary = 0x040,
    kMdAlClean = 0x080,     // the activity log has been applied; cleared while attached
    kMdAlDisabled = 0x100,  // the activity log's contents mean nothing
};

inline constexpr std::uint64_t kUuidJustCreated = 4;
inline constexpr std::uint64_t kUuidPrimaryBit = 1;  // a role marker, ignored in every comparison

// Superblock magics. The "unclean" one keeps drivers older than 8.4 off a device in use.
inline constexpr std::uint32_t kMagicV07 = 0x8374026A;
inline constexpr std::uint32_t kMagicV08 = 0x8374026B;
inline constexpr std::uint32_t kMagicV08Unclean = 0x8374026C;
inline constexpr std::uint32_t kMagicV09 = 0x8374026D;

inline constexpr std::uint32_t kCreatedAlExtents = 257;  // what create-md stores as al_nr_extents
inline constexpr std::uint32_t kBmBytesPerBit = 4096;

struct Superblock {
    std::uint64_t la_size_sectors = 0;  // last agreed size; 0: never agreed
    std::uint64_t current_uuid = kUuidJustCreated;
    std::uint64_t bitmap_uuid = 0;
    std::array<std::uint64_t, 2> history_uuids{};  // younger first
    std::uint64_t device_uuid = 0;
    std::uint32_t flags = kMdAlClean;  // MdFlag; unknown bits are kept
    bool clean_magic = true;           // false: in use, or not applied since
    std::uint32_t md_size_sectors = 0;
    std::int32_t al_offset = 0;  // sectors relative to the superblock, as bm_offset
    std::uint32_t al_nr_extents = kCreatedAlExtents;
    std::int32_t bm_offset = 0;
    std::uint32_t bm_bytes_per_bit = kBmBytesPerBit;
    std::uint32_t la_peer_max_bio_size = 0;  // bytes
    std::uint32_t al_stripes = kDefaultAlStripes;
    std::uint32_t al_stripe_size_4k = kDefaultAlStripeSize4k;

    bool has(MdFlag flag) const { return (flags & flag) != 0; }

    // The kernel attaches only this; everything else needs apply-al first (6.1).
    bool is_clean() const { return clean_magic && has(kMdAlClean); }

    bool operator==(const Superblock&) const = default;
};

// What create-md writes for this place (10).
Superblock fresh_superblock(const Layout& layout,
                            std::uint32_t al_stripes = kDefaultAlStripes,
                            std::uint32_t al_stripe_size_4k = kDefaultAlStripeSize4k);

// `block` is kBlockBytes long. NotFound: no DRBD metadata here. Unsupported: v07 or v09, said so.
// Invalid: v08, but damaged. A striping of 0 x 0 (made by 8.3 and older) is read as 1 x 8.
base::Result<Superblock> decode_superblock(base::ConstBytes block);

// Fills all kBlockBytes of `block`: what the format does not use becomes zero.
void encode(const Superblock& superblock, base::Bytes block);

// Whether the superblock belongs to internal metadata at exactly this place. `layout` must have
// been computed with the superblock's own striping.
base::Result<void> check_against(const Superblock& superblock, const Layout& layout);

// The layout of the metadata that this superblock, found at its place, begins or ends. Invalid:
// they were made for another place, or for another size of the device; see check_against().
base::Result<Layout> layout_of(const Superblock& superblock,
                               const Placement& placement,
                               std::uint64_t device_bytes);

}  // namespace meta
