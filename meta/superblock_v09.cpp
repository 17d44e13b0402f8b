#include "meta/superblock_v09.h"

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

constexpr std::size_t kPeersAt = 0x70;
constexpr std::size_t kPeerBytes = 32;
constexpr std::size_t kHistoryAt = 0x470;
constexpr std::uint32_t kOnePeer = 1;

constexpr std::uint32_t kSameInBoth =
    kMdConsistent | kMdPrimaryInd | kMdWasUpToDate | kMdCrashedPrimary | kMdAlClean | kMdAlDisabled;

struct FlagOfPeer {
    std::uint32_t v08;
    std::uint32_t v09;
};

constexpr FlagOfPeer kFlagsOfPeer[] = {{kMdConnectedInd, kV09PeerConnected},
                                       {kMdPeerOutDated, kV09PeerOutdated},
                                       {kMdFullSync, kV09PeerFullSync}};

Error damaged_v09(const std::string& what) {
    return {ErrorCode::Invalid, "damaged v09 metadata: " + what};
}

// There is one bitmap, so at most one slot may have it.
Result<void> check_slots(const SuperblockV09& sb) {
    bool found = false;
    for (std::size_t i = 0; i < kV09Nodes; ++i) {
        const std::int32_t index = sb.peers[i].bitmap_index;
        if (index == -1) {
            continue;
        }
        if (index != 0 || found) {
            return damaged_v09(base::format("peer slot %zu has bitmap %d", i, index));
        }
        found = true;
    }
    return {};
}

// The node that the bitmap is about. Where it is about nobody yet, what came from v08 is in the
// first slot.
const V09Peer& the_peer(const SuperblockV09& sb) {
    const auto found = std::find_if(sb.peers.begin(), sb.peers.end(), [](const V09Peer& peer) {
        return peer.bitmap_index != -1;
    });
    return found == sb.peers.end() ? sb.peers[0] : *found;
}

V09Peer peer_at(ConstBytes block, std::size_t index) {
    const std::size_t at = kPeersAt + index * kPeerBytes;
    return {base::get_be64(block, at),
            base::get_be64(block, at + 8),
            base::get_be32(block, at + 16),
            static_cast<std::int32_t>(base::get_be32(block, at + 20))};
}

void put_peer(const V09Peer& peer, Bytes block, std::size_t index) {
    const std::size_t at = kPeersAt + index * kPeerBytes;
    base::put_be64(block, at, peer.bitmap_uuid);
    base::put_be64(block, at + 8, peer.bitmap_dagtag);
    base::put_be32(block, at + 16, peer.flags);
    base::put_be32(block, at + 20, static_cast<std::uint32_t>(peer.bitmap_index));
}

}  // namespace

Result<SuperblockV09> decode_v09(ConstBytes block) {
    REQUIRE(block.size() == kBlockBytes && base::get_be32(block, 0x3C) == kMagicV09);
    const std::uint32_t peers = base::get_be32(block, 0x58);
    if (peers != kOnePeer) {
        return Error{
            ErrorCode::Unsupported,
            base::format("v09 metadata (DRBD 9) for %u peers: v08 has room for one", peers)};
    }
    SuperblockV09 sb;
    sb.la_size_sectors = base::get_be64(block, 0x00);
    sb.current_uuid = base::get_be64(block, 0x08);
    sb.members = base::get_be64(block, 0x10);
    sb.device_uuid = base::get_be64(block, 0x30);
    sb.flags = base::get_be32(block, 0x38);
    sb.md_size_sectors = base::get_be32(block, 0x40);
    sb.al_offset = static_cast<std::int32_t>(base::get_be32(block, 0x44));
    sb.al_nr_extents = base::get_be32(block, 0x48);
    sb.bm_offset = static_cast<std::int32_t>(base::get_be32(block, 0x4C));
    sb.bm_bytes_per_bit = base::get_be32(block, 0x50);
    sb.la_peer_max_bio_size = base::get_be32(block, 0x54);
    sb.node_id = static_cast<std::int32_t>(base::get_be32(block, 0x5C));
    sb.al_stripes = base::get_be32(block, 0x60);
    sb.al_stripe_size_4k = base::get_be32(block, 0x64);
    for (std::size_t i = 0; i < kV09Nodes; ++i) {
        sb.peers[i] = peer_at(block, i);
    }
    for (std::size_t i = 0; i < kV09HistoryUuids; ++i) {
        sb.history_uuids[i] = base::get_be64(block, kHistoryAt + 8 * i);
    }
    // What holds of any superblock of v08 holds of this one.
    if (const Result<Superblock> checked = as_v08(sb); !checked) {
        return checked.error();
    }
    return sb;
}

void encode(const SuperblockV09& sb, Bytes block) {
    REQUIRE(block.size() == kBlockBytes);
    std::fill(block.begin(), block.end(), std::uint8_t{0});
    base::put_be64(block, 0x00, sb.la_size_sectors);
    base::put_be64(block, 0x08, sb.current_uuid);
    base::put_be64(block, 0x10, sb.members);
    base::put_be64(block, 0x30, sb.device_uuid);
    base::put_be32(block, 0x38, sb.flags);
    base::put_be32(block, 0x3C, kMagicV09);
    base::put_be32(block, 0x40, sb.md_size_sectors);
    base::put_be32(block, 0x44, static_cast<std::uint32_t>(sb.al_offset));
    base::put_be32(block, 0x48, sb.al_nr_extents);
    base::put_be32(block, 0x4C, static_cast<std::uint32_t>(sb.bm_offset));
    base::put_be32(block, 0x50, sb.bm_bytes_per_bit);
    base::put_be32(block, 0x54, sb.la_peer_max_bio_size);
    base::put_be32(block, 0x58, kOnePeer);
    base::put_be32(block, 0x5C, static_cast<std::uint32_t>(sb.node_id));
    base::put_be32(block, 0x60, sb.al_stripes);
    base::put_be32(block, 0x64, sb.al_stripe_size_4k);
    for (std::size_t i = 0; i < kV09Nodes; ++i) {
        put_peer(sb.peers[i], block, i);
    }
    for (std::size_t i = 0; i < kV09HistoryUuids; ++i) {
        base::put_be64(block, kHistoryAt + 8 * i, sb.history_uuids[i]);
    }
}

Result<Superblock> as_v08(const SuperblockV09& nine) {
    if (Result<void> checked = check_slots(nine); !checked) {
        return checked.error();
    }
    const V09Peer& peer = the_peer(nine);
    Superblock sb;
    sb.la_size_sectors = nine.la_size_sectors;
    sb.current_uuid = nine.current_uuid;
    // Of a slot without a bitmap it is no generation that a peer has.
    sb.bitmap_uuid = peer.bitmap_index == -1 ? 0 : peer.bitmap_uuid;
    sb.history_uuids = {nine.history_uuids[0], nine.history_uuids[1]};
    sb.device_uuid = nine.device_uuid;
    sb.flags = nine.flags & kSameInBoth;
    for (const FlagOfPeer& flag : kFlagsOfPeer) {
        sb.flags |= (peer.flags & flag.v09) != 0 ? flag.v08 : 0u;
    }
    sb.md_size_sectors = nine.md_size_sectors;
    sb.al_offset = nine.al_offset;
    sb.al_nr_extents = nine.al_nr_extents;
    sb.bm_offset = nine.bm_offset;
    sb.bm_bytes_per_bit = nine.bm_bytes_per_bit;
    sb.la_peer_max_bio_size = nine.la_peer_max_bio_size;
    sb.al_stripes = nine.al_stripes;
    sb.al_stripe_size_4k = nine.al_stripe_size_4k;
    std::vector<std::uint8_t> block(kBlockBytes);
    encode(sb, block);
    return decode_superblock(block);
}

Result<Superblock> superblock_of_v09(ConstBytes block) {
    const Result<SuperblockV09> sb = decode_v09(block);
    if (!sb) {
        return sb.error();
    }
    if (!sb->is_clean()) {
        return Error{ErrorCode::Invalid,
                     "v09 metadata (DRBD 9) whose activity log has not been applied: do that with "
                     "'drbdmeta ... v09 ... apply-al' of drbd-utils first"};
    }
    return as_v08(*sb);
}

SuperblockV09 as_v09(const Superblock& sb) {
    SuperblockV09 nine;
    nine.la_size_sectors = sb.la_size_sectors;
    nine.current_uuid = sb.current_uuid;
    nine.device_uuid = sb.device_uuid;
    nine.flags = sb.flags & kSameInBoth;
    nine.md_size_sectors = sb.md_size_sectors;
    nine.al_offset = sb.al_offset;
    nine.al_nr_extents = sb.al_nr_extents;
    nine.bm_offset = sb.bm_offset;
    nine.bm_bytes_per_bit = sb.bm_bytes_per_bit;
    nine.la_peer_max_bio_size = sb.la_peer_max_bio_size;
    nine.al_stripes = sb.al_stripes;
    nine.al_stripe_size_4k = sb.al_stripe_size_4k;
    for (const FlagOfPeer& flag : kFlagsOfPeer) {
        nine.peers[0].flags |= (sb.flags & flag.v08) != 0 ? flag.v09 : 0u;
    }
    std::copy(sb.history_uuids.begin(), sb.history_uuids.end(), nine.history_uuids.begin());
    return nine;
}

std::string lost_in_v08(const SuperblockV09& sb) {
    const std::size_t room = Superblock{}.history_uuids.size();
    const auto older = std::count_if(sb.history_uuids.begin() + static_cast<std::ptrdiff_t>(room),
                                     sb.history_uuids.end(),
                                     [](std::uint64_t uuid) { return uuid != 0; });
    const V09Peer& peer = the_peer(sb);
    if (peer.bitmap_index == -1 && peer.bitmap_uuid != 0) {
        return base::format("the bitmap is about no peer yet: it has the changes since day 0 (%s)",
                            base::hex64(peer.bitmap_uuid).c_str());
    }
    if (older != 0) {
        return base::format(
            "the history has %td more than the %zu generations of v08: a peer that "
            "has one of them would be taken for a stranger",
            older,
            room);
    }
    return {};
}

std::string lost_in_v09(const Superblock& sb) {
    if (sb.bitmap_uuid == 0) {
        return {};
    }
    return base::format(
        "the bitmap's identifier %s is kept in the slot of a peer, and nobody has "
        "one before DRBD 9 has attached: a peer that is behind would be taken for a "
        "stranger",
        base::hex64(sb.bitmap_uuid).c_str());
}

std::vector<std::vector<std::uint8_t>> conversion_writes(Conversion conversion,
                                                         ConstBytes v08,
                                                         ConstBytes v09) {
    REQUIRE(v08.size() == kBlockBytes && v09.size() == kBlockBytes);
    // A whole superblock of v08, that of v09 but for its first sector.
    std::vector<std::uint8_t> both(v09.begin(), v09.end());
    std::copy_n(v08.begin(), base::kSectorBytes, both.begin());
    const ConstBytes last = conversion == Conversion::ToV09 ? v09 : v08;
    return {std::move(both), {last.begin(), last.end()}};
}

}  // namespace meta
