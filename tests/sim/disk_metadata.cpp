#include "tests/sim/disk_metadata.h"

#include "base/require.h"
#include "meta/activity_log.h"
#include "meta/recovery.h"

#include <algorithm>

namespace sim {

void create_metadata(SimDisk& disk,
                     const meta::Layout& layout,
                     std::uint64_t current_uuid,
                     std::uint32_t al_stripes) {
    std::vector<std::uint8_t> block(meta::kBlockBytes);
    for (std::uint64_t s = 0; s < layout.bitmap_sectors; s += meta::kSectorsPerBlock) {
        disk.poke({layout.bitmap_sector.value + s}, block);
    }
    meta::initialized_block(block);
    for (std::uint64_t s = 0; s < layout.al_sectors; s += meta::kSectorsPerBlock) {
        disk.poke({layout.al_sector.value + s}, block);
    }
    meta::Superblock superblock =
        meta::fresh_superblock(layout, al_stripes, meta::kDefaultAlStripeSize4k);
    if (current_uuid != meta::kUuidJustCreated) {
        superblock.current_uuid = current_uuid;
        superblock.flags |= meta::kMdConsistent | meta::kMdWasUpToDate;
        superblock.la_size_sectors = layout.usable_sectors;
    }
    meta::encode(superblock, block);
    disk.poke(layout.superblock_sector, block);
}

std::optional<meta::Superblock> read_superblock(const SimDisk& disk, const meta::Layout& layout) {
    std::vector<std::uint8_t> block(meta::kBlockBytes);
    disk.peek(layout.superblock_sector, block);
    auto superblock = meta::decode_superblock(block);
    if (!superblock) {
        return std::nullopt;
    }
    return *superblock;
}

void move_metadata(SimDisk& disk, const meta::Layout& from, const meta::Layout& to) {
    meta::Superblock superblock = *read_superblock(disk, from);
    std::vector<std::uint8_t> bitmap(from.bitmap_sectors * base::kSectorBytes);
    disk.peek(from.bitmap_sector, bitmap);
    std::vector<std::uint8_t> log(from.al_sectors * base::kSectorBytes);
    disk.peek(from.al_sector, log);
    const auto plan = meta::plan_recovery(superblock, log);
    REQUIRE(plan);
    for (const base::AlExtent extent : plan->mark) {
        const std::uint64_t first = extent.value * base::kBitsPerAlExtent / 8;
        for (std::uint64_t i = first; i < first + base::kBitsPerAlExtent / 8; ++i) {
            if (i < bitmap.size()) {
                bitmap[i] = 0xff;
            }
        }
    }
    disk.poke(to.bitmap_sector, bitmap);
    std::vector<std::uint8_t> block(meta::kBlockBytes);
    meta::initialized_block(block);
    for (std::uint64_t s = 0; s < to.al_sectors; s += meta::kSectorsPerBlock) {
        disk.poke({to.al_sector.value + s}, block);
    }
    superblock = meta::recovered(superblock);
    superblock.md_size_sectors = static_cast<std::uint32_t>(to.md_size_sectors);
    superblock.al_offset = to.al_offset;
    superblock.bm_offset = to.bm_offset;
    meta::encode(superblock, block);
    disk.poke(to.superblock_sector, block);
    std::fill(block.begin(), block.end(), std::uint8_t{0});
    disk.poke(from.superblock_sector, block);
}

DirtOnDisk::DirtOnDisk(const SimDisk& disk, const meta::Layout& layout) {
    const auto superblock = read_superblock(disk, layout);
    if (!superblock) {
        return;
    }
    everything_ = superblock->has(meta::kMdFullSync);
    bitmap_.resize(layout.bitmap_sectors * base::kSectorBytes);
    disk.peek(layout.bitmap_sector, bitmap_);
    std::vector<std::uint8_t> log(layout.al_sectors * base::kSectorBytes);
    disk.peek(layout.al_sector, log);
    const auto plan = meta::plan_recovery(*superblock, log);
    if (plan) {
        for (const base::AlExtent extent : plan->mark) {
            extents_.insert(extent.value);
        }
    }
}

bool DirtOnDisk::covers(std::uint64_t bit) const {
    const bool marked = bit / 8 < bitmap_.size() && (bitmap_[bit / 8] >> bit % 8 & 1) != 0;
    return everything_ || marked ||
           extents_.contains(static_cast<std::uint32_t>(bit / base::kBitsPerAlExtent));
}

}  // namespace sim
