// Transactions of the activity log on disk: a ring of 4 KiB blocks, big-endian, each with a CRC,
// and the replay that finds the active extents of a crashed Primary. Metadata specification, 4.2
// to 4.4 and 6.2. The cache of active extents and the rules of when to write belong to the engine.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/units.h"
#include "meta/geometry.h"

#include <cstdint>
#include <vector>

namespace meta {

inline constexpr std::uint32_t kAlMagic = 0x69CB65A2;
inline constexpr std::size_t kAlUpdatesPerTransaction = 64;
inline constexpr std::size_t kAlContextPerTransaction = 919;
inline constexpr std::uint32_t kAlExtentFree = 0xFFFFFFFF;
inline constexpr std::uint16_t kAlSlotFree = 0xFFFF;
inline constexpr std::uint32_t kAlSlotLimit = 65534;  // slot numbers are below this
inline constexpr std::uint32_t kAlExtentsMin = 67;
inline constexpr std::uint32_t kAlExtentsDefault = 1237;

inline constexpr std::uint16_t kAlTypeUpdate = 0;
inline constexpr std::uint16_t kAlTypeInitialized = 0xFFFF;

struct AlUpdate {
    std::uint16_t slot = 0;
    std::uint32_t extent = kAlExtentFree;

    bool operator==(const AlUpdate&) const = default;
};

struct AlTransaction {
    std::uint32_t tr_number = 0;  // wraps
    std::uint16_t type = kAlTypeUpdate;
    std::vector<AlUpdate> updates;   // at most kAlUpdatesPerTransaction
    std::uint16_t context_size = 0;  // number of slots of the cache (al-extents)
    std::uint16_t context_start = 0;
    // Extents of the slots from context_start on, as they were before `updates`; at most
    // kAlContextPerTransaction. Free slots are kAlExtentFree.
    std::vector<std::uint32_t> context;

    bool operator==(const AlTransaction&) const = default;
};

// The most slots that a ring of this many blocks can describe: any all-but-one consecutive
// transactions must carry the complete context, because one block may be torn.
std::uint32_t max_slots(std::uint64_t al_blocks);

// The context entries that belong into a transaction which starts at `context_start`.
std::size_t context_count(std::uint32_t context_size, std::uint32_t context_start);

// Position in the ring, in blocks of 4 KiB from the start of the activity log.
std::uint64_t ring_position(std::uint32_t tr_number,
                            std::uint32_t al_stripes,
                            std::uint32_t al_stripe_size_4k);

// Fills all kBlockBytes of `block`, CRC included.
void encode(const AlTransaction& transaction, base::Bytes block);

// What create-md and apply-al write to every position of the ring.
void initialized_block(base::Bytes block);

// NotFound: not an activity log block. Invalid: the CRC does not match, the write was torn.
// Entries of `context` and `updates` that the format leaves unused are not in the result.
base::Result<AlTransaction> decode_al_block(base::ConstBytes block);

struct AlReplay {
    std::vector<base::AlExtent> active;  // ascending, distinct
    std::uint32_t update_transactions = 0;
    std::uint32_t invalid_blocks =
        0;  // one is what a torn newest write leaves; more deserve a warning
    std::uint32_t ignored_slots = 0;  // slot numbers from kAlSlotLimit on
};

// `blocks`: the ring in order of position on disk, each kBlockBytes long. NotFound: no valid block
// at all (ENODATA of drbdmeta). Invalid: initialized blocks with gaps, the log is not usable
// (EINVAL). update_transactions == 0 in the result: the log is freshly initialized, nothing is to
// be done.
base::Result<AlReplay> replay(const std::vector<base::ConstBytes>& blocks,
                              std::uint32_t al_stripes = kDefaultAlStripes,
                              std::uint32_t al_stripe_size_4k = kDefaultAlStripeSize4k);

}  // namespace meta
