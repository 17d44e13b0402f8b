#include "meta/superblock_v09.h"

#include "base/log.h"
#include "base/require.h"

#include <optional>
#include <vector>

namespace meta {

using base::ConstBytes;
using base::Error;
using base::ErrorCode;
using base::Result;

namespace {

constexpr std::size_t kPeerSlots = 32;
constexpr std::size_t kPeersAt = 0x70;
constexpr std::size_t kPeerBytes = 32;
constexpr std::size_t kHistoryAt = 0x470;

// Of the flags of a peer, which v08 has among those of the device.
constexpr std::uint32_t kPeerConnected = 0x1;
constexpr std::uint32_t kPeerOutdated = 0x2;
constexpr std::uint32_t kPeerFullSync = 0x8;

constexpr std::uint32_t kSameInBoth =
    kMdConsistent | kMdPrimaryInd | kMdWasUpToDate | kMdCrashedPrimary | kMdAlClean | kMdAlDisabled;

Error damaged_v09(const std::string& what) {
    return {ErrorCode::Invalid, "damaged v09 metadata: " + what};
}

// The peer that the bitmap is about; nothing: it is about nobody yet.
Result<std::optional<std::size_t>> peer_with_bitmap(ConstBytes block) {
    std::optional<std::size_t> found;
    for (std::size_t i = 0; i < kPeerSlots; ++i) {
        const std::size_t at = kPeersAt + i * kPeerBytes;
        const auto bitmap_index = static_cast<std::int32_t>(base::get_be32(block, at + 20));
        if (bitmap_index == -1) {
            continue;
        }
        if (bitmap_index != 0 || found) {
            return damaged_v09(base::format("peer slot %zu has bitmap %d", i, bitmap_index));
        }
        found = at;
    }
    return found;
}

void take_peer(ConstBytes block, std::size_t at, Superblock& sb) {
    sb.bitmap_uuid = base::get_be64(block, at);
    const std::uint32_t flags = base::get_be32(block, at + 16);
    sb.flags |= (flags & kPeerConnected) != 0 ? kMdConnectedInd : 0u;
    sb.flags |= (flags & kPeerOutdated) != 0 ? kMdPeerOutDated : 0u;
    sb.flags |= (flags & kPeerFullSync) != 0 ? kMdFullSync : 0u;
}

}  // namespace

Result<Superblock> superblock_of_v09(ConstBytes block) {
    REQUIRE(block.size() == kBlockBytes && base::get_be32(block, 0x3C) == kMagicV09);
    const std::uint32_t peers = base::get_be32(block, 0x58);
    if (peers != 1) {
        return Error{
            ErrorCode::Unsupported,
            base::format("v09 metadata (DRBD 9) for %u peers: v08 has room for one", peers)};
    }
    const std::uint32_t flags = base::get_be32(block, 0x38);
    if ((flags & kMdAlClean) == 0) {
        return Error{ErrorCode::Invalid,
                     "v09 metadata (DRBD 9) whose activity log has not been applied: do that with "
                     "'drbdmeta ... v09 ... apply-al' of drbd-utils first"};
    }
    const auto peer = peer_with_bitmap(block);
    if (!peer) {
        return peer.error();
    }
    Superblock sb;
    sb.la_size_sectors = base::get_be64(block, 0x00);
    sb.current_uuid = base::get_be64(block, 0x08);
    sb.history_uuids = {base::get_be64(block, kHistoryAt), base::get_be64(block, kHistoryAt + 8)};
    sb.device_uuid = base::get_be64(block, 0x30);
    sb.flags = flags & kSameInBoth;
    sb.md_size_sectors = base::get_be32(block, 0x40);
    sb.al_offset = static_cast<std::int32_t>(base::get_be32(block, 0x44));
    sb.al_nr_extents = base::get_be32(block, 0x48);
    sb.bm_offset = static_cast<std::int32_t>(base::get_be32(block, 0x4C));
    sb.bm_bytes_per_bit = base::get_be32(block, 0x50);
    sb.la_peer_max_bio_size = base::get_be32(block, 0x54);
    sb.al_stripes = base::get_be32(block, 0x60);
    sb.al_stripe_size_4k = base::get_be32(block, 0x64);
    if (*peer) {
        take_peer(block, **peer, sb);
    }
    // What holds of any superblock of v08 holds of this one.
    std::vector<std::uint8_t> as_v08(kBlockBytes);
    encode(sb, as_v08);
    return decode_superblock(as_v08);
}

}  // namespace meta
