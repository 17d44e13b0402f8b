// The superblock of DRBD 9, as far as it is needed for a disk to come home from there and to go
// there: metadata for one peer have the layout of v08, only the superblock differs. Metadata
// specification, sections 16, 17 and 21.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "meta/superblock.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace meta {

inline constexpr std::size_t kV09Nodes = 32;
inline constexpr std::size_t kV09HistoryUuids = 32;

// What one node is to this one; the index of the slot is that node's id.
struct V09Peer {
    std::uint64_t bitmap_uuid = 0;
    std::uint64_t bitmap_dagtag = 0;
    std::uint32_t flags = 0;         // V09PeerFlag; unknown bits are kept
    std::int32_t bitmap_index = -1;  // -1: no bitmap is about this node

    bool operator==(const V09Peer&) const = default;
};

// Of the flags of a peer, which v08 has among those of the device.
enum V09PeerFlag : std::uint32_t {
    kV09PeerConnected = 0x1,
    kV09PeerOutdated = 0x2,
    kV09PeerFullSync = 0x8,
};

struct SuperblockV09 {
    std::uint64_t la_size_sectors = 0;
    std::uint64_t current_uuid = kUuidJustCreated;
    std::uint64_t members = 0;  // set of node ids, as newer drivers write it
    std::uint64_t device_uuid = 0;
    std::uint32_t flags = kMdAlClean;  // those of MdFlag that are not a peer's, and DRBD 9's own
    std::uint32_t md_size_sectors = 0;
    std::int32_t al_offset = 0;  // sectors relative to the superblock, as bm_offset
    std::uint32_t al_nr_extents = kCreatedAlExtents;
    std::int32_t bm_offset = 0;
    std::uint32_t bm_bytes_per_bit = kBmBytesPerBit;
    std::uint32_t la_peer_max_bio_size = 0;  // bytes
    std::int32_t node_id = -1;               // -1: never attached
    std::uint32_t al_stripes = kDefaultAlStripes;
    std::uint32_t al_stripe_size_4k = kDefaultAlStripeSize4k;
    std::array<V09Peer, kV09Nodes> peers{};
    std::array<std::uint64_t, kV09HistoryUuids> history_uuids{};  // younger first

    // DRBD 9 knows no other sign; the magic is always the same.
    bool is_clean() const { return (flags & kMdAlClean) != 0; }

    bool operator==(const SuperblockV09&) const = default;
};

// `block` is kBlockBytes long and has the magic of v09. Unsupported: for more than one peer.
// Invalid: damaged.
base::Result<SuperblockV09> decode_v09(base::ConstBytes block);

// Fills all kBlockBytes of `block`: what the format does not use becomes zero.
void encode(const SuperblockV09& superblock, base::Bytes block);

// As v08 has it: the place, and what is known of the one peer. Invalid: damaged.
base::Result<Superblock> as_v08(const SuperblockV09& superblock);

// decode_v09() and as_v08(); Invalid also: its activity log has not been applied, which is the
// business of DRBD 9's tool.
base::Result<Superblock> superblock_of_v09(base::ConstBytes block);

// As the original's create-md makes it: nobody has a slot yet, and what v08 knows of its peer waits
// in the first one.
SuperblockV09 as_v09(const Superblock& superblock);

// What the other version has no room for, in words; empty: nothing.
std::string lost_in_v08(const SuperblockV09& superblock);
std::string lost_in_v09(const Superblock& superblock);

// The blocks to write one after the other, each flushed, to replace the superblock `v08` by `v09`,
// or the other way round, so that a crash at any point leaves one of the two. A write may be torn
// between sectors of 512 bytes. All of v08, and the magic of both, are in the first: whatever v09
// has behind it is there before the first sector changes, and is erased after it has changed back.
enum class Conversion : std::uint8_t { ToV09, ToV08 };
std::vector<std::vector<std::uint8_t>> conversion_writes(Conversion conversion,
                                                         base::ConstBytes v08,
                                                         base::ConstBytes v09);

}  // namespace meta
