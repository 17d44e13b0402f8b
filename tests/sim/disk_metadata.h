// The metadata on a simulated disk: written as create-md would, and read as somebody would who
// finds the disk after a crash.
#pragma once

#include "meta/geometry.h"
#include "meta/superblock.h"
#include "tests/sim/sim_disk.h"

#include <cstdint>
#include <optional>
#include <set>

namespace sim {

// What create-md does. With a current uuid other than kUuidJustCreated the disk also counts as
// good (UpToDate) data of that generation, so that a run can start without an initial sync.
void create_metadata(SimDisk& disk,
                     const meta::Layout& layout,
                     std::uint64_t current_uuid,
                     std::uint32_t al_stripes = 1);

std::optional<meta::Superblock> read_superblock(const SimDisk& disk, const meta::Layout& layout);

// What `drbdmeta check-resize` does with internal metadata that a disk that has grown still has at
// its old end: what the log says goes into the bitmap, and all of it to the new end.
void move_metadata(SimDisk& disk, const meta::Layout& from, const meta::Layout& to);

// All that says "may differ" on the disk of a node that is not running: bitmap, full-sync flag and,
// if the node was Primary, the activity log.
class DirtOnDisk {
public:
    DirtOnDisk(const SimDisk& disk, const meta::Layout& layout);

    bool covers(std::uint64_t bit) const;

private:
    bool everything_ = false;
    std::set<std::uint32_t> extents_;
    std::vector<std::uint8_t> bitmap_;
};

}  // namespace sim
